"""Time the notebook's training beside the way such notebooks are usually written.

`python tests/benchmark.py` writes tests/records/benchmark.csv and images/benchmark.png and prints
medians and ratios. The contestants take turns, so that a noisy machine slows all alike, and each
has a process of its own, so that its peak memory is its own.
"""

import argparse
import contextlib
import csv
import io
import platform
import resource
import statistics
import subprocess
import sys
import time

import cells
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from study import FULL, PLAIN, RECORDS, STUDY, read_records, results
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

RECORD = RECORDS / "benchmark.csv"
CHART = cells.ROOT / "images" / "benchmark.png"
NOTEBOOK, USUAL, EXAMPLE = "this notebook", "the usual way", "PyTorch's example network"
COLUMNS = ["measure", "contestant", "threads", "images", "round", "value", "unit"]
COLUMNS += ["processor", "python", "torch"]


class NotebookTraining:
    """The notebook's own epoch: all images in memory, one augmentation for a whole batch."""

    def __init__(self, images):
        names = cells.definitions()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tensors = names["load_mnist"](cells.ROOT / "data", self.device)
        self.names, self.test = names, tensors[2:]
        self.images, self.labels = (tensor[:images] for tensor in tensors[:2])
        self.parts = names["prepare_training"](-(-images // names["BATCH_SIZE"]), self.device)
        self.network = self.parts[0]

    def epoch(self):
        """Train for one epoch."""
        model, averaged_model, optimizer, scheduler = self.parts
        self.names["train_one_epoch"](
            model, averaged_model, self.images, self.labels, optimizer, scheduler
        )

    def data(self):
        """Fetch and augment every batch of an epoch, and train on none."""
        order = torch.randperm(len(self.images), device=self.device)
        for batch in order.split(self.names["BATCH_SIZE"]):
            self.names["random_affine"](self.images[batch])


class UsualTraining:
    """The notebook's network as it is usually trained: DataLoader, PIL transforms, nn.Dropout."""

    augmentation = (transforms.RandomRotation(8),)

    def __init__(self, images):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.test = cells.definitions()["load_mnist"](cells.ROOT / "data", self.device)[2:]
        self.network = self.build().to(self.device)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9)
        steps = [*self.augmentation, transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)]
        dataset = datasets.MNIST(cells.ROOT / "data", transform=transforms.Compose(steps))
        self.loader = DataLoader(
            Subset(dataset, range(images)), batch_size=128, shuffle=True, num_workers=2
        )

    def build(self):
        """Return the notebook's network in the order convolution, ReLU, BN, dropout, pooling."""
        layers, pool = [], []
        for layer in cells.definitions()["Net"]().layers:
            if isinstance(layer, nn.MaxPool2d):
                pool = [layer]
            elif isinstance(layer, nn.BatchNorm2d):
                layers += [nn.ReLU(), layer]
            elif isinstance(layer, nn.Dropout2d):
                layers += [nn.Dropout(layer.p), *pool]
                pool = []
            elif not isinstance(layer, nn.ReLU):
                layers.append(layer)
        return nn.Sequential(*layers)

    def epoch(self):
        """Train for one epoch."""
        self.network.train()
        for images, labels in self.loader:
            self.optimizer.zero_grad()
            loss = F.nll_loss(self.network(images.to(self.device)), labels.to(self.device))
            loss.backward()
            self.optimizer.step()
            loss.item()

    def data(self):
        """Fetch and augment every batch of an epoch, and train on none."""
        for _ in self.loader:
            pass


class ExampleTraining(UsualTraining):
    """The network of PyTorch's MNIST example, with 1,199,882 parameters, and no augmentation."""

    augmentation = ()

    def build(self):
        """Return the example's layers."""
        return nn.Sequential(
            *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(dim=1)),
        )


CONTESTANTS = {NOTEBOOK: NotebookTraining, USUAL: UsualTraining, EXAMPLE: ExampleTraining}


def infer(training):
    """Classify the 10,000 test images, 1,000 at a time."""
    training.network.eval()
    with torch.no_grad():
        for images in training.test[0].split(1000):
            training.network(images)


def seconds(work):
    """Return how long work() takes."""
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def peak_memory():
    """Return the most memory that this process and one of its data workers have held, in MiB."""
    people = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in people) / 1024


def processor():
    """Return the notebook's own name of the processor."""
    names = cells.definitions()
    with contextlib.redirect_stdout(io.StringIO()):
        cells.run(cells.read(), names, "device")
    return names["processor"]


