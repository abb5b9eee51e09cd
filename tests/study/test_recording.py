"""The records are whole, and of the notebook's training as it is."""

import difflib

import pytest

from tests import cells
from tests.study import recording, variants


@pytest.fixture(scope="module")
def runs():
    return recording.read(recording.RUNS)


def test_the_recorded_source_is_that_of_the_notebook(notebook):
    recorded = recording.trained_source().splitlines()
    present = cells.training_source(notebook).splitlines()
    difference = "\n".join(difflib.unified_diff(recorded, present, "recorded", "present", n=1))
    assert not difference, (
        f"{difference}\nIf this changes no result: python -m tests.study.study --same. "
        "If it does: --restart, which takes hours."
    )


def test_every_variant_has_its_seeds_and_every_run_is_whole(runs, names):
    recorded = cells.training_notebook(recording.trained_source())
    for variant in variants.VARIANTS:
        seeds = runs[runs["trained"] == variant.digest(recorded)]["seed"]
        assert sorted(seeds) == list(range(variant.seeds)), variant.name
    for column in ("loss", "correct", "unaveraged_loss", "unaveraged_correct"):
        assert set(runs[column].map(len)) == {names["EPOCHS"]}
