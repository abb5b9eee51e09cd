"""What runs ended with: which rows are shown, what counts, and what is compared with what."""

from math import inf, isnan

import pandas as pd
import pytest

from tests.study import plans, recording, results
from tests.study.made_up_records import run
from tests.study.variants import RECIPE

PART = "no dropout"
UP_TO_THE_LIMIT = [9_000, 9_939, 9_940, 9_930, 9_945, 9_960]


def test_a_run_is_summed_up_by_its_epochs():
    ended = results.ending(UP_TO_THE_LIMIT, [0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 6)
    assert (ended.correct, ended.accuracy, ended.loss) == (9_960, 99.6, 0.1)
    assert ended.last_four == 99.3
    assert ended.first_epoch == 3
    assert (ended.learnt, ended.passed) == (True, False)


@pytest.mark.parametrize("missed", [0, 1, 2, 3, 4])
def test_a_run_passes_if_each_of_the_last_four_epochs_is_above_the_limit(missed):
    correct = [9_941] * 5
    correct[missed] = 9_940
    assert results.passes(correct) == (missed == 0)


@pytest.mark.parametrize(
    ("correct", "epoch"), [([9_000, 9_100], 0), ([1_100, 1_135, 9_000], 2), ([1_135, 1_135], 2)]
)
def test_a_run_is_stuck_while_every_image_is_taken_for_a_one(correct, epoch):
    assert results.last_stuck(correct) == epoch


def test_a_run_that_broke_off_did_not_learn():
    ended = results.ending([1_135, 1_135, 9_900], [0.3, 0.2, 0.1], 6)
    assert (ended.correct, ended.learnt, ended.passed) == (0, False, False)
    assert ended.first_epoch == inf
    assert isnan(ended.loss)


def test_without_a_single_epoch_nothing_learnt(records):
    recording.append_run(run(), [])
    assert results.outcome(None).recipe.failed == 1


def test_the_first_run_of_a_seed_counts(records):
    records.add(seed=0, last=9_961, processor="Y")
    records.add(seed=0, last=9_950)
    assert results.outcome(None).recipe.runs["correct"].tolist() == [9_961]


def test_a_variant_is_compared_with_the_recipe_s_runs_of_the_same_machine(records):
    records.add_seeds(RECIPE, [9_990, 9_991, 9_992], processor="Y")
    records.add_seeds(RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(PART, [9_952, 9_954, 9_956])
    outcome = results.outcome(None)
    assert outcome.groups[PART].pairs["accuracy_before"].tolist() == [99.50, 99.51, 99.55]
    assert outcome.changes[PART].mean == pytest.approx(0.02)


@pytest.mark.parametrize(
    "changed",
    [{"processor": "Y"}, {"threads": 2}, {"torch": "2.14"}, {"code": "old"}, {"trained": "edited"}],
)
def test_runs_that_are_no_pairs_are_not_shown(records, changed):
    records.add_seeds(RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(PART, [9_952, 9_954, 9_956], **changed)
    assert PART not in results.outcome(None).groups


def test_without_averaging_the_recipe_s_own_runs_are_judged_by_the_unaveraged_network(records):
    records.add_seeds(RECIPE, [9_950, 9_951, 9_955])
    group = results.outcome(None).groups["no averaging"]
    assert group.runs["accuracy"].tolist() == [99.30] * 3
    assert group.pairs["accuracy_before"].tolist() == [99.50, 99.51, 99.55]


def test_only_where_all_runs_learnt_a_variant_is_compared(records):
    records.add_seeds(RECIPE, [9_950, 1_135, 9_955, 9_956])
    records.add_seeds(PART, [9_940, 9_941, 1_135, 9_942])
    outcome = results.outcome(None)
    assert outcome.groups[PART].failed == 1
    assert outcome.groups[PART].pairs["seed"].tolist() == [0, 2, 3]
    assert list(outcome.changes) == ["no averaging"]


def test_without_runs_of_the_present_code_those_recorded_last_are_shown(records):
    records.add_seeds(RECIPE, [9_990] * 3, code="older", trained="older")
    records.add_seeds(RECIPE, [9_960] * 3, code="old", trained="old")
    records.add_seeds(PART, [9_930] * 3, code="old", trained="edited since")
    records.add_seeds(PART, [9_950] * 3, code="old", trained="part of old")
    records.add_seeds(PART, [9_980] * 3)  # the present code has no run of the recipe
    outcome = results.outcome(None)
    assert outcome.is_earlier
    assert outcome.recipe.runs["correct"].tolist() == [9_960] * 3
    assert outcome.groups[PART].runs["correct"].tolist() == [9_950] * 3
    records.add(RECIPE, last=9_970)
    outcome = results.outcome(None)
    assert not outcome.is_earlier
    assert outcome.recipe.runs["correct"].tolist() == [9_970]


def test_a_plan_is_judged_by_its_whole_runs_with_all_eight_seeds_on_one_machine():
    rows = []
    for plan in (plans.THIRD_VERSION, "judged", "unfinished", "elsewhere", "short"):
        for seed in range(2, 9 if plan == "unfinished" else 10):
            row = {"plan": plan, "seed": seed, "epochs": 5 if plan == "short" else 19}
            row |= {"processor": "Y" if plan == "elsewhere" else "X", "threads": 1, "torch": "2"}
            rows.append(row | {"correct": 9_940 + seed})
    judged = results.judged_plans(pd.DataFrame(rows))
    assert list(judged) == [plans.THIRD_VERSION, "judged"]
    assert judged["judged"]["correct_before"].tolist() == [9_940 + seed for seed in range(2, 10)]


def test_the_recipe_s_real_runs_are_whole(notebook, names):
    outcome = results.outcome(notebook)
    runs = outcome.recipe.runs
    assert sorted(runs["seed"]) == list(range(len(runs))), "study.py was stopped: run it again"
    assert runs["learnt"].all()
    if not outcome.is_earlier:
        assert outcome.epochs == names["EPOCHS"]
        size = sum(parameter.numel() for parameter in names["Net"]().parameters())
        assert set(runs["parameters"]) == {size}
