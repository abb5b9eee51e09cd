"""Make of the records what is generated: a table, and the numbers of the notebook's picture.

It is generated between <!-- name --> and <!-- end -->. Sentences are written by hand:
tests/published/test_numbers.py holds their numbers.
"""

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from math import ceil, inf, nan
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tests import cells
from tests.study import recording, variants

REQUIRED = 9_940  # right answers of 10,000
ERROR = 0.05  # the chance of any wrong claim in the table of the study; the texts say 95 %


# What the runs ended with, and how they are compared


def passes(correct):
    """Return whether the notebook's check lets a run pass with these right answers by epoch."""
    return min(correct[-4:]) > REQUIRED


def first_epoch(correct):
    """Return the first epoch with 99.40 %, or infinity."""
    reached = [epoch for epoch, right in enumerate(correct, start=1) if right >= REQUIRED]
    return min(reached, default=inf)


class Change(NamedTuple):
    """How far one mean is above another; the true change lies within mean ± uncertainty."""

    mean: float
    uncertainty: float

    @property
    def is_beyond_chance(self):
        """Whether the interval leaves out 0."""
        return abs(self.mean) > self.uncertainty


def compare(before, after, comparisons):
    """Return the Change from before to after, which are pairs, by Student's t.

    comparisons is how many are made in all: together they are right with 95 % confidence
    (Bonferroni).
    """
    if len(before) == 0:
        return Change(nan, inf)
    differences = np.subtract(after, before)
    if np.ptp(differences) < 1e-9:  # a single pair, or equal ones, show no uncertainty
        return Change(float(differences.mean()), inf)
    test = stats.ttest_1samp(differences, 0)
    interval = test.confidence_interval(1 - ERROR / comparisons)
    return Change(float(differences.mean()), float(interval.high - interval.low) / 2)


def most_that_fail(failed, count):
    """Return the share that fails at most, with 95 % confidence, if failed of count did."""
    test = stats.binomtest(failed, count, alternative="less")
    return test.proportion_ci(1 - ERROR, "exact").high


@dataclass(frozen=True)
class Row:
    """A variant, its runs, one for each seed, and the change from what it is compared with."""

    variant: variants.Variant
    runs: pd.DataFrame  # see judged
    change: Change | None

    @property
    def passed(self):
        """How many runs pass the check."""
        return int(self.runs["passed"].sum())


def judged(runs, variant):
    """Return runs with what each ended with; accuracies are in per cent."""
    network = "" if variant.is_averaged else "unaveraged_"
    correct, losses = runs[f"{network}correct"], runs[f"{network}loss"]
    return runs.assign(
        wrong=[10_000 - each[-1] for each in correct],
        accuracy=[each[-1] / 100 for each in correct],
        loss=[each[-1] for each in losses],
        passed=[passes(each) for each in correct],
        first_epoch=[first_epoch(each) for each in correct],
    )


