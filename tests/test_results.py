"""What runs ended with: which rows are shown, what counts, and what is compared with what."""

from math import inf

import cells
import pytest
import recording
import results
from variants import HELD_OUT, RECIPE, TEST

from made_up_records import epochs, run

PART = "no dropout"


def record(counts):
    """Record a run of the recipe with these numbers of right answers, one for each epoch."""
    rows = [{**row, "correct": count} for row, count in zip(epochs(), counts, strict=True)]
    recording.append_run(run(TEST), rows)


def test_a_run_is_summed_up_by_its_last_epochs(records):
    records.add(TEST, last=9_961)
    ended = results.outcome(TEST, None).recipe.runs.iloc[0]
    assert ended["accuracy"] == 99.61
    assert ended["loss"] == pytest.approx(1 - 9_961 / 10_050, abs=1e-5)
    assert ended["early_loss"] == pytest.approx(1 - 9_949 / 10_050, abs=1e-5)  # of epoch 5
    assert ended["last_four"] == 99.47  # epochs 3 to 6 have 9,947, 9,948, 9,949 and 9,961
    assert ended["learnt"]


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        ([9_940, 9_940, 9_941, 9_941, 9_941, 9_941], True),
        ([9_941, 9_941, 9_940, 9_941, 9_941, 9_941], False),
        ([9_941, 9_941, 9_941, 9_940, 9_941, 9_941], False),
        ([9_941, 9_941, 9_941, 9_941, 9_940, 9_941], False),
        ([9_941, 9_941, 9_941, 9_941, 9_941, 9_940], False),
    ],
)
def test_a_run_passes_if_the_last_four_epochs_are_above_the_limit(records, counts, passed):
    record(counts)
    assert results.outcome(TEST, None).recipe.runs.iloc[0]["passed"] == passed


def test_the_first_epoch_at_the_limit_counts_it_in(records):
    record([9_000, 9_939, 9_940, 9_930, 9_945, 9_960])
    assert results.outcome(TEST, None).recipe.runs.iloc[0]["first_epoch"] == 3


def test_a_run_that_never_reaches_the_limit_says_so(records):
    rows = [{**row, "correct": 9_939} for row in epochs()]
    recording.append_run(run(TEST), rows)
    assert results.outcome(TEST, None).recipe.runs.iloc[0]["first_epoch"] == inf


def test_a_run_is_stuck_while_every_image_is_taken_for_a_one(records):
    record([1_135, 1_135, 1_136, 9_900, 1_135, 9_960])
    assert results.outcome(TEST, None).recipe.runs.iloc[0]["stuck"] == 2


@pytest.mark.parametrize("count", [0, 3])
def test_a_run_without_its_last_epochs_did_not_learn(records, count):
    records.add(TEST, seed=0)
    recording.append_run(run(TEST, seed=1), epochs(count=count))
    ended = results.outcome(TEST, None).recipe.runs.iloc[1]
    assert not ended["learnt"]
    assert not ended["passed"]
    assert ended["accuracy"] == 0


def test_the_first_run_of_a_seed_counts(records):
    records.add(TEST, seed=0, last=9_961, processor="Y")
    records.add(TEST, seed=0, last=9_950)
    assert results.outcome(TEST, None).recipe.runs["correct"].tolist() == [9_961]


def test_a_variant_is_compared_with_the_recipe_s_runs_of_the_same_processor(records):
    records.add_seeds(TEST, RECIPE, [9_990, 9_991, 9_992], processor="Y")
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(TEST, PART, [9_952, 9_954, 9_956])
    outcome = results.outcome(TEST, None)
    assert outcome.groups[PART].pairs["accuracy_recipe"].tolist() == [99.50, 99.51, 99.55]
    assert outcome.changes[PART]["accuracy"].mean == pytest.approx(0.02)


@pytest.mark.parametrize(
    "changed", [{"processor": "Y"}, {"threads": 2}, {"torch": "2.14"}, {"code": "old code"}]
)
def test_runs_that_are_no_pairs_are_not_shown(records, changed):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(TEST, PART, [9_952, 9_954, 9_956], **changed)
    assert list(results.outcome(TEST, None).groups) == [RECIPE]


def test_pairs_with_images_of_their_own_are_tested_as_such(records):
    """Of numbers so uneven only the signed ranks tell (see test_stats.py)."""
    correct = [9_900, 9_910, 9_920, 9_930, 9_940, 9_950, 9_960, 9_970, 9_980, 9_890]
    fewer = [4, 3, 4, 5, 4, 3, 4, 5, 4, 900]
    worse = [before - less for before, less in zip(correct, fewer, strict=True)]
    name = "pools after 2, 4, 8"
    for study in (HELD_OUT, TEST):
        records.add_seeds(study, RECIPE, correct)
        records.add_seeds(study, name, worse)
    assert results.outcome(HELD_OUT, None).changes[name]["accuracy"].beyond_chance
    assert not results.outcome(TEST, None).changes[name]["accuracy"].beyond_chance