def serve(contestant, threads, images):
    """Answer each measure named on standard input with its value on standard output."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    training = CONTESTANTS[contestant](images)
    measures = {
        "epoch": lambda: seconds(training.epoch),
        "data": lambda: seconds(training.data),
        "inference": lambda: seconds(lambda: infer(training)),
        "peak memory": peak_memory,
    }
    for line in sys.stdin:
        print(measures[line.strip()](), flush=True)


def ask(process, measure):
    """Return what the contestant's process answers."""
    print(measure, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def measure_all(rounds, plan):
    """Yield a row per measurement of each (contestant, threads, images) of plan, in turns."""
    processes = {}
    for job in plan:
        # Not multiprocessing: below its processes a DataLoader waits 5 s for its workers to end.
        command = [sys.executable, __file__, "--serve", *map(str, job)]
        processes[job] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ask(processes[job], "inference")  # waits until the contestant is ready
    for number in tqdm(range(rounds), unit="round"):
        for job, process in processes.items():
            for measure in ("epoch", "data", "inference"):
                yield measure, *job, number, ask(process, measure), "s"
    for job, process in processes.items():
        yield "peak memory", *job, 0, ask(process, "peak memory"), "MiB"
        process.communicate()


def medians(rows):
    """Return the median value of each (measure, contestant, threads, images)."""
    groups = {}
    for row in rows:
        key = (row["measure"], row["contestant"], int(row["threads"]), int(row["images"]))
        groups.setdefault(key, []).append(float(row["value"]))
    return {key: statistics.median(values) for key, values in groups.items()}


def full_size(rows):
    """Return the largest numbers of threads and of images in rows."""
    return max(int(row["threads"]) for row in rows), max(int(row["images"]) for row in rows)


def contestants_table(rows):
    """Return the lines of a Markdown table: one per contestant, on all threads and images."""
    values, (threads, images) = medians(rows), full_size(rows)
    lines = [
        "| | s per epoch | images per s | data, share of epoch | inference, s | peak memory, MiB |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for contestant in CONTESTANTS:
        epoch, data, inference, memory = (
            values[measure, contestant, threads, images]
            for measure in ("epoch", "data", "inference", "peak memory")
        )
        lines.append(
            f"| {contestant} | {epoch:.1f} | {images / epoch:,.0f} | {data / epoch:.0%} "
            f"| {inference:.2f} | {memory:,.0f} |"
        )
    return lines


def sentences(rows, records):
    """Return the ratios between contestants; records are the study's, for epochs to 99.40 %."""
    values, size = medians(rows), full_size(rows)
    ours, usual, example = (values[("epoch", name, *size)] for name in CONTESTANTS)
    first, plain = results(records, FULL)["first"], results(records, PLAIN)
    epochs = f"needs {plain['first']:.0f}; these take"
    if plain["latest_first"] == "never":
        epochs = f"needs {plain['first']:.0f} or more; these take at least"
    return (
        f"An epoch of {USUAL} takes **{usual / ours:.1f} times** as long as this notebook's, an "
        f"epoch of {EXAMPLE} {example / ours:.1f} times. To 99.40 % the notebook needs "
        f"{first:.0f} epochs (median of the study), {first * ours:.0f} s. With a constant learning "
        f"rate of 0.01 and no averaging, as {USUAL} trains, it {epochs} "
        f"{plain['first'] * usual:.0f} s in {USUAL}, "
        f"**{plain['first'] * usual / (first * ours):.1f} times** as long. Medians of "
        f"{len({row['round'] for row in rows})} rounds on {rows[0]['processor']}, {size[0]} "
        f"threads; Python {rows[0]['python']}, torch {rows[0]['torch']}."
    )


def growth_table(rows):
    """Return the lines of a Markdown table: the notebook's epoch by threads and images."""
    values = medians(rows)
    sizes = sorted({key[3] for key in values})
    lines = ["| s per epoch | " + " | ".join(f"{size:,} images" for size in sizes) + " |"]
    lines += ["|:--|" + "--:|" * len(sizes)]
    for threads in sorted({key[2] for key in values}):
        epochs = (values["epoch", NOTEBOOK, threads, size] for size in sizes)
        lines.append(f"| threads: {threads} | " + " | ".join(f"{s:.1f}" for s in epochs) + " |")
    return lines


def draw(rows, path):
    """Draw the seconds per epoch of the contestants as bars into path, in the notebook's style."""
    style = cells.definitions()
    cells.run(cells.read(), style, "style")
    values, size = medians(rows), full_size(rows)
    epochs = [values[("epoch", name, *size)] for name in CONTESTANTS]
    figure, axis = plt.subplots(figsize=(8, 2))
    bars = axis.barh(list(CONTESTANTS), epochs, color=[style["BLUE"], style["GREY"], style["GREY"]])
    axis.bar_label(bars, [f"{value:.1f} s" for value in epochs], padding=4)
    axis.set(xlabel="seconds per epoch of 60,000 images", xlim=(0, max(epochs) * 1.15))
    axis.invert_yaxis()
    figure.savefig(path)


def main():
    """Measure, write the CSV and the chart, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=60_000, help="fewer: print, write nothing")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        contestant, threads, images = options.serve
        serve(contestant, int(threads), int(images))
        return
    threads, size = torch.get_num_threads(), options.images
    plan = [(contestant, threads, size) for contestant in CONTESTANTS]
    plan += [(NOTEBOOK, threads, size // 4), (NOTEBOOK, threads, size // 2)]
    plan += [(NOTEBOOK, 1, size // 4), (NOTEBOOK, 1, size // 2), (NOTEBOOK, 1, size)]
    machine = (processor(), platform.python_version(), torch.__version__)
    rows = [
        dict(zip(COLUMNS, (*row, *machine)))
        for row in measure_all(options.rounds, dict.fromkeys(plan))
    ]
    if options.images == 60_000:
        with RECORD.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        draw(rows, CHART)
    print("\n".join(contestants_table(rows) + growth_table(rows)))
    print(sentences(rows, read_records(STUDY)))


if __name__ == "__main__":
    main()
