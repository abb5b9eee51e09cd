"""Figures and lists show what was measured, and what the text below them says."""

from collections import Counter
from unittest.mock import Mock

import pytest
import torch
from torch.nn import functional as F

from tests.notebook.stand_ins import epoch
from tests.tools import cells

SCRIPT = [
    epoch(train_loss=0.9, train_accuracy=0.90, unaveraged_loss=0.30, test_loss=0.20),
    epoch(train_loss=0.5, train_accuracy=0.95, unaveraged_loss=0.15, test_loss=0.10),
    epoch(train_loss=0.3, train_accuracy=0.97, unaveraged_loss=0.08, test_loss=0.04),
]
UNAVERAGED, AVERAGED = (9_700, 9_800, 9_850), (9_800, 9_940, 9_950)
for result, unaveraged, averaged in zip(SCRIPT, UNAVERAGED, AVERAGED, strict=True):
    result["unaveraged_correct"] = unaveraged
    result["test_correct"] = averaged


def test_the_filter_at_work_adds_the_products_where_the_window_is(notebook, names, mnist, shown):
    names["train_images"] = mnist[0][:1]
    cells.run(notebook, names, "look", "filter-at-work")
    place = names["row"], names["column"]
    total = names["products"].sum()
    assert total.abs() > 100  # there is an edge
    torch.testing.assert_close(names["response"][place], total)
    assert names["digit"].aminmax() == (0, 255)  # as the text says
    digit, *squares, response = shown[0].axes
    for square in squares:
        numbers = square.images[0].get_array()
        for text in square.texts:
            column, row = text.get_position()
            assert text.get_text() == f"{numbers[row, column]:.0f}"
    assert digit.patches[0].get_xy() == response.patches[0].get_xy()
    assert f"{total:.0f}" in response.get_title()


@pytest.fixture
def at_the_start(names, mnist):
    """The namespace before the training, with all training images."""
    names.update(device=torch.device("cpu"), train_images=mnist[0], train_labels=mnist[1])
    return names


def test_one_step_does_most_at_a_rate_of_1_and_harm_at_10(notebook, at_the_start, shown):
    cells.run(notebook, at_the_start, "look", "one-step")
    rates, losses = at_the_start["rates"], at_the_start["losses"]
    assert rates[losses.index(min(losses))] == 1
    assert rates[-1] == 10
    assert losses[-1] > at_the_start["before"].item()


def test_without_batch_normalisation_every_gradient_is_hundreds_of_times_smaller(
    notebook, at_the_start, shown
):
    cells.run(notebook, at_the_start, "look", "one-step", "gradients")
    with_bn, without_bn = [line.get_ydata() for line in shown[1].axes[0].lines]
    assert len(with_bn) == len(without_bn) == 8
    assert min(large / small for large, small in zip(with_bn, without_bn, strict=True)) > 100


@pytest.fixture
def trained(notebook, scripted):
    """The namespace after a scripted training, with the look of the notebook's figures."""
    training = scripted(SCRIPT)
    cells.run(notebook, training.names, "look")
    return training.train()


@pytest.fixture
def axes(notebook, trained, shown):
    """The two axes of the curves: loss and accuracy."""
    cells.run(notebook, trained, "columns", "curves")
    return shown[0].axes


def lines(axis):
    """Return the y values of each line that the legend names, by its name."""
    names = {text.get_text() for text in axis.get_legend().get_texts()}
    found = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
    assert names == found.keys()
    return found


def test_the_curves_show_the_three_losses_and_the_shares_of_wrong_answers(axes):
    losses, errors = lines(axes[0]), lines(axes[1])
    assert losses["training"] == [0.9, 0.5, 0.3]
    assert losses["test, unaveraged"] == [0.30, 0.15, 0.08]
    assert losses["test, averaged"] == [0.20, 0.10, 0.04]
    assert errors["training"] == pytest.approx([10, 5, 3])
    assert errors["test, unaveraged"] == pytest.approx([3, 2, 1.5])
    assert errors["test, averaged"] == pytest.approx([2, 0.6, 0.5])
    assert errors["99.40 %, required"] == [0.6, 0.6]


