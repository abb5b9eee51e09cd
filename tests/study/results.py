"""What the recorded runs ended with: a row a run, by variant, compared in pairs."""

from dataclasses import dataclass
from math import inf, nan
from typing import NamedTuple

import pandas as pd

from tests.study import plans, recording, stats, variants
from tests.tools import cells

REQUIRED = 9_940  # correct answers of 10,000
SAME_ANSWER = 1_135  # right if every image is taken for a one, as many as there are ones
LEARNT = 5_000  # a run that ends with fewer did not learn; so says the cell study-picture, too
FEWEST_PAIRS = 3  # a variant with fewer is not shown
JUDGES = range(2, 10)  # the seeds that judge the plans which seeds 0 and 1 have chosen


class Ending(NamedTuple):
    """What a run ended with."""

    correct: int  # right answers of 10,000 in the last epoch
    accuracy: float  # the same, in per cent
    loss: float  # in the last epoch
    last_four: float  # the worst accuracy of the last four epochs
    first_epoch: float  # the first with 99.40 %, or infinite
    learnt: bool
    passed: bool


def passes(correct):
    """Return whether the notebook's gate lets a run pass with these right answers by epoch."""
    return sum(right > REQUIRED for right in correct[-4:]) == 4


def ending(correct, losses, count):
    """Return the Ending of a run of count epochs, from right answers and losses by epoch.

    Epochs that are missing, because a loss was not finite, have no right answer.
    """
    loss = losses[-1] if len(losses) == count else nan
    correct = correct + [0] * (count - len(correct))
    enough = [epoch for epoch, right in enumerate(correct, start=1) if right >= REQUIRED]
    return Ending(
        correct=correct[-1],
        accuracy=correct[-1] / 100,
        loss=loss,
        last_four=min(correct[-4:]) / 100,
        first_epoch=min(enough, default=inf),
        learnt=correct[-1] >= LEARNT,
        passed=passes(correct),
    )


def last_stuck(correct):
    """Return the last epoch after which every image was taken for a one, or 0."""
    stuck = [epoch for epoch, right in enumerate(correct, start=1) if right == SAME_ANSWER]
    return max(stuck, default=0)


def with_endings(runs, epochs, count, is_averaged):
    """Return runs with the columns of Ending, as judged by one of the two networks.

    The column stuck is last_stuck of the network in training, the unaveraged one.
    """
    network = "" if is_averaged else "unaveraged_"
    endings, stuck = [], []
    for number in runs["run"]:
        of_run = epochs[epochs["run"] == number]
        correct = of_run[f"{network}correct"].tolist()
        stuck.append(last_stuck(of_run["unaveraged_correct"].tolist()))
        endings.append(ending(correct, of_run[f"{network}loss"].tolist(), count))
    endings = pd.DataFrame(endings, columns=Ending._fields, index=runs.index)
    return pd.concat([runs, endings], axis=1).assign(stuck=stuck)


@dataclass(frozen=True)
class Group:
    """All runs of one variant."""

    variant: variants.Variant
    runs: pd.DataFrame  # see with_endings; of several runs with one seed, the first
    pairs: pd.DataFrame  # those that have a partner, beside the recipe's: see pair

    @property
    def learnt(self):
        """The runs that learnt."""
        return self.runs[self.runs["learnt"]]

    @property
    def failed(self):
        """How many runs did not learn."""
        return len(self.runs) - len(self.learnt)


@dataclass(frozen=True)
class Outcome:
    """What the records say of the study."""

    is_earlier: bool  # not the present code has made the runs
    epochs: int  # how many each run has
    groups: dict[str, Group]  # by the variant's name, the recipe first
    changes: dict[str, stats.Change]  # of accuracy, from the recipe, where all runs learnt

    @property
    def recipe(self):
        """The runs of the full recipe."""
        return self.groups[variants.RECIPE]


def pair(before, after):
    """Return the runs after beside those before of the same seed on the same machine.

    The columns of before end in _before. Of several pairs with one seed, the first counts.
    """
    pairs = after.merge(before, on=["seed", *recording.MACHINE], suffixes=("", "_before"))
    return pairs.drop_duplicates("seed")


def shown(notebook):
    """Return the runs to show, by the variant's name, and whether they are of earlier code.

    A variant whose plan is the notebook's own is left out: it would be compared with itself.
    Where the present code has no run of the recipe, those of the code recorded last are shown.
    Raises ValueError where the recipe has no run at all.
    """
    runs = recording.read("runs.csv")
    code = cells.fingerprint(notebook)
    recipe = runs[runs["variant"] == variants.RECIPE]
    if recipe.empty:
        raise ValueError("No run of the recipe is recorded: run python -m tests.study.study.")
    is_earlier = code not in set(recipe["code"])
    runs = runs[runs["code"] == (recipe["code"].iloc[-1] if is_earlier else code)]
    found = {}
    for variant in variants.VARIANTS:
        trained = variant.fingerprint(notebook)
        if variant.plan and trained == code:
            continue
        if is_earlier:  # its cells are gone, so the name must do, and what was trained last
            named = runs[runs["variant"] == variant.recorded_as]
            of_variant = named[named["trained"].isin(named["trained"].tail(1))]
        else:
            of_variant = runs[runs["trained"] == trained]
        found[variant.name] = of_variant
    return found, is_earlier


def outcome(notebook):
    """Return the Outcome of the study for the code in notebook, or for an earlier one."""
    runs, is_earlier = shown(notebook)
    epochs = recording.read("epochs.csv")
    epochs = epochs[epochs["run"].isin(pd.concat(runs.values())["run"])]
    count = max(epochs["epoch"], default=1)
    recipe = with_endings(runs[variants.RECIPE], epochs, count, is_averaged=True)
    groups = {}
    for name, of_variant in runs.items():
        variant = variants.variant(name)
        ended = with_endings(of_variant, epochs, count, variant.is_averaged)
        pairs = pair(recipe[recipe["learnt"]], ended)
        if name == variants.RECIPE or len(pairs) >= FEWEST_PAIRS:
            groups[name] = Group(variant, ended.drop_duplicates("seed"), pairs)
    pairs = {}
    for name, group in groups.items():
        if name != variants.RECIPE and not group.failed:
            pairs[name] = group.pairs
    return Outcome(is_earlier, count, groups, changes(pairs, "accuracy"))


def changes(pairs, measure):
    """Return the Change of a measure by name, from pairs by name; all hold together."""
    found = {}
    for name, rows in pairs.items():
        found[name] = stats.paired(rows[f"{measure}_before"], rows[measure], len(pairs))
    return found


def judging(runs):
    """Return those rows of plans.csv that are whole runs with judging seeds."""
    return runs[(runs["epochs"] == runs["epochs"].max()) & runs["seed"].isin(JUDGES)]


def judged_plans(runs):
    """Return the whole runs of each plan with the judging seeds, beside the third version's.

    runs are the rows of plans.csv. A plan without such a pair for each seed is left out.
    """
    whole = judging(runs)
    third = whole[whole["plan"] == plans.THIRD_VERSION]
    judged = {}
    for plan in [plans.THIRD_VERSION, *whole["plan"].unique()]:
        pairs = pair(third, whole[whole["plan"] == plan])
        if len(pairs) == len(JUDGES):
            judged[plan] = pairs
    return judged
