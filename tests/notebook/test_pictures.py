"""Figures and lists show what was measured, and what the text below them says."""

from unittest.mock import Mock

import pytest
import torch
from torch.nn import functional as F

from tests import cells

HISTORY = [
    {
        "train_loss": 0.9,
        "train_accuracy": 0.90,
        "unaveraged_loss": 0.30,
        "unaveraged_correct": 9_700,
        "test_loss": 0.20,
        "test_correct": 9_800,
        "seconds": 8.0,
    },
    {
        "train_loss": 0.5,
        "train_accuracy": 0.95,
        "unaveraged_loss": 0.15,
        "unaveraged_correct": 9_800,
        "test_loss": 0.10,
        "test_correct": 9_940,
        "seconds": 9.0,
    },
]


def test_the_filter_at_work_adds_the_products_where_the_window_is(notebook, names, mnist, shown):
    names["train_images"] = mnist[0][:1]
    cells.run(notebook, names, "look", "filter-numbers", "filter-at-work")
    total = names["products"].sum()
    assert total.abs() > 100  # there is an edge
    torch.testing.assert_close(names["responses"][names["top"], names["left"]], total)
    assert names["digit"].aminmax() == (0, 255)  # as the text says
    digit, window, _, weights, _, products, responses = shown[0].axes
    for square, name in {window: "window", weights: "filter_weights", products: "products"}.items():
        numbers = names[name]
        assert (square.images[0].get_array() == numbers.numpy()).all()
        for text in square.texts:
            column, row = text.get_position()
            assert text.get_text() == f"{numbers[row, column]:.0f}"
    assert digit.patches[0].get_xy() == responses.patches[0].get_xy()


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
    assert losses[-1] > at_the_start["loss_before"].item()
    training = shown[0].axes[0].lines[-1]
    assert list(training.get_xdata()) == [at_the_start["LEARNING_RATE"]] * 2


def test_without_batch_normalisation_every_gradient_is_hundreds_of_times_smaller(
    notebook, at_the_start, shown
):
    cells.run(notebook, at_the_start, "look", "one-step", "gradients")
    sizes = {line.get_label(): line.get_ydata() for line in shown[1].axes[0].lines}
    with_bn, without_bn = sizes["with BN"], sizes["without BN"]
    assert len(with_bn) == len(without_bn) == 8
    ratios = [large / small for large, small in zip(with_bn, without_bn, strict=True)]
    assert min(ratios) > 100
    assert max(ratios) > 1000


@pytest.fixture
def trained(names):
    """The namespace after a made-up training of two epochs."""
    names.update(history=[dict(row) for row in HISTORY], test_labels=range(10_000))
    names["loaded_correct"] = 9_940
    return names


@pytest.fixture
def axes(notebook, trained, shown):
    """The two axes of the curves: loss and accuracy."""
    cells.run(notebook, trained, "columns", "curves")
    return shown[0].axes


def curves(axis):
    """Return the heights of the curves by their labels."""
    return {line.get_label(): list(line.get_ydata()) for line in axis.lines}


def test_the_curves_show_the_three_losses_and_the_shares_of_wrong_answers(axes):
    losses, errors = curves(axes[0]), curves(axes[1])
    assert losses == {
        "training images": [0.9, 0.5],
        "test, unaveraged network": [0.30, 0.15],
        "test, averaged network": [0.20, 0.10],
    }
    assert errors == {
        "training images": pytest.approx([10, 5]),
        "test, unaveraged network": pytest.approx([3, 2]),
        "test, averaged network": pytest.approx([2, 0.6]),
        axes[1].lines[-1].get_label(): [0.6, 0.6],
    }
    assert "99.40 %, required" in [text.get_text() for text in axes[1].texts]
    named = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert named == list(losses)


def test_the_accuracies_beside_the_axis_stand_where_their_errors_are(axes):
    axis = axes[1]
    assert axis.yaxis_inverted()
    for place, label in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(100 - place)


@pytest.mark.parametrize("correct, first", [(9_940, "2"), (9_939, "never")])
def test_the_times_are_those_of_the_training(notebook, trained, capsys, correct, first):
    trained["history"][1]["test_correct"] = correct
    trained["history"].append(trained["history"][1] | {"seconds": 7.0})
    cells.run(notebook, trained, "time")
    assert capsys.readouterr().out == (
        "Test accuracy, last epoch: 99.40%\n"
        f"99.40 % first reached in epoch: {first}\n"
        "Training: 24 s, 8.0 s per epoch\n"
    )


def test_each_line_of_the_gap_measures_the_images_that_it_names(notebook, trained, capsys):
    trained.update(train_images=torch.zeros(5), train_labels=range(5), test_images=torch.ones(5))
    trained.update(trained_model="network", random_affine=lambda images: images + 2)
    trained["evaluate"] = Mock(return_value=(0.1, 9_000))
    cells.run(notebook, trained, "gap")
    calls = [call.args for call in trained["evaluate"].call_args_list]
    assert [images[0].item() for _, images, _ in calls] == [2, 0, 1]  # augmented, training, test
    assert [len(labels) for _, _, labels in calls] == [5, 5, 10_000]
    assert {network for network, _, _ in calls} == {"network"}
    last_epoch = capsys.readouterr().out.splitlines()[1]
    assert last_epoch.split()[-2:] == ["0.5000", "95.00%"]


