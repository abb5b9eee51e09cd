"""Time an epoch of the notebook, and one of a similar training that is written in the usual way.

`python -m tests.study.benchmark` measures them in turns, each time in a new process, and adds a
line to records/benchmarks.jsonl.
"""

import argparse
import datetime
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

from tests import cells
from tests.study import recording, study

HERE, USUAL = "here", "usual"
ROUNDS = 5
WARM_UP = 1_280  # images
# The same layers in the usual order, and dropout of single numbers instead of channels.
USUAL_BLOCK = cells.Edit(
    "block",
    """\
    if pool:
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.BatchNorm2d(out_channels))
    layers.append(nn.ReLU())
    layers.append(nn.Dropout2d(DROPOUT))
""",
    """\
    layers.append(nn.ReLU())
    layers.append(nn.BatchNorm2d(out_channels))
    layers.append(nn.Dropout(DROPOUT))
    if pool:
        layers.append(nn.MaxPool2d(2))
""",
)


def epoch_here(notebook, names, count):
    """Train for one epoch on count images as the notebook does; return the seconds."""
    names = dict(names)
    names["train_images"] = names["train_images"][:count]
    # Only the training is timed: one test image is enough.
    names["test_images"] = names["test_images"][:1]
    names["test_labels"] = names["test_labels"][:1]
    study.run_silently(notebook, names, "train")
    return names["history"][0]["seconds"]


def usual_images(names, count):
    """Return what loads count training images in batches, and changes them one by one."""
    shift = names["SHIFT"] / 28
    scale = (1 - names["SCALE"], 1 + names["SCALE"])
    steps = [
        transforms.RandomAffine(names["ROTATION"], (shift, shift), scale),
        transforms.ToTensor(),
        transforms.Normalize(0.1307, 0.3081),
    ]
    images = datasets.MNIST(names["DATA_FOLDER"], transform=transforms.Compose(steps))
    images = Subset(images, range(count))
    return DataLoader(images, names["BATCH_SIZE"], shuffle=True, num_workers=2)


def epoch_usual(names, count):
    """Train for one epoch on count images in the usual way; return the seconds."""
    batches = usual_images(names, count)
    device = names["device"]
    network = names["Net"]().to(device)
    optimizer = torch.optim.SGD(network.parameters(), names["LEARNING_RATE"], names["MOMENTUM"])
    start = time.perf_counter()
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(network(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        loss.item()  # for a log, as is usual
    return time.perf_counter() - start


def measure(way, count=60_000):
    """Return the seconds of one epoch on count images, after a short one to warm up."""
    notebook = cells.read()
    if way == USUAL:
        notebook = cells.edited(notebook, [USUAL_BLOCK])
    device = cells.definitions(notebook)["choose_device"]()
    names = study.namespace(notebook, {"EPOCHS": 1}, device)
    if way == USUAL:
        epoch_usual(names, WARM_UP)
        return epoch_usual(names, count)
    epoch_here(notebook, names, WARM_UP)
    return epoch_here(notebook, names, count)


def main(arguments=None):
    """Measure, and add a line to the records."""
    parser = argparse.ArgumentParser(prog="python -m tests.study.benchmark", description=__doc__)
    parser.parse_args(arguments)  # --help starts nothing
    row = {
        "day": datetime.date.today().isoformat(),
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
        HERE: [],
        USUAL: [],
    }
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for _ in tqdm(range(ROUNDS)):
            for way in (HERE, USUAL):
                row[way].append(round(pool.submit(measure, way).result(), 2))
    recording.append(recording.BENCHMARKS, row)


if __name__ == "__main__":
    main()
