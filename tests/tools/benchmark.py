"""Time an epoch of the notebook beside one as such notebooks are usually written.

`python tests/tools/benchmark.py` measures both in turns, each time in a new process,
counts the notebook's operator calls, and writes tests/records/benchmark.csv.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cells
import study
import torch
import torch.nn.functional as F
from report import HERE, USUAL
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def epoch_here(names, count):
    """Train for one epoch on count images as the notebook does; return the seconds."""
    # Only the training is timed: one test image is enough.
    few = {name: names[name][:1] for name in ("test_images", "test_labels")}
    names = names | few | {"train_images": names["train_images"][:count]}
    study.run_silently(names, "train")
    return names["history"][0][4]


def usual_block(block):
    """Return a block with its layers in the usual order: ReLU, BN, dropout, pooling."""

    def changed(*sizes, **options):
        convolution, *pool, norm, relu, dropout = block(*sizes, **options)
        return [convolution, relu, norm, nn.Dropout(dropout.p), *pool]

    return changed


def epoch_usual(names, count):
    """Train for one epoch on count images in the usual way; return the seconds."""
    shift, scale = names["SHIFT"] / 28, names["SCALE"]
    affine = transforms.RandomAffine(names["ROTATION"], (shift, shift), (1 - scale, 1 + scale))
    normalise = transforms.Normalize(0.1307, 0.3081)
    transform = transforms.Compose([affine, transforms.ToTensor(), normalise])
    images = Subset(datasets.MNIST(names["DATA_FOLDER"], transform=transform), range(count))
    loader = DataLoader(images, names["BATCH_SIZE"], shuffle=True, num_workers=2)
    device, network = names["device"], names["Net"]().to(names["device"])
    optimizer = torch.optim.SGD(network.parameters(), names["LEARNING_RATE"], names["MOMENTUM"])
    start = time.perf_counter()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(network(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - start


def measure(way, count=60_000):
    """Return the seconds of one epoch on count images, after a short one to warm up."""
    epoch, changes = {HERE: (epoch_here, {}), USUAL: (epoch_usual, {"block": usual_block})}[way]
    names = study.namespace({"EPOCHS": 1, **changes}, DEVICE)
    return [epoch(names, each) for each in (1_280, count)][1]


def count_operators():
    """Return how many operators a training step calls, and how often it reads a number.

    Counted by torch's profiler; reads are those from the device to the processor.
    """
    counts, names = [], study.namespace({"EPOCHS": 1}, DEVICE)
    for steps in (2, 12):
        with torch.profiler.profile() as profile:
            epoch_here(names, steps * names["BATCH_SIZE"])
        events = [event.name for event in profile.events()]
        calls = sum(name.startswith("aten::") for name in events)
        counts.append((calls, events.count("aten::_local_scalar_dense")))
    return [(long - short) / 10 for short, long in zip(*counts)]


def main():
    """Measure, and write the records anew."""
    ways = [HERE, USUAL] * 3
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        seconds = list(tqdm(pool.map(measure, ways), total=len(ways)))
    rest = {"code": cells.fingerprint(cells.read(), cells.TRAINING)}
    rest |= {"threads": torch.get_num_threads(), **study.machine()}
    path = cells.RECORDS / "benchmark.csv"
    path.unlink(missing_ok=True)
    for name, value in zip([*ways, "operator calls", "reads"], [*seconds, *count_operators()]):
        study.append_record(path, {"measure": name, "value": round(value, 2)} | rest)


if __name__ == "__main__":
    main()
