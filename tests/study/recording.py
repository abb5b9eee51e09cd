"""Read and write tests/study/records/, whose README.md says what a line of each file is."""

import contextlib
import json
import platform
from pathlib import Path

import pandas as pd
import torch
import torchvision

from tests import cells

FOLDER = Path(__file__).with_name("records")
RUNS, BENCHMARKS = "runs.jsonl", "benchmarks.jsonl"
SOURCE = "training.txt"  # the source that the runs have trained
# What must be equal where two runs are compared as a pair: these three are called the machine.
MACHINE = ["processor", "threads", "torch"]


def processor_and_versions():
    """Return the processor and the versions of Python, torch and torchvision, by name."""
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


def version(text):
    """Return a version without what tells one build of it from another."""
    return text.partition("+")[0]


def trained_source():
    """Return the source that the recorded runs have trained."""
    return (FOLDER / SOURCE).read_text(encoding="utf-8")


def replace(source, runs):
    """Write the records of the study anew: the source that is trained, and these runs of it."""
    cells.replace_file(FOLDER / SOURCE, source)
    cells.replace_file(FOLDER / RUNS, "".join(f"{json.dumps(run)}\n" for run in runs))


def read(name):
    """Return the rows of the file of this name as a table."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return pd.DataFrame([json.loads(line) for line in lines])


def append(name, row):
    """Add a row, a dictionary, to the file of this name."""
    # One short line, written at once: several studies may run at the same time.
    with (FOLDER / name).open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(row) + "\n")
