"""Settings with which nothing can be trained: one sentence says so before anything starts."""

import math

import cells
import pytest

IMPOSSIBLE = [  # a setting, its value, and the sentence
    ("SEED", 0.5, "SEED must be a whole number, not 0.5."),
    ("SEED", None, "SEED must be a whole number, not None."),
    ("SEED", 2**64, "SEED must have at most 64 bits: try a smaller number."),
    ("SEED", -(2**63) - 1, "SEED must have at most 64 bits: try a smaller number."),
    ("EPOCHS", 0, "EPOCHS and BATCH_SIZE must be at least 1."),
    ("EPOCHS", -1, "EPOCHS and BATCH_SIZE must be at least 1."),
    ("EPOCHS", 2.5, "EPOCHS must be a whole number, not 2.5."),
    ("EPOCHS", "19", "EPOCHS must be a whole number, not '19'."),
    ("BATCH_SIZE", 0, "EPOCHS and BATCH_SIZE must be at least 1."),
    ("BATCH_SIZE", 128.0, "BATCH_SIZE must be a whole number, not 128.0."),
    ("LEARNING_RATE", 0, "LEARNING_RATE and DOWNLOAD_TIMEOUT must be above 0."),
    ("LEARNING_RATE", -0.02, "LEARNING_RATE and DOWNLOAD_TIMEOUT must be above 0."),
    ("LEARNING_RATE", "0.02", "LEARNING_RATE must be a number, not '0.02'."),
    ("LEARNING_RATE", math.nan, "LEARNING_RATE must be a number, not nan."),
    ("LEARNING_RATE", math.inf, "LEARNING_RATE must be a number, not inf."),
    ("MOMENTUM", 1, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("MOMENTUM", -0.1, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("DROPOUT", 1.0, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("DROPOUT", -0.1, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("DROPOUT", None, "DROPOUT must be a number, not None."),
    ("SCALE", 1, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("SCALE", -0.1, "MOMENTUM, DROPOUT and SCALE must be at least 0 and below 1."),
    ("AVERAGE_SHARE", -1, "AVERAGE_SHARE must not be negative; 0 switches averaging off."),
    ("AVERAGE_SHARE", math.nan, "AVERAGE_SHARE must be a number, not nan."),
    ("ROTATION", "8", "ROTATION must be a number, not '8'."),
    ("SHIFT", (2, 2), "SHIFT must be a number, not (2, 2)."),
    ("DOWNLOAD_TIMEOUT", 0, "LEARNING_RATE and DOWNLOAD_TIMEOUT must be above 0."),
    ("DOWNLOAD_TIMEOUT", None, "DOWNLOAD_TIMEOUT must be a number, not None."),
    ("DATA_FOLDER", 3, "DATA_FOLDER must be a path in quotes, not 3."),
    ("DIGIT_FILE", None, "DIGIT_FILE must be a path in quotes, not None."),
]
POSSIBLE = [  # settings at the edge of what is possible
    ("SEED", 2**64 - 1),
    ("SEED", -(2**63)),
    ("EPOCHS", 1),
    ("BATCH_SIZE", 1),
    ("LEARNING_RATE", 1e4),  # it ends in a loss that is not a number, which says so itself
    ("MOMENTUM", 0),
    ("DROPOUT", 0),
    ("AVERAGE_SHARE", 0),
    ("ROTATION", 0),
    ("SHIFT", 0.5),
    ("SCALE", 0),
]


def check(notebook, names):
    """Execute the two cells that check the settings."""
    cells.run(notebook, names, "check-types")
    cells.run(notebook, names, "check-settings")


@pytest.mark.parametrize("name, value, sentence", IMPOSSIBLE)
def test_an_impossible_setting_is_named_in_one_sentence(notebook, define, name, value, sentence):
    names = define(**{name: value})
    with pytest.raises(ValueError) as error:
        check(notebook, names)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name, value", POSSIBLE)
def test_a_possible_setting_is_accepted(notebook, define, capsys, name, value):
    check(notebook, define(**{name: value}))
    assert capsys.readouterr().out == "The settings are possible.\n"


def test_the_notebook_s_own_settings_are_possible(notebook, names, capsys):
    check(notebook, names)
    assert capsys.readouterr().out == "The settings are possible.\n"


def test_the_cell_after_the_settings_checks_them(notebook):
    order = [cell.id for cell in cells.code_cells(notebook)]
    assert order.index("parameters") + 1 == order.index("check-types")
    assert order.index("parameters") + 2 == order.index("check-settings")
