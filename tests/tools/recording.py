"""Read and write tests/records/: one file has a row for each training, one for each epoch."""

import contextlib
import csv
import io
import os
import platform
import time

import cells
import pandas as pd
import torch
import torchvision

FOLDER = cells.ROOT / "tests" / "records"
# The code, by its name in codes.csv, whose rows are shown where the present code has none.
PUBLISHED = "third version"

# What must be equal where two runs are compared with each other as a pair.
MACHINE = ["processor", "threads", "torch"]
RUN_COLUMNS = [
    "run",  # a number, the same in both files
    "study",
    "variant",
    "variant_hash",  # of the variant's settings and edits; empty for runs of before
    "seed",
    "code",  # the fingerprint of the notebook's cells for training
    "parameters",
    "seconds",  # of an epoch's training, the median
    "threads",
    "processor",
    "python",
    "torch",
    "torchvision",
]
EPOCH_COLUMNS = [
    "run",
    "epoch",
    "loss",
    "correct",  # of 10,000
    "unaveraged_loss",  # of the network in training; empty for runs of before
    "unaveraged_correct",
]

# Columns whose values may look like numbers, and are none.
TEXT_COLUMNS = ["variant_hash", "code", "python", "torch", "torchvision"]


def machine():
    """Return processor, Python, torch and torchvision by name, as the records hold them."""
    processor = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                processor = line.split(":")[1].strip()
                break
    return {
        "processor": processor,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }


def read(name, columns=None):
    """Return the file of this name as a table; without the file, an empty one with columns."""
    path = FOLDER / name
    if columns and not path.exists():
        return pd.DataFrame(columns=columns)
    return pd.read_csv(path, encoding="utf-8", dtype=dict.fromkeys(TEXT_COLUMNS, str))


def read_runs():
    """Return all runs, in the order in which they were recorded."""
    runs = read("runs.csv", RUN_COLUMNS)
    return runs.assign(variant_hash=runs["variant_hash"].fillna(""))


def read_epochs():
    """Return the epochs of all runs."""
    return read("epochs.csv", EPOCH_COLUMNS)


def code_names():
    """Return the names of earlier code, by its fingerprint."""
    codes = read("codes.csv")
    return dict(zip(codes["code"], codes["name"]))


def append_rows(path, columns, rows):
    """Add rows, dictionaries with these columns, to the file at path; make it if need be.

    The file is replaced whole: a crash leaves the old one. Raises ValueError where the file
    has other columns.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if path.exists():
        text.write(path.read_text(encoding="utf-8"))
        header = text.getvalue().split("\n")[0]
        if header != ",".join(columns):
            raise ValueError(f"{path} has other columns than {','.join(columns)}: {header}")
    else:
        writer.writeheader()
    writer.writerows(rows)
    temporary = path.with_suffix(".new")
    temporary.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    temporary.replace(path)


@contextlib.contextmanager
def locked(folder, patience=60):
    """Keep other processes from writing to the records in folder; wait for so many seconds."""
    lock = folder / "lock"
    end = time.monotonic() + patience
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > end:
                raise TimeoutError(f"If no study is running, remove {lock}.") from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink()


def next_number():
    """Return the number of the next run: one that is in neither file."""
    return max([0, *read_runs()["run"], *read_epochs()["run"]]) + 1


def append_run(run, epochs):
    """Record one run, a dictionary with all RUN_COLUMNS but the number, and its epochs.

    The epochs are written first. After a crash in between they belong to no run, and are
    ignored.
    """
    with locked(FOLDER):
        number = {"run": next_number()}
        append_rows(FOLDER / "epochs.csv", EPOCH_COLUMNS, [number | epoch for epoch in epochs])
        append_rows(FOLDER / "runs.csv", RUN_COLUMNS, [number | run])
