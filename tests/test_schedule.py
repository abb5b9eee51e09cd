"""The schedule: which trainings are missing, and in which order they are run."""

from dataclasses import replace

import pytest
import recording
import study
from variants import RECIPE, UNAVERAGED, Study, Variant

from made_up_records import CODE, MACHINE

SMALL = Study(
    name="small",
    about="",
    variants=(
        Variant(RECIPE, "", seeds=4),
        Variant("A", "", {"DROPOUT": 0}, seeds=2),
        Variant("B", "", {"DROPOUT": 0.5}, seeds=2),
        Variant("unaveraged", "", judged=UNAVERAGED, runs_of=RECIPE),
    ),
)
ELSEWHERE = {"processor": "Y"}


def jobs(names=None, seeds=None):
    """Return what this machine has to run."""
    machine = [MACHINE[column] for column in recording.SAME_IN_A_PAIR]
    return study.Schedule(SMALL, recording.read_runs(), CODE, machine).jobs(names, seeds)


def test_seed_by_seed_the_recipe_comes_first_and_its_other_seeds_last(empty_records):
    assert jobs() == [
        (RECIPE, 0),
        ("A", 0),
        ("B", 0),
        (RECIPE, 1),
        ("A", 1),
        ("B", 1),
        (RECIPE, 2),
        (RECIPE, 3),
    ]


def test_what_is_recorded_is_not_run_again(empty_records):
    for name in (RECIPE, "A"):
        empty_records.add(SMALL, name, seed=0)
    assert jobs() == [("B", 0), (RECIPE, 1), ("A", 1), ("B", 1), (RECIPE, 2), (RECIPE, 3)]


def test_nothing_is_left_to_do_at_the_end(empty_records):
    for name, seed in jobs():
        empty_records.add(SMALL, name, seed)
    assert jobs() == []


def test_the_recipe_is_run_again_here_if_its_run_for_a_pair_is_from_elsewhere(empty_records):
    for seed in range(4):
        empty_records.add(SMALL, RECIPE, seed, **ELSEWHERE)
    assert jobs() == [(RECIPE, 0), ("A", 0), ("B", 0), (RECIPE, 1), ("A", 1), ("B", 1)]


def test_a_pair_from_elsewhere_counts(empty_records):
    for name in (RECIPE, "A", "B"):
        empty_records.add(SMALL, name, seed=0, **ELSEWHERE)
    assert jobs() == [(RECIPE, 1), ("A", 1), ("B", 1), (RECIPE, 2), (RECIPE, 3)]


def test_seeds_whose_recipe_was_run_here_are_taken_for_pairs(empty_records):
    empty_records.add(SMALL, RECIPE, seed=0, **ELSEWHERE)
    for seed in (2, 3):
        empty_records.add(SMALL, RECIPE, seed)
    assert jobs() == [("A", 2), ("B", 2), ("A", 3), ("B", 3), (RECIPE, 1)]


def test_every_variant_s_run_gets_a_recipe_s_run_on_the_same_machine(empty_records):
    for name, seed in jobs()[:4]:  # this much was run elsewhere, before the machine changed
        empty_records.add(SMALL, name, seed, **ELSEWHERE)
    for name, seed in jobs():
        empty_records.add(SMALL, name, seed)
    runs = recording.read_runs()
    recipe = runs[runs["variant"] == RECIPE]
    for name in ("A", "B"):
        pairs = runs[runs["variant"] == name].merge(recipe, on=["seed", *recording.SAME_IN_A_PAIR])
        assert len(pairs) == 2
    assert set(recipe["seed"]) == {0, 1, 2, 3}


@pytest.mark.parametrize("changed", [{"code": "old code"}, {"variant_hash": "edited since"}])
def test_runs_of_other_code_and_of_edited_variants_do_not_count(empty_records, changed):
    for name in (RECIPE, "A", "B"):
        empty_records.add(SMALL, name, seed=0, **changed)
    assert len(jobs()) == 8


def test_runs_of_another_study_do_not_count(empty_records):
    for name in (RECIPE, "A", "B"):
        empty_records.add(replace(SMALL, name="another"), name, seed=0)
    assert len(jobs()) == 8


@pytest.mark.parametrize("column", ["threads", "torch"])
def test_a_run_with_other_threads_or_another_torch_makes_no_pair(empty_records, column):
    empty_records.add(SMALL, RECIPE, seed=0, **{column: 2})
    assert jobs(["A"], [0]) == [(RECIPE, 0), ("A", 0)]


def test_variants_and_seeds_can_be_chosen(empty_records):
    assert jobs(["B"], [7]) == [(RECIPE, 7), ("B", 7)]
    assert jobs([RECIPE], [7, 8]) == [(RECIPE, 7), (RECIPE, 8)]
