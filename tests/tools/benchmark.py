"""Time an epoch of the notebook, of the usual way, and of the third version's network.

`python -m tests.tools.benchmark` measures them in turns, each time in a new process, and writes
tests/study/records/benchmark.csv.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

from tests.study import plans, recording, report, study
from tests.tools import cells

COLUMNS = [
    "measure",
    "value",  # seconds
    "code",  # the fingerprint of the notebook's cells for training
    "benchmark",  # the fingerprint of this file, in which the usual way is written
    "threads",
    "processor",
    "python",
    "torch",
    "torchvision",
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
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
    network = names["Net"]().to(DEVICE)
    optimizer = torch.optim.SGD(network.parameters(), names["LEARNING_RATE"], names["MOMENTUM"])
    start = time.perf_counter()
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(network(images.to(DEVICE)), labels.to(DEVICE))
        loss.backward()
        optimizer.step()
        loss.item()  # for a log, as is usual
    return time.perf_counter() - start


def measure(way, count=60_000):
    """Return the seconds of one epoch on count images, after a short one to warm up."""
    notebook = cells.read()
    if way == report.USUAL:
        notebook = cells.edited(notebook, [USUAL_BLOCK])
    if way == report.THIRD:
        notebook = plans.with_plan(notebook, plans.THIRD_VERSION)
    names = study.namespace(notebook, {"EPOCHS": 1}, DEVICE)
    if way == report.USUAL:
        epoch_usual(names, WARM_UP)
        return epoch_usual(names, count)
    epoch_here(notebook, names, WARM_UP)
    return epoch_here(notebook, names, count)


def main(arguments=None):
    """Measure, and write the records anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.benchmark", description=__doc__)
    parser.parse_args(arguments)  # --help starts nothing
    conditions = {
        "code": cells.fingerprint(cells.read()),
        "benchmark": cells.digest(cells.essence(report.BENCHMARK.read_text(encoding="utf-8"))),
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
    }
    ways = [report.HERE, report.USUAL]
    if report.plan_of(cells.read()) != plans.THIRD_VERSION:
        ways.append(report.THIRD)
    ways = ROUNDS * ways
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        seconds = list(tqdm(pool.map(measure, ways), total=len(ways)))
    rows = []
    for way, value in zip(ways, seconds, strict=True):
        rows.append({"measure": way, "value": round(value, 2), **conditions})
    path = recording.FOLDER / "benchmark.csv"
    path.unlink(missing_ok=True)
    recording.append_rows(path, COLUMNS, rows)


if __name__ == "__main__":
    main()