def test_the_numbers_beside_the_axes_stand_where_they_belong(axes):
    loss, accuracy = axes
    assert accuracy.yaxis_inverted()
    for place, label in zip(loss.get_yticks(), loss.get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(place)
    for place, label in zip(accuracy.get_yticks(), accuracy.get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(100 - place)
    for axis in axes:
        assert list(axis.lines[0].get_xdata()) == [1, 2, 3]


def test_the_curves_have_the_colours_that_the_text_names(notebook, trained, axes):
    text = cells.cell(notebook, "curves-see").source
    for axis in axes:
        colours = {line.get_label(): line.get_color() for line in axis.lines}
        assert colours["test, averaged"] == trained["BLUE"]
        assert colours["test, unaveraged"] == trained["GREEN"]
    assert "averaged network (blue)" in text
    assert "unaveraged network (green)" in text


@pytest.mark.parametrize("goal, first", [(9_940, "2"), (9_939, "3")])
def test_the_times_are_those_of_the_training(notebook, trained, capsys, goal, first):
    trained["history"][1]["test_correct"] = goal
    trained["loaded_correct"] = 9_950
    capsys.readouterr()  # what the training printed
    cells.run(notebook, trained, "time")
    assert capsys.readouterr().out == (
        "Test accuracy, last epoch: 99.50%\n"
        f"99.40 % first reached in epoch: {first}\n"
        "Training: 24 s, 8.0 s per epoch\n"
    )


def test_each_line_of_the_gap_measures_the_images_that_it_names(notebook, trained):
    trained["trained_model"] = "network"
    trained["random_affine"] = lambda images: images + 1
    trained["evaluate"] = Mock(return_value=(0.1, 9_000))
    cells.run(notebook, trained, "gap")
    augmented, training, test = [call.args[1] for call in trained["evaluate"].call_args_list]
    assert augmented.equal(trained["train_images"] + 1)
    assert training is trained["train_images"]
    assert test is trained["test_images"]


NUMBER_OF_IMAGES = 150


class MadeUpAnswers:
    """Images and labels, and a network that is wrong for the first of them."""

    def __init__(self, wrong):
        self.images = torch.rand(NUMBER_OF_IMAGES, 1, 28, 28)
        self.labels = torch.randint(10, (NUMBER_OF_IMAGES,))
        self.answers = self.labels.clone()
        self.answers[:wrong] = (self.labels[:wrong] + torch.randint(1, 10, (wrong,))) % 10
        certainty = torch.linspace(3, 6, NUMBER_OF_IMAGES)[:, None]
        self.log_probabilities = (certainty * F.one_hot(self.answers, 10)).log_softmax(dim=1)


@pytest.fixture
def look(notebook, names):
    """A function that runs the cell of mistakes on made-up answers, and returns these."""

    def look(wrong):
        made_up = MadeUpAnswers(wrong)
        names["predict"] = Mock(return_value=made_up.log_probabilities)
        names["trained_model"] = "network"
        names["train_images"] = names["test_images"] = made_up.images
        names["train_labels"] = names["test_labels"] = made_up.labels
        cells.run(notebook, names, "look", "mistakes")
        names["predict"].assert_called_once_with("network", made_up.images)
        return made_up

    return look


@pytest.mark.parametrize("wrong, expected", [(0, 0), (21, 21), (130, 100)])
def test_mistakes_are_counted_and_shown_up_to_a_hundred(look, shown, capsys, wrong, expected):
    made_up = look(wrong)
    probabilities = made_up.log_probabilities.exp()
    (mistakes,) = shown
    pictures = [axis for axis in mistakes.axes if axis.images]
    assert len(pictures) == expected
    for number, axis in enumerate(pictures):
        label, answer = made_up.labels[number], made_up.answers[number]
        title = f"{label} → {answer}  {probabilities[number, answer]:.0%}"
        assert axis.get_title() == title
        assert torch.equal(torch.tensor(axis.images[0].get_array()), made_up.images[number, 0])

    printed, frequent = capsys.readouterr().out.split("More than twice:\n")
    assert f"{wrong} mistakes among 150 test images\n" in printed
    pairs = Counter(zip(made_up.labels.tolist(), made_up.answers.tolist(), strict=True))
    lines = []
    for (label, answer), number in pairs.most_common():
        if label != answer and number > 2:
            lines.append(f"  {label} taken for {answer}: {number}")
    assert frequent.splitlines() == lines


def test_in_the_picture_of_the_study_a_dot_is_a_run_and_a_bar_the_mean_of_those_that_learnt(
    notebook, names, shown
):
    names["STUDY"] = {"whole": [40, 38, 45], "part": [60, 8_865]}
    cells.run(notebook, names, "look", "study-picture")
    (axis,) = shown[0].axes
    whole, whole_mean, part, part_mean, required = [sorted(line.get_xdata()) for line in axis.lines]
    assert whole == pytest.approx([99.55, 99.6, 99.62])
    assert whole_mean == pytest.approx([99.59])
    assert part == part_mean == pytest.approx([99.4])
    assert required == [99.4, 99.4]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["whole", "part (1 did not learn)"]
