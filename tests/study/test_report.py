"""What is made of the records: which runs count, how they are compared, and the tables."""

from math import inf, sqrt

import pytest

from tests import cells
from tests.study import report, variants
from tests.study.variants import RECIPE

PART = variants.WITHOUT_DROPOUT


@pytest.mark.parametrize(
    "correct",
    [
        [9_940, 9_941, 9_941, 9_941, 9_941],
        [9_941, 9_940, 9_941, 9_941, 9_941],
        [9_941, 9_941, 9_941, 9_941, 9_940],
    ],
)
def test_the_study_counts_a_run_as_passed_where_the_check_does(notebook, names, correct):
    """But for what does not depend on the run."""
    names.update(trained_model=names["Net"](), test_labels=range(10_000), loaded_loss=0.1)
    names["history"] = [{"test_correct": each, "test_loss": 0.1} for each in correct]
    names["loaded_correct"] = correct[-1]
    cells.run(notebook, names, "requirements", "more-requirements", "check")
    met = names["of_the_assignment"]() | names["of_the_published_solution"]()
    assert report.passes(correct) == all(met.values())


def test_the_first_epoch_is_the_first_with_99_40_percent():
    assert report.first_epoch([9_939, 9_940, 9_930]) == 2
    assert report.first_epoch([9_939]) == inf


@pytest.mark.parametrize(("comparisons", "t"), [(1, 4.3027), (5, 9.9248)])
def test_the_interval_is_that_of_the_differences_for_all_comparisons_together(comparisons, t):
    change = report.compare([1, 2, 3], [2, 4, 6], comparisons)
    assert change.mean == pytest.approx(2)
    # Differences 1, 2, 3; Student's t with 2 degrees of freedom, 95 % and 99 %.
    assert change.uncertainty == pytest.approx(t * sqrt(1 / 3), rel=1e-4)


def test_the_share_that_fails_at_most_is_exact():
    assert report.most_that_fail(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert report.most_that_fail(3, 10) == pytest.approx(0.6066, abs=1e-4)


@pytest.fixture
def tiny_study(records):
    """A study of the recipe, a part that matters, and one that does not."""
    records.add_seeds(RECIPE, [9_960, 9_962, 9_964, 9_965])
    records.add_seeds(variants.WITHOUT_BN, [9_930, 9_932, 9_935, 9_934])
    records.add_seeds(PART, [9_961, 9_961, 9_965, 9_963])
    return records


def test_the_table_shows_what_the_runs_ended_with(tiny_study):
    lines = report.ladder().splitlines()
    assert len(lines) == 2 + 4  # without averaging, the recipe's own runs are shown again
    assert lines[2].startswith("| + rate 0.02: the recipe |")
    assert "| 99.63 | 99.60 | 4 of 4 |  | 2 | 0.0087 |" in lines[2]
    assert "| 99.30 | 99.30 | 0 of 4 | **-0.328 ±" in lines[3]
    assert "| 99.33 | 99.30 | 0 of 4 | **-0.300 ± 0.020** | 2 | 0.0117 |" in lines[4]
    assert lines[5].endswith("| no difference is shown: below 0.04 points, if any |")


def test_pairs_are_of_one_seed_on_one_machine(records):
    records.add_seeds(RECIPE, [9_990, 9_991, 9_992, 9_993], processor="Y")
    records.add_seeds(RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(PART, [9_952, 9_954, 9_956])
    rows = report.rows()
    assert rows[PART].change.mean == pytest.approx(0.02)
    records.add_seeds(PART, [9_952, 9_954, 9_956], processor="Y")
    again = report.rows()[PART].change  # of several pairs with one seed, the first counts
    assert again.mean == pytest.approx(0.02)
    assert again.uncertainty == rows[PART].change.uncertainty
    # The recipe's own row has each seed once: the first run counts.
    assert rows[RECIPE].runs["accuracy"].tolist() == [99.90, 99.91, 99.92, 99.93]


def test_without_a_pair_no_change_is_told(records):
    records.add(RECIPE, seed=0)
    records.add(PART, seed=0, processor="Y")
    assert report.ladder().endswith("| too few pairs |")


def test_steps_of_the_ladder_are_compared_with_the_step_before(records):
    for step, more in zip(variants.LADDER, (0, 10, 30, 31), strict=True):
        records.add_seeds(step.name, [9_930 + more, 9_931 + more, 9_933 + more])
    rows = report.rows()
    assert rows[variants.PUBLISHED].change is None
    assert rows[variants.AUGMENTED].change.mean > 0
    assert rows[RECIPE].change.mean == pytest.approx(0.01)


def test_only_runs_of_the_variant_as_it_is_count(records):
    records.add_seeds(RECIPE, [9_950, 9_951, 9_955])
    records.add_seeds(PART, [9_952, 9_954, 9_956], trained="before it was edited")
    assert PART not in report.rows()


def test_runs_with_another_torch_than_the_pinned_one_are_told(tiny_study, monkeypatch):
    assert "These trainings" not in report.ladder()
    monkeypatch.setattr(report, "pinned", lambda package: "2.16.0")
    assert report.ladder().endswith("\n\nThese trainings were made with torch 2.15.0.")
    tiny_study.add_seeds(RECIPE, [9_950, 9_952], torch="2.16.0")
    assert len(report.rows()[RECIPE].runs) == 2


def test_with_the_first_run_of_a_new_study_all_can_be_made(records):
    records.add()
    for name, make in report.BLOCKS.items():
        assert make(), name


def test_the_notebook_s_numbers_are_code(tiny_study):
    names = {}
    exec(report.BLOCKS["ladder-dots"](), names)
    exec(report.BLOCKS["left-out-dots"](), names)
    assert names["LADDER"] == {RECIPE: {35: 1, 36: 1, 38: 1, 40: 1}}
    assert names["LADDER_PASSED"] == {RECIPE: 4}
    assert names["LEFT_OUT"][PART] == {35: 1, 37: 1, 39: 2}


@pytest.mark.parametrize("comment", ["", "# "])
def test_what_stands_between_two_markers_is_made_anew(monkeypatch, comment):
    monkeypatch.setitem(report.BLOCKS, "new", lambda: "New.")
    start, end = f"{comment}<!-- new -->", f"{comment}<!-- end -->"
    text = report.fill(f"Before\n{start}\nOld.\n{end}\nafter\n{start}\n{end}")
    assert text == f"Before\n{start}\nNew.\n{end}\nafter\n{start}\nNew.\n{end}"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- new -->\n",
        "<!-- new -->\n<!-- ladder -->\n<!-- end -->\n",
        " <!-- new -->\n<!-- end -->\n",
        "# <!-- new -->\nSTUDY = {}\n",
    ],
)
def test_a_marker_that_would_be_ignored_is_an_error(monkeypatch, text):
    monkeypatch.setitem(report.BLOCKS, "new", lambda: "new")
    with pytest.raises(ValueError, match="must stand between two whole lines: '"):
        report.fill(text)