def test_too_few_pairs_are_not_shown(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(TEST, PART, [9_952, 9_954])
    assert PART not in results.outcome(TEST, None).groups


def test_an_edited_variant_s_old_runs_are_not_shown(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(TEST, PART, [9_952, 9_954, 9_956], variant_hash="edited since")
    assert PART not in results.outcome(TEST, None).groups


def test_without_averaging_the_recipe_s_own_runs_are_judged_by_the_unaveraged_network(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955], unaveraged=9_940)
    group = results.outcome(TEST, None).groups["no weight averaging"]
    assert group.runs["accuracy"].tolist() == [99.40] * 3
    assert group.pairs["accuracy_recipe"].tolist() == [99.50, 99.51, 99.55]


def test_runs_whose_unaveraged_network_was_not_recorded_do_not_show_its_results(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    assert "no weight averaging" not in results.outcome(TEST, None).groups


def test_a_variant_that_did_not_always_learn_is_not_compared(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(TEST, PART, [9_940, 9_941, 1_135])
    outcome = results.outcome(TEST, None)
    assert outcome.groups[PART].failed == 1
    assert outcome.changes == {}


def test_a_seed_with_which_the_recipe_did_not_learn_makes_no_pair(records):
    records.add_seeds(TEST, RECIPE, [9_950, 1_135, 9_955, 9_956])
    records.add_seeds(TEST, PART, [9_940, 9_941, 9_942, 9_943])
    assert results.outcome(TEST, None).groups[PART].pairs["seed"].tolist() == [0, 2, 3]


def test_runs_without_a_single_epoch_end_in_one_sentence(records):
    recording.append_run(run(TEST), [])
    with pytest.raises(ValueError, match="lower LEARNING_RATE"):
        results.outcome(TEST, None)


def test_the_number_of_comparisons_is_that_of_all_changes_in_the_table(records):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_955])
    for name in (PART, "no augmentation"):
        records.add_seeds(TEST, name, [9_952, 9_954, 9_956])
    assert results.outcome(TEST, None).comparisons == 6


def test_the_present_code_s_runs_are_shown_if_it_has_trained_the_recipe(records):
    records.add(TEST, last=9_960, code="old code")
    records.add(TEST, last=9_950)
    outcome = results.outcome(TEST, None)
    assert not outcome.is_earlier
    assert outcome.recipe.runs["correct"].tolist() == [9_950]


def test_else_the_published_code_s_runs_are_shown_and_never_the_last_in_the_file(records):
    records.add(TEST, last=9_960, code="old code")
    records.add(TEST, last=9_970, code="older code")  # an abandoned recipe, recorded later
    records.add(TEST, PART, last=9_980)  # the present code has no recipe
    outcome = results.outcome(TEST, None)
    assert outcome.is_earlier
    assert outcome.code == "old code"
    assert outcome.recipe.runs["correct"].tolist() == [9_960]


def test_published_code_without_runs_is_an_error_that_says_so(records):
    records.add(TEST, code="older code")
    with pytest.raises(ValueError, match="'an old version', the published one, has rows"):
        results.outcome(TEST, None)


def test_runs_recorded_without_a_hash_are_shown_under_their_names(records):
    for name in (RECIPE, "a part of before"):
        for seed in range(3):
            row = run(HELD_OUT, seed=seed) | {"variant": name, "variant_hash": ""}
            recording.append_run(row, epochs(last=9_950 + seed))
    assert list(results.outcome(HELD_OUT, None).groups) == [RECIPE, "a part of before"]


def test_each_study_has_its_own_runs(records):
    records.add(TEST, last=9_950)
    records.add(HELD_OUT, last=9_940)
    assert results.outcome(HELD_OUT, None).recipe.runs["correct"].tolist() == [9_940]


def test_the_recipe_s_real_runs_all_learnt_with_the_notebook_s_number_of_parameters(
    notebook, names
):
    outcome = results.outcome(TEST, notebook)
    size = sum(parameter.numel() for parameter in names["Net"]().parameters())
    assert outcome.recipe.runs["learnt"].all()
    if not outcome.is_earlier:
        assert set(outcome.recipe.runs["parameters"]) == {size}


def test_the_recipe_s_real_runs_have_all_epochs_of_the_notebook(notebook, names):
    runs = recording.read_runs()
    present = cells.fingerprint(notebook, cells.TRAINING)
    recipe = runs[(runs["code"] == present) & (runs["variant"] == RECIPE)]
    lengths = recording.read_epochs().groupby("run").size()
    assert set(lengths[recipe["run"]]) <= {names["EPOCHS"]}


def test_no_seed_of_the_recipe_s_real_runs_is_left_out(notebook):
    seeds = set(results.outcome(TEST, notebook).recipe.runs["seed"])
    missing = set(range(max(seeds) + 1)) - seeds
    assert not missing, f"Run study.py again: it was stopped before the seeds {missing} ended."
