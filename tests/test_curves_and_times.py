"""The figure of the training and the times below the gate show what was measured."""

import cells
import pytest

from stand_ins import epoch

SCRIPT = [
    epoch(train_loss=0.9, train_accuracy=0.90, unaveraged_loss=0.30, test_loss=0.20),
    epoch(train_loss=0.5, train_accuracy=0.95, unaveraged_loss=0.15, test_loss=0.10),
    epoch(train_loss=0.3, train_accuracy=0.97, unaveraged_loss=0.08, test_loss=0.04),
]
UNAVERAGED, AVERAGED = (9_700, 9_800, 9_850), (9_800, 9_940, 9_950)
for result, unaveraged, averaged in zip(SCRIPT, UNAVERAGED, AVERAGED, strict=True):
    result["unaveraged_correct"] = unaveraged
    result["test_correct"] = averaged


@pytest.fixture
def trained(notebook, scripted):
    """The namespace after a scripted training, with the style of the notebook's figures."""
    training = scripted(SCRIPT)
    cells.run(notebook, training.names, "style")
    return training.train()


@pytest.fixture
def axes(notebook, trained, shown):
    """The two axes of the figure: loss and accuracy."""
    cells.run(notebook, trained, "curves")
    return shown[0].axes


def lines(axis):
    """Return the y values of each line that the legend names, by its name."""
    names = {text.get_text() for text in axis.get_legend().get_texts()}
    found = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
    assert names == found.keys()
    return found


def test_the_left_axis_shows_the_three_losses(axes):
    assert lines(axes[0]) == {
        "training": [0.9, 0.5, 0.3],
        "test, unaveraged": [0.30, 0.15, 0.08],
        "test, averaged": [0.20, 0.10, 0.04],
    }


def test_the_right_axis_shows_the_share_of_wrong_answers_upside_down(axes):
    found = lines(axes[1])
    assert found["training"] == pytest.approx([10, 5, 3])
    assert found["test, unaveraged"] == pytest.approx([3, 2, 1.5])
    assert found["test, averaged"] == pytest.approx([2, 0.6, 0.5])
    assert found["99.40 %, required"] == [0.6, 0.6]
    assert axes[1].yaxis_inverted()


def test_the_curves_have_the_colours_that_the_text_names(notebook, trained, axes):
    text = cells.cell(notebook, "curves-see").source
    assert "averaged network (blue)" in text
    assert "unaveraged network (green)" in text
    for axis in axes:
        colours = {line.get_label(): line.get_color() for line in axis.lines}
        assert colours["test, averaged"] == trained["BLUE"]
        assert colours["test, unaveraged"] == trained["GREEN"]


def test_the_epochs_count_from_1(axes):
    for axis in axes:
        assert list(axis.lines[0].get_xdata()) == [1, 2, 3]
        assert axis.get_xlabel() == "epoch"


def test_the_axes_say_what_they_measure(axes):
    assert [axis.get_ylabel() for axis in axes] == ["negative log-likelihood", "accuracy (%)"]


def test_the_numbers_beside_the_axes_stand_where_they_belong(axes):
    for place, label in zip(axes[0].get_yticks(), axes[0].get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(place)
    for place, label in zip(axes[1].get_yticks(), axes[1].get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(100 - place)


def test_the_times_are_those_of_the_training(notebook, trained, capsys):
    trained["loaded_correct"] = 9_950
    capsys.readouterr()  # what the training printed
    cells.run(notebook, trained, "time")
    assert capsys.readouterr().out == (
        "Test accuracy, last epoch: 99.50 %\n"
        "99.40 % first reached in epoch: 2\n"
        "Training: 24 s, 8.0 s per epoch\n"
    )


def test_a_run_that_never_reaches_the_goal_says_so(notebook, scripted, capsys):
    names = scripted([epoch(test_correct=9_939)]).train()
    names["loaded_correct"] = 9_939
    cells.run(notebook, names, "time")
    assert "99.40 % first reached in epoch: never\n" in capsys.readouterr().out
