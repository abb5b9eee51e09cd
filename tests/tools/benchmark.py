"""Time an epoch of the notebook beside one as such notebooks are usually written.

`python tests/tools/benchmark.py` measures the notebook's way and the usual one, this with and
without augmentation, in turns, each time in a new process. It counts the notebook's operator
calls, and writes tests/records/benchmark.csv.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cells
import recording
import study
import torch
import torch.nn.functional as F
from cells import Edit
from report import BENCHMARK, CALLS, HERE, READS, USUAL, USUAL_WITHOUT_AUGMENTATION
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

COLUMNS = [
    "measure",
    "value",
    "code",  # the fingerprint of the notebook's cells for training
    "benchmark",  # the fingerprint of this file, in which the usual way is written
    "threads",
    "processor",
    "python",
    "torch",
    "torchvision",
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROUNDS = 3
WARM_UP = 1_280  # images
# The same layers in the usual order, and dropout of single numbers instead of channels.
USUAL_BLOCK = Edit(
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
    return names["history"][0].seconds


def usual_images(names, count, augmented):
    """Return what loads count training images in batches, and changes them one by one."""
    steps = [transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)]
    if augmented:
        shift = names["SHIFT"] / 28
        scale = (1 - names["SCALE"], 1 + names["SCALE"])
        steps.insert(0, transforms.RandomAffine(names["ROTATION"], (shift, shift), scale))
    images = datasets.MNIST(names["DATA_FOLDER"], transform=transforms.Compose(steps))
    images = Subset(images, range(count))
    return DataLoader(images, names["BATCH_SIZE"], shuffle=True, num_workers=2)


def epoch_usual(names, count, augmented=True):
    """Train for one epoch on count images in the usual way; return the seconds."""
    batches = usual_images(names, count, augmented)
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
    if way != HERE:
        notebook = cells.edited(notebook, [USUAL_BLOCK])
    names = study.namespace(notebook, {"EPOCHS": 1}, DEVICE)
    if way == HERE:
        epoch_here(notebook, names, WARM_UP)
        return epoch_here(notebook, names, count)
    augmented = way == USUAL
    epoch_usual(names, WARM_UP, augmented)
    return epoch_usual(names, count, augmented)


def count_operators():
    """Return how many operators a training step calls, and how often it reads a number.

    Counted by torch's profiler; reads are those from the device to the processor. A long epoch
    minus a short one leaves the steps between them.
    """
    notebook = cells.read()
    names = study.namespace(notebook, {"EPOCHS": 1}, DEVICE)
    calls, reads = {}, {}
    for steps in (2, 12):
        with torch.profiler.profile() as profile:
            epoch_here(notebook, names, steps * names["BATCH_SIZE"])
        events = [event.name for event in profile.events()]
        calls[steps] = sum(name.startswith("aten::") for name in events)
        reads[steps] = events.count("aten::_local_scalar_dense")
    return (calls[12] - calls[2]) / 10, (reads[12] - reads[2]) / 10


def main(arguments=None, work=measure):
    """Measure, and write the records anew.

    work times one epoch, as measure does; tests put something else in its place.
    """
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)  # --help starts nothing
    ways = [HERE, USUAL, USUAL_WITHOUT_AUGMENTATION] * ROUNDS
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        seconds = list(tqdm(pool.map(work, ways), total=len(ways)))
    calls, reads = count_operators()
    measures = [*zip(ways, seconds, strict=True), (CALLS, calls), (READS, reads)]
    conditions = {
        "code": cells.fingerprint(cells.read(), cells.TRAINING),
        "benchmark": cells.fingerprint_of_file(BENCHMARK),
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
    }
    rows = [{"measure": name, "value": round(value, 2), **conditions} for name, value in measures]
    path = recording.FOLDER / "benchmark.csv"
    path.unlink(missing_ok=True)
    recording.append_rows(path, COLUMNS, rows)


if __name__ == "__main__":
    main()