def test_the_copies_below_the_digits_are_augmented_each_in_its_own_way(
    notebook, names, mnist, shown
):
    names.update(train_images=mnist[0], train_labels=mnist[1])
    cells.run(notebook, names, "look", "augmented")
    images = torch.stack([torch.tensor(axis.images[0].get_array()) for axis in shown[0].axes])
    originals, copies, others = images.split(10)
    assert originals.equal(mnist[0][:10, 0])
    titles = [axis.get_title() for axis in shown[0].axes[:10]]
    assert titles == [f"label {label}" for label in mnist[1][:10].tolist()]
    for number in range(10):
        assert not copies[number].equal(originals[number])
        assert not copies[number].equal(others[number])


def test_the_learnt_filters_have_one_scale_and_their_responses_another(
    notebook, names, mnist, shown
):
    names.update(test_images=mnist[2], trained_model=names["Net"]())
    cells.run(notebook, names, "look", "filters")
    filters, responses = shown[0].axes[1:9], shown[0].axes[10:18]
    for row in (filters, responses):
        (limits,) = {axis.images[0].get_clim() for axis in row}
        assert limits[0] == -limits[1]
    weight = names["trained_model"][0].weight.detach()
    drawn = torch.stack([torch.tensor(axis.images[0].get_array()) for axis in responses])
    torch.testing.assert_close(drawn, F.conv2d(mnist[2][:1], weight, padding=1)[0])


@pytest.fixture
def look(notebook, names, capsys):
    """A function that shows the mistakes of a network that is wrong for some of 150 images.

    It returns the images, their labels and the answers, and what was printed.
    """

    def look(wrong):
        images, labels = torch.rand(150, 1, 28, 28), torch.arange(150) % 10
        answers = labels.clone()
        answers[:wrong] = (labels[:wrong] + 1) % 10
        log_probabilities = (4.0 * F.one_hot(answers, 10)).log_softmax(dim=1)
        names.update(train_images=images, test_images=images, test_labels=labels)
        names.update(trained_model="network", predict=Mock(return_value=log_probabilities))
        cells.run(notebook, names, "look", "mistakes")
        names["predict"].assert_called_once_with("network", images)
        return images, labels, answers, capsys.readouterr().out

    return look


@pytest.mark.parametrize("wrong, expected", [(0, 0), (21, 21), (130, 100)])
def test_mistakes_are_counted_and_shown_up_to_a_hundred(look, shown, wrong, expected):
    images, labels, answers, printed = look(wrong)
    pictures = [axis for axis in shown[0].axes if axis.images]
    assert len(pictures) == expected
    for number, axis in enumerate(pictures):
        # e^4 / (e^4 + 9) is 0.86.
        assert axis.get_title() == f"{labels[number]} → {answers[number]}  86%"
        assert torch.equal(torch.tensor(axis.images[0].get_array()), images[number, 0])
    assert printed == f"{wrong} mistakes among 150 test images\n"


def test_the_bars_are_the_share_of_each_digit_s_images_that_are_wrong(notebook, names, look, shown):
    look(wrong=12)  # of 15 images of each digit: one, and of 0 and 1 two
    cells.run(notebook, names, "digits")
    (axis,) = shown[1].axes
    shares = [bar.get_height() for bar in axis.patches]
    assert shares == pytest.approx([200 / 15] * 2 + [100 / 15] * 8)
    labels = [text.get_text() for text in axis.texts]
    assert labels[:10] == ["2 of 15"] * 2 + ["1 of 15"] * 8


def test_in_the_picture_of_the_study_a_dot_is_a_run_and_a_triangle_the_mean(notebook, names, shown):
    names.update(LADDER={"whole": {40: 2, 37: 1}}, LADDER_PASSED={"whole": 3})
    names.update(LEFT_OUT={"part": {90: 1}}, LEFT_OUT_PASSED={"part": 0})
    cells.run(notebook, names, "look", "study-picture")
    (axis,) = shown[0].axes
    lines = [list(line.get_xdata()) for line in axis.lines]
    expected = [[99.6, 99.6], [99.63], [99.61], [99.1], [99.1], [99.4, 99.4]]
    assert lines == [pytest.approx(line) for line in expected]
    assert len(set(axis.lines[0].get_ydata())) == 2  # equal dots do not hide each other
    assert axis.get_xlim()[0] < 99.1  # all dots are inside
    assert [label.get_text() for label in axis.get_yticklabels()] == ["whole", "part"]
    assert {"3 of 3", "0 of 1"} <= {text.get_text() for text in axis.texts}
