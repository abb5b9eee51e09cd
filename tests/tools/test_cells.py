"""The tools run the notebook's own cells, and its fingerprint holds what changes a result."""

import pytest

from tests.tools import cells

PROGRAM = '''\
"""What it is for."""
SEED = 0  # where all random numbers start
RATE = 0.02
def step(parameter, gradient):
    """Return the next parameter."""
    print("a step")
    progress.set_description("a step", refresh=False)
    if gradient is None:
        raise ValueError(f"{names['step']}: {', '.join(names)} have no gradient.")
    return parameter - RATE * gradient
'''


def test_definitions_run_in_the_notebook_s_order(notebook):
    order = [cell.id for cell in cells.code_cells(notebook)]
    assert sorted(cells.DEFINITIONS, key=order.index) == cells.DEFINITIONS


def test_every_definition_counts_for_the_fingerprint_but_for_those_that_change_no_result():
    without = {"imports", "download", "fetch", "predict", "weights"}
    assert set(cells.DEFINITIONS) - without == set(cells.TRAINING) - {"train"}


def test_settings_take_the_place_of_the_notebook_s_before_anything_uses_them(notebook):
    names = cells.definitions(notebook, {"DROPOUT": 0.5, "SEED": 7})
    assert names["DROPOUT"] == 0.5
    assert names["weights_file"].name == "mnist-seed-7.pt"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # where all random numbers start", ""),
        ('"""What it is for."""\n', ""),
        ('"""Return the next parameter."""', '"""Go a step."""'),
        ("(parameter, gradient)", "(parameter: float, gradient: float) -> float"),
        ("RATE = 0.02", "RATE: float = 2e-2"),
        ("RATE * gradient", "(\n        RATE * gradient)"),
        ('print("a step")', 'print(f"{parameter}")'),
        ('"a step", refresh', '"another step", refresh'),
        ("SEED = 0", "SEED = 1"),
    ],
)
def test_what_changes_no_result_changes_no_fingerprint(old, new):
    assert old in PROGRAM
    assert cells.essence(PROGRAM.replace(old, new)) == cells.essence(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"), [("0.02", "0.03"), (" - ", " + "), ("is None", "is True"), ("RATE *", "2 *")]
)
def test_what_changes_a_result_changes_the_fingerprint(old, new):
    assert cells.essence(PROGRAM.replace(old, new)) != cells.essence(PROGRAM)


def test_a_setting_counts_as_if_it_stood_in_the_program():
    changed = PROGRAM.replace("0.02", "0.03")
    assert cells.essence(PROGRAM, {"RATE": 0.03}) == cells.essence(changed)


def test_every_version_of_python_gives_the_same_fingerprint():
    assert cells.digest(cells.essence(PROGRAM)) == "1079c0ba0c8a"


@pytest.mark.parametrize(
    ("cell", "old", "new", "is_another"),
    [
        ("parameters", "LEARNING_RATE = ", "LEARNING_RATE = 1 + ", True),
        ("net", "*block(1, ", "*block(2, ", True),
        ("average", "1 + AVERAGE_SHARE", "2 + AVERAGE_SHARE", True),
        ("parameters", 'DIGIT_FILE = "my-digit.png"', 'DIGIT_FILE = "seven.jpg"', False),
        ("predict", "split(1000)", "split(2000)", False),
    ],
)
def test_another_training_has_another_fingerprint(notebook, cell, old, new, is_another):
    changed = cells.edited(notebook, [cells.Edit(cell, old, new)])
    assert (cells.fingerprint(changed) != cells.fingerprint(notebook)) == is_another


@pytest.mark.parametrize("old", ["no such text", "history"])
def test_an_edit_needs_its_text_exactly_once(notebook, old):
    with pytest.raises(ValueError, match="must have this text once"):
        cells.edited(notebook, [cells.Edit("train", old, "")])
