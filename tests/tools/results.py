"""What the recorded runs ended with: a row a run, summed up by variant, compared in pairs."""

from dataclasses import dataclass
from math import inf

import cells
import pandas as pd
import recording
import stats
import variants

REQUIRED = 9_940  # correct answers of 10,000
SAME_ANSWER = 1_135  # right if every image is taken for a one, as many as there are ones
LEARNT = 5_000  # a run that ends with fewer did not learn; so says the cell study-picture, too
EARLY = 5  # after this epoch, the loss is compared as well; report.py and study.md.j2 name it
FEWEST_PAIRS = 5  # a variant with fewer is not shown
MEASURES = ("accuracy", "loss", "early_loss")  # what is compared; study.md.j2 names them


@dataclass(frozen=True)
class Group:
    """All runs of one variant."""

    variant: variants.Variant
    runs: pd.DataFrame  # see results(); of several runs with one seed, the first
    pairs: pd.DataFrame  # seeds with, for each measure, its value and that of the recipe

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
    """What the records say of one study."""

    study: variants.Study
    code: str  # the fingerprint of the code that made the runs
    is_earlier: bool  # it is not the present code
    groups: dict[str, Group]  # by the variant's name, the recipe first
    changes: dict[str, dict[str, stats.Change]]  # from the recipe, by variant and measure

    @property
    def recipe(self):
        """The runs of the full recipe."""
        return self.groups[variants.RECIPE]

    @property
    def comparisons(self):
        """How many comparisons are made."""
        return sum(len(changes) for changes in self.changes.values())


def results(runs, epochs, judged=variants.AVERAGED):
    """Return runs with what each ended with, as judged by one of the two networks.

    epochs may hold those of other runs. The table has a row for each run, by its number.
    correct, accuracy (in per cent) and loss are those of the last epoch, early_loss is that
    after epoch EARLY; first_epoch is that of 99.40 %, or infinite; last_four is the worst
    accuracy of the last four epochs; stuck is after how many epochs every image still was taken
    for a one, as the count suggests; learnt says whether at least LEARNT answers are right in the
    last epoch, and passed whether the notebook's gate would pass the run: more than REQUIRED in
    each of the last four. A missing epoch has no right answers.
    Raises ValueError where epochs is empty.
    """
    if epochs.empty:
        raise ValueError("No run of this code finished an epoch: lower LEARNING_RATE.")
    # Of all runs: where each run of a variant broke off, none of its epochs is the last one.
    last = epochs["epoch"].max()
    epochs = epochs[epochs["run"].isin(runs["run"])]
    if judged == variants.UNAVERAGED:
        unknown = epochs[epochs["unaveraged_correct"].isna()]["run"]  # the first two versions
        runs = runs[~runs["run"].isin(unknown)]
        epochs = epochs.assign(loss=epochs["unaveraged_loss"], correct=epochs["unaveraged_correct"])
    # A row for each run and a column for each epoch, those too that are missing.
    numbers = range(1, last + 1)
    correct = epochs.pivot(index="run", columns="epoch", values="correct")
    correct = correct.reindex(index=runs["run"], columns=numbers).fillna(0)
    losses = epochs.pivot(index="run", columns="epoch", values="loss")
    losses = losses.reindex(index=runs["run"], columns=numbers)
    enough = correct >= REQUIRED
    return runs.set_index("run").assign(
        correct=correct[last].astype(int),
        accuracy=correct[last] / 100,
        loss=losses[last],
        early_loss=losses[min(EARLY, last)],
        first_epoch=enough.idxmax(axis=1).astype(float).where(enough.any(axis=1), inf),
        last_four=correct.iloc[:, -4:].min(axis=1) / 100,
        stuck=[epochs_stuck(counts) for counts in correct.to_numpy()],
        learnt=correct[last] >= LEARNT,
        passed=(correct.iloc[:, -4:] > REQUIRED).all(axis=1),
    )


def epochs_stuck(counts):
    """Return in how many epochs, from the first on, every image was taken for a one."""
    stuck = 0
    for correct in counts:
        if correct != SAME_ANSWER:
            break
        stuck += 1
    return stuck


def code_to_show(runs, code):
    """Return code if it has trained the recipe in these runs, else the published code.

    Raises ValueError where that has not, either.
    """
    recipe = runs[runs["variant"] == variants.RECIPE]
    if code in set(recipe["code"]):
        return code
    for published, name in recording.code_names().items():
        if name == recording.PUBLISHED and published in set(recipe["code"]):
            return published
    raise ValueError(
        f"Neither the present code nor {recording.PUBLISHED!r}, the published one, has rows of "
        f"the {variants.RECIPE}. See PUBLISHED in recording.py, and codes.csv."
    )


def outcome(study, notebook):
    """Return the Outcome of study, a Study, for the code in notebook, or the published one."""
    present = cells.fingerprint(notebook, cells.TRAINING)
    runs = recording.read_runs()
    runs = runs[runs["study"] == study.name]
    code = code_to_show(runs, present)
    runs = runs[runs["code"] == code]
    epochs = recording.read_epochs()
    epochs = epochs[epochs["run"].isin(runs["run"])]
    recipe = results_of(study.variant(variants.RECIPE), study, runs, epochs)
    groups = {}
    for variant in shown_variants(study, runs):
        ended = results_of(variant, study, runs, epochs)
        pairs = pair(recipe, ended)
        if variant.name == variants.RECIPE or len(pairs) >= FEWEST_PAIRS:
            groups[variant.name] = Group(variant, ended.drop_duplicates("seed"), pairs)
    return Outcome(study, code, code != present, groups, compare(study, groups))


def results_of(variant, study, runs, epochs):
    """Return the results (see results) of those of the runs that are of this variant."""
    return results(runs[is_of(runs, study, variant)], epochs, variant.judged)


def shown_variants(study, runs):
    """Return the study's variants, and then those that only runs without a hash have."""
    known = [variant.name for variant in study.variants]
    others = runs[~runs["variant"].isin(known) & (runs["variant_hash"] == "")]
    return [*study.variants, *(variants.Variant(name, "") for name in others["variant"].unique())]


def is_of(runs, study, variant):
    """Return which runs are of variant as it is now, or were recorded without its hash."""
    hashes = {"", study.variant_hash(variant)}
    name = variant.runs_of or variant.name
    return (runs["variant"] == name) & runs["variant_hash"].isin(hashes)


def pair(recipe, ended):
    """Return results beside the recipe's of the same seed on the same machine, a row a seed."""
    recipe = recipe[recipe["learnt"]]
    pairs = ended.merge(recipe, on=["seed", *recording.SAME_IN_A_PAIR], suffixes=("", "_recipe"))
    return pairs.drop_duplicates("seed")


def compare(study, groups):
    """Return the changes from the recipe by variant and measure, where all runs learnt."""
    compared = [
        group for name, group in groups.items() if name != variants.RECIPE and not group.failed
    ]
    comparisons = len(compared) * len(MEASURES)
    changes = {}
    for group in compared:
        changes[group.variant.name] = {
            measure: stats.paired(
                group.pairs[f"{measure}_recipe"],
                group.pairs[measure],
                comparisons,
                own_images=study.held_out,
            )
            for measure in MEASURES
        }
    return changes
