"""Read and write tests/study/records/, whose README.md says what a row of each file is."""

import contextlib
import csv
import io
import platform
from pathlib import Path

import pandas as pd
import torch
import torchvision
from filelock import FileLock

from tests.tools import cells

FOLDER = Path(__file__).with_name("records")

# What must be equal where two runs are compared as a pair: these three are called the machine.
MACHINE = ["processor", "threads", "torch"]
RUN_COLUMNS = [
    "run",  # a number, the same in both files
    "variant",
    "seed",
    "code",  # the fingerprint of the notebook's training
    "trained",  # that of what was trained, with the variant's edits and settings
    "parameters",
    "seconds",  # of an epoch's training, the median
    "threads",
    "processor",
    "python",
    "torch",
    "torchvision",
]
EPOCH_COLUMNS = ["run", "epoch", "loss", "correct", "unaveraged_loss", "unaveraged_correct"]

# Columns whose values may look like numbers, or be empty, and are texts.
TEXTS = ["code", "trained", "benchmark", "processor", "python", "torch", "torchvision"]


def processor_and_versions():
    """Return the processor and the versions of Python, torch and torchvision, by column."""
    processor = platform.processor() or platform.machine()
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
    rows = pd.read_csv(path, encoding="utf-8", dtype=dict.fromkeys(TEXTS, str))
    # An empty text comes back as a number that is not even equal to itself.
    return rows.fillna(dict.fromkeys(TEXTS, ""))


def append_rows(path, columns, rows):
    """Add rows, dictionaries with these columns, to the file at path; make it if need be.

    The file is replaced whole: a crash leaves the old one. Raises ValueError where the file
    has other columns.
    """
    header = ",".join(columns)
    text = f"{header}\n"
    if path.exists():
        text = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    if not text.startswith(f"{header}\n"):
        raise ValueError(f"{path} has other columns than {header}.")
    added = io.StringIO(newline="")
    csv.DictWriter(added, columns, lineterminator="\n").writerows(rows)
    cells.replace_text(path, text + added.getvalue())


def append_run(run, epochs):
    """Record one run, a dictionary with all RUN_COLUMNS but the number, and its epochs.

    The epochs are written first. After a crash in between they belong to no run, and are
    ignored. Raises filelock.Timeout where another process holds the lock for a minute.
    """
    # The operating system gives the lock back, however its holder ended.
    with FileLock(FOLDER / "lock", timeout=60):
        used = [*read("runs.csv")["run"], *read("epochs.csv")["run"]]
        number = {"run": max(used, default=0) + 1}
        append_rows(FOLDER / "epochs.csv", EPOCH_COLUMNS, [number | epoch for epoch in epochs])
        append_rows(FOLDER / "runs.csv", RUN_COLUMNS, [number | run])
