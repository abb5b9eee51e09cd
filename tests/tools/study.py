"""Train the notebook's network for many seeds, whole and with one part left out.

`python tests/tools/study.py` runs what tests/records/study.csv lacks for the present code;
with `--held-out` it tries settings on held-out training images, for held-out.csv.
"""

import argparse
import contextlib
import csv
import io
import multiprocessing
import os
import platform
import signal
import statistics
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed

import cells
import torch
import torchvision
from torch import nn
from tqdm import tqdm

COLUMNS = ["variant", "seed", "code", "correct", "loss", "seconds", "parameters"]
COLUMNS += ["processor", "python", "torch", "torchvision"]
RECIPE = "full recipe"


def without_normalisation(block):
    """Return a block whose convolution has a bias in the place of batch normalisation."""

    def changed(inputs, outputs, kernel_size=3, padding=0, pool=False):
        layers = block(inputs, outputs, kernel_size, padding, pool)
        layers[0] = nn.Conv2d(inputs, outputs, kernel_size, padding=padding)
        return [layer for layer in layers if not isinstance(layer, nn.BatchNorm2d)]

    return changed


def with_end(layers):
    """Return what gives a network the layers that layers() returns instead of GAP and FC."""
    return lambda net: lambda: nn.Sequential(*list(net())[:-4], *layers(), nn.LogSoftmax(dim=1))


# What takes the place of names of the notebook: the value of a setting, or for a function
# or class what is called with it and returns the new one.
PARTS = {
    RECIPE: {},
    "no batch normalisation": {"block": without_normalisation},
    "no dropout": {"DROPOUT": 0},
    "no global average pooling": {"Net": with_end(lambda: [nn.Flatten(), nn.Linear(96, 10)])},
    "no fully connected layer": {
        "Net": with_end(lambda: [nn.Conv2d(24, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    },
    "no augmentation": {"ROTATION": 0, "SHIFT": 0, "SCALE": 0},
    "no weight averaging": {"AVERAGE_SHARE": 0},  # the average is then a plain copy
}
VARIANTS = PARTS | {
    "learning rate 0.01": {"LEARNING_RATE": 0.01},  # the assignment's
    "no momentum, learning rate 0.2": {"MOMENTUM": 0, "LEARNING_RATE": 0.2},
    "no rotation": {"ROTATION": 0},
    "no shift": {"SHIFT": 0},
    "no resizing": {"SCALE": 0},
}


def machine():
    """Return processor, Python, torch and torchvision by name, as records hold them."""
    processor = platform.processor()
    with contextlib.suppress(OSError, StopIteration), open("/proc/cpuinfo") as file:
        processor = next(line for line in file if line.startswith("model name"))
    values = processor.split(":")[-1].strip(), platform.python_version()
    return dict(zip(COLUMNS[-4:], (*values, torch.__version__, torchvision.__version__)))


def run_silently(names, identifier):
    """Execute the notebook's cell with this id in the namespace names; print nothing."""
    with contextlib.redirect_stdout(io.StringIO()):
        cells.run(cells.read(), names, identifier)


def namespace(changes, device="cpu"):
    """Return what the training cell needs: definitions with changes, and data on device."""
    # The weights are "saved" in memory.
    names = cells.definitions(DATA_FOLDER=cells.ROOT / "data", WEIGHTS_FILE=io.BytesIO())
    for name, new in changes.items():
        names[name] = new(names[name]) if callable(new) else new
    names["device"] = torch.device(device)
    run_silently(names, "load-run")
    return names


def hold_out(names, seed):
    """Put another block of 10,000 training images, by seed, in the test set's place."""
    for kind in ("images", "labels"):
        data = names[f"train_{kind}"].roll(6_000 * seed, dims=0)
        names[f"train_{kind}"], names[f"test_{kind}"] = data.split(50_000)


def train(variant, seed, held_out):
    """Train one variant with one seed; return its row. A missing epoch has 0 correct."""
    values = [variant, seed, cells.fingerprint(cells.read(), cells.TRAINING)]
    names = namespace({"SEED": seed, **VARIANTS[variant]})
    if held_out:
        hold_out(names, seed)
    with contextlib.suppress(FloatingPointError):  # ends the training
        run_silently(names, "train")
    history, missing = names["history"], names["EPOCHS"] - len(names["history"])
    values.append(" ".join([*(str(epoch[3]) for epoch in history), *["0"] * missing]))
    values.append(" ".join([*(f"{epoch[2]:.5f}" for epoch in history), *["nan"] * missing]))
    values.append(round(statistics.median([epoch[4] for epoch in history] or [0]), 1))
    values.append(sum(map(torch.numel, names["model"].parameters())))
    return dict(zip(COLUMNS, values)) | machine()


def read_records(path):
    """Return the rows of the CSV at path as dictionaries, none where there is no file."""
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def append_record(path, row):
    """Add row to the CSV at path, which is made if it is not there."""
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)


def start_worker():
    """Use one thread; end when the parent ends, however that came, and only then."""

    def end():
        multiprocessing.parent_process().join()
        os._exit(1)

    torch.set_num_threads(1)
    threading.Thread(target=end, daemon=True).start()


def main(arguments=None, work=train):
    """Run what the records lack, one run a core; return how many runs failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="try settings, on training images")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N")
    options = parser.parse_args(arguments)
    path = cells.RECORDS / ("held-out.csv" if options.held_out else "study.csv")
    code = cells.fingerprint(cells.read(), cells.TRAINING)
    done = [(row["variant"], row["seed"], row["code"]) for row in read_records(path)]
    # Seed by seed, the recipe first: a study that is stopped early is balanced.
    jobs = [
        (name, seed, options.held_out)
        for seed in options.seeds or range(20)
        for name in options.variants or (VARIANTS if options.held_out else PARTS)
        if options.seeds or seed < 10 or name == RECIPE and not options.held_out
        if (name, str(seed), code) not in done
    ]
    print(f"{len(jobs)} runs to do for {path}.")
    cells.definitions()["load_mnist"](cells.ROOT / "data")  # once, before several want it
    failures, context = 0, multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, start_worker) as pool:
        futures = {pool.submit(work, *job): job for job in jobs}
        for future in tqdm(as_completed(futures), total=len(jobs), unit="run"):
            try:
                append_record(path, future.result())
            except Exception as error:
                failures += 1
                tqdm.write(f"Failed: {futures[future][:2]}: {error!r}")
    return failures


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once: every finished run is kept
    sys.exit(bool(main()))