def pinned(package):
    """Return the version that requirements.txt demands."""
    text = (cells.ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.search(rf"^{package}==(.+)$", text, re.MULTILINE)[1]


def shown_torch(runs):
    """Return the version of torch whose runs are shown: the pinned one, or the newest recorded."""
    versions = runs["torch"].map(recording.version)
    return pinned("torch") if pinned("torch") in set(versions) else versions.iloc[-1]


def rows():
    """Return the Row of each variant that has runs, by its name, in the order of VARIANTS."""
    runs = recording.read(recording.RUNS)
    runs = runs[runs["torch"].map(recording.version) == shown_torch(runs)]
    recorded = cells.training_notebook(recording.trained_source())
    found = {}
    for variant in variants.VARIANTS:
        of_variant = judged(runs[runs["trained"] == variant.digest(recorded)], variant)
        if len(of_variant):
            found[variant.name] = of_variant
    comparisons = sum(variants.variant(name).compared_with in found for name in found)
    shown = {}
    for name, of_variant in found.items():
        variant = variants.variant(name)
        change = None
        if variant.compared_with in found:
            pairs = paired(found[variant.compared_with], of_variant)
            change = compare(pairs["accuracy_before"], pairs["accuracy"], comparisons)
        of_seeds = of_variant.drop_duplicates("seed").sort_values("seed")
        shown[name] = Row(variant, of_seeds, change)
    return shown


def paired(before, after):
    """Return the runs after beside those before of the same seed on the same machine.

    The columns of before end in _before. Of several pairs with one seed, the first counts.
    """
    pairs = after.merge(before, on=["seed", *recording.MACHINE], suffixes=("", "_before"))
    return pairs.drop_duplicates("seed")


# The table, and the numbers of the picture


def in_points(change):
    """Return a Change as the table says it: in bold type if it is beyond chance."""
    if change is None or change.uncertainty == inf:
        return ""
    text = f"{change.mean:+.3f} ± {change.uncertainty:.3f}"
    return f"**{text}**" if change.is_beyond_chance else text


def verdict(row):
    """Return what a comparison shows: the variant's analysis, or else what can be excluded."""
    if row.change is None or row.change.is_beyond_chance:
        return row.variant.analysis
    if row.change.uncertainty == inf:
        return "too few pairs"
    largest = abs(row.change.mean) + row.change.uncertainty  # that the interval includes
    return f"no difference is shown: below {ceil(100 * largest) / 100:.2f} points, if any"


def entries(row):
    """Return what the table says of a row, by column."""
    return {
        "Training": row.variant.name,
        "Target: what is changed, and why": row.variant.target,
        "Mean %": f"{row.runs['accuracy'].mean():.2f}",
        "Worst %": f"{row.runs['accuracy'].min():.2f}",
        "Pass": f"{row.passed} of {len(row.runs)}",
        "Change, points": in_points(row.change),
        "Epoch of 99.40 %": f"{row.runs['first_epoch'].median():g}",
        "Loss": f"{row.runs['loss'].mean():.4f}",
        "Analysis": verdict(row),
    }


TEXTS = ("Training", "Target: what is changed, and why", "Analysis")  # columns without numbers
SHORT = ("Training", "Mean %", "Worst %", "Pass", "Change, points")


def ladder(columns=None):
    """Return the table of the steps to the recipe, and of what leaving a part out costs.

    It has these columns, or all.
    """
    of_rows = [entries(row) for row in rows().values()]
    columns = columns or of_rows[0].keys()
    alignments = [":--" if column in TEXTS else "--:" for column in columns]
    lines = [columns, alignments]
    lines += [[of_row[column] for column in columns] for of_row in of_rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    version = shown_torch(recording.read(recording.RUNS))
    if version != pinned("torch"):
        table += f"\n\nThese trainings were made with torch {version}."
    return table


def dots(name, chosen):
    """Return code for the notebook: two dictionaries, of which name is the first one's.

    They hold for each variant that is chosen, by the number of wrong answers, how many runs had
    so many, and how many runs pass.
    """
    lines, passed = [f"{name} = {{"], [f"{name}_PASSED = {{"]
    for row in rows().values():
        if row.variant in chosen:
            counts = dict(sorted(Counter(row.runs["wrong"].tolist()).items()))
            entry = f'"{row.variant.name}": {counts},'
            lines += textwrap.wrap(entry, 90, initial_indent=" " * 4, subsequent_indent=" " * 8)
            passed.append(f'    "{row.variant.name}": {row.passed},')
    return "\n".join([*lines, "}  # fmt: skip", *passed, "}"])


BLOCKS = {
    "ladder": ladder,
    "ladder-short": lambda: ladder(SHORT),
    "ladder-dots": lambda: dots("LADDER", variants.LADDER),
    "left-out-dots": lambda: dots("LEFT_OUT", variants.LEFT_OUT),
}

# What stands before and after what is generated: in code it is a comment.
START, END = r"(?:# )?<!-- ([\w-]+) -->", "(?:# )?<!-- end -->"


def fill(text):
    """Return text, Markdown or code, with all that is generated in it made anew.

    Raises ValueError where a marker is damaged or without its other half, because what stands
    there would never be renewed, and KeyError where nothing is generated under its name.
    """

    def made_anew(match):
        start, name, end = match.groups()
        return f"{start}{BLOCKS[name]()}\n{end}"

    whole = re.compile(f"^({START}\n)(?:(?!<!--).)*^({END})$", re.DOTALL | re.MULTILINE)
    damaged = re.search(".*<!--.*", whole.sub("", text))
    if damaged:
        raise ValueError(f"A generated text must stand between two whole lines: {damaged[0]!r}")
    return whole.sub(made_anew, text)
