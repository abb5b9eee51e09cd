"""Read and write tests/records/, whose README.md says what a row of each file is."""

import contextlib
import csv
import io
import platform

import cells
import pandas as pd
import torch
import torchvision
from filelock import FileLock

FOLDER = cells.ROOT / "tests" / "records"
# The code, by its name in codes.csv, whose rows are shown where the present code has none.
PUBLISHED = "third version"

# What must be equal where two runs are compared as a pair: these three are called the machine.
SAME_IN_A_PAIR = ["processor", "threads", "torch"]
RUN_COLUMNS = [
    "run",  # a number, the same in both files
    "study",
    "variant",
    "variant_hash",  # of the variant's settings and edits; empty for the first two versions
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
    "unaveraged_loss",  # of the unaveraged network; empty for the first two versions
    "unaveraged_correct",
]

# Columns whose values may look like numbers, and are none.
READ_AS_TEXT = ["variant_hash", "code", "benchmark", "python", "torch", "torchvision"]


def processor_and_versions():
    """Return the processor and the versions of Python, torch and torchvision, by column."""
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
    """Return the file of this name as a table; without the file, an empty one with columns.

    Raises FileNotFoundError where there is neither the file nor columns.
    """
    path = FOLDER / name
    if columns and not path.exists():
        return pd.DataFrame(columns=columns)
    return pd.read_csv(path, encoding="utf-8", dtype=dict.fromkeys(READ_AS_TEXT, str))


def read_runs():
    """Return all runs, in the order in which they were recorded."""
    runs = read("runs.csv", RUN_COLUMNS)
    return runs.assign(variant_hash=runs["variant_hash"].fillna(""))


def read_epochs():
    """Return the epochs of all runs."""
    return read("epochs.csv", EPOCH_COLUMNS)


def code_names():
    """Return the names that codes.csv has for code, by its fingerprint."""
    codes = read("codes.csv")
    return dict(zip(codes["code"], codes["name"], strict=True))


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
    cells.replace_text(path, text.getvalue())


def next_number():
    """Return the number of the next run: one that is in neither file."""
    return max([0, *read_runs()["run"], *read_epochs()["run"]]) + 1


def append_run(run, epochs):
    """Record one run, a dictionary with all RUN_COLUMNS but the number, and its epochs.

    The epochs are written first. After a crash in between they belong to no run, and are
    ignored. Raises filelock.Timeout where another process holds the lock for a minute.
    """
    # The operating system gives the lock back, however its holder ended.
    with FileLock(FOLDER / "lock", timeout=60):
        number = {"run": next_number()}
        append_rows(FOLDER / "epochs.csv", EPOCH_COLUMNS, [number | epoch for epoch in epochs])
        append_rows(FOLDER / "runs.csv", RUN_COLUMNS, [number | run])
