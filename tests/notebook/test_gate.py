"""The gate: what is held against the requirements was measured, and each can stop the run."""

import copy

import pytest
import torch
from torch import nn

from tests.notebook.stand_ins import epoch
from tests.study import results
from tests.tools import cells

IMAGES = "test images"
SAVED = "the last epoch's"
LAST = "right answers, at least"
SIZE = "parameters"
EPOCHS = "epochs, fewer"
NORMALISATIONS = "batch normalisations"
DROPOUTS = "dropouts"
CONNECTED = "fully connected layers"
POOLED = "global average poolings"
LAST_FOUR = "last four epochs"
CONVOLUTIONS = "convolutions"
RELUS = "ReLU"
MAXIMA = "max poolings"
CHANNELS = "channels"
BOTH_WAYS = "expand and squeeze"
# Words of each requirement by which it is known here, in order: two of the notebook's own and
# the assignment's, then those of the solution that was published with it.
TASK = [IMAGES, SAVED, LAST, SIZE, EPOCHS, NORMALISATIONS, DROPOUTS, CONNECTED, POOLED]
SOLUTION = [LAST_FOUR, CONVOLUTIONS, RELUS, MAXIMA, CHANNELS, BOTH_WAYS]


@pytest.fixture
def finished(names):
    """The namespace after a made-up run of five epochs that meets every requirement."""
    set_history(names, [9_900, 9_941, 9_960, 9_941, 9_945])
    names["test_labels"] = range(10_000)
    names["trained_model"] = names["Net"]()
    return names


def set_history(names, correct):
    """Let the epochs have these numbers of right answers; the saved network has the last."""
    names["history"] = [epoch(test_correct=each) for each in correct]
    names["loaded_correct"] = correct[-1]
    names["loaded_loss"] = epoch()["test_loss"]


def known_as(requirement):
    """Return the words by which a requirement is known here."""
    (found,) = [words for words in TASK + SOLUTION if words in requirement]
    return found


def missed(notebook, names):
    """Run check and gate; return the requirements for which they stop the run."""
    try:
        cells.run(notebook, names, "check", "gate")
    except AssertionError as error:
        sentences = str(error).removeprefix("Not met: ").split("; ")
        return [known_as(sentence) for sentence in sentences]
    return []


def test_a_run_that_meets_every_requirement_passes(notebook, finished, capsys):
    assert missed(notebook, finished) == []
    lines = capsys.readouterr().out.splitlines()
    assert [known_as(line) for line in lines] == TASK + SOLUTION
    assert all(line.startswith("met ") for line in lines)


def test_the_text_counts_the_assignment_s_and_the_published_solution_s_requirements(notebook):
    assert len(SOLUTION) == 6
    assert len(TASK) == 2 + 7
    text = cells.cell(notebook, "check-text").source
    assert "last six" in text and "next seven" in text


def test_each_requirement_is_printed_even_if_an_earlier_one_is_missed(notebook, finished, capsys):
    finished["test_labels"] = range(100)
    assert missed(notebook, finished) == [IMAGES]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("NOT MET")
    assert all(line.startswith("met ") for line in lines[1:])
    assert len(lines) == len(TASK + SOLUTION)


@pytest.mark.parametrize(
    "correct, expected",
    [
        ([9_941, 9_941, 9_941, 9_941, 9_941], []),
        ([9_960, 9_940, 9_960, 9_960, 9_960], [LAST_FOUR]),
        ([9_960, 9_960, 9_940, 9_960, 9_960], [LAST_FOUR]),
        ([9_960, 9_960, 9_960, 9_940, 9_960], [LAST_FOUR]),
        ([9_960, 9_960, 9_960, 9_960, 9_940], [LAST_FOUR]),
        ([9_960, 9_960, 9_960, 9_960, 9_939], [LAST, LAST_FOUR]),
        ([100] * 15 + [9_941] * 4, []),  # earlier epochs may be worse
        ([9_960] * 18 + [9_930], [LAST, LAST_FOUR]),  # the last epoch counts, not the best
        ([9_950] * 3, [LAST_FOUR]),  # three are no four
        ([9_950] * 20, [EPOCHS]),
    ],
)
def test_what_the_epochs_must_have_reached(notebook, finished, correct, expected):
    set_history(finished, correct)
    assert missed(notebook, finished) == expected


def test_the_unaveraged_network_does_not_count(notebook, finished):
    finished["history"] = [epoch(unaveraged_correct=9_000, test_correct=9_945)] * 5
    assert missed(notebook, finished) == []


@pytest.mark.parametrize(
    "loss_factor, more_correct, expected",
    [
        (1.00009, 1, []),  # rounding on a graphics processor is forgiven
        (0.99991, -1, []),
        (1.0002, 0, [SAVED]),
        (0.9998, 0, [SAVED]),
        (1, 2, [SAVED]),
        (1, -2, [SAVED]),
    ],
)
def test_the_weights_of_another_run_or_epoch_are_refused(
    notebook, finished, loss_factor, more_correct, expected
):
    finished["loaded_loss"] *= loss_factor
    finished["loaded_correct"] += more_correct
    assert missed(notebook, finished) == expected


def test_the_saved_network_itself_needs_9_940_right_answers(notebook, finished):
    set_history(finished, [9_941] * 5)
    finished["loaded_correct"] = 9_940
    assert missed(notebook, finished) == []
    finished["loaded_correct"] = 9_939
    assert missed(notebook, finished) == [SAVED, LAST]


@pytest.mark.parametrize(
    "correct",
    [
        [9_900, 9_941, 9_960, 9_941, 9_945],
        [9_960, 9_940, 9_960, 9_960, 9_960],
        [9_960, 9_960, 9_960, 9_960, 9_940],
        [9_960, 9_960, 9_960],
    ],
)
def test_the_study_counts_a_run_as_passed_where_the_gate_lets_it_pass(notebook, finished, correct):
    set_history(finished, correct)
    assert results.passes(correct) == (missed(notebook, finished) == [])


@pytest.mark.parametrize("images", [9_999, 10_001])
def test_the_count_is_one_of_10_000_images(notebook, finished, images):
    finished["test_labels"] = range(images)
    assert missed(notebook, finished) == [IMAGES]


@pytest.mark.parametrize("total, expected", [(19_999, []), (20_000, [SIZE])])
def test_20_000_trainable_parameters_are_too_many(notebook, finished, total, expected):
    network = finished["trained_model"]
    present = sum(parameter.numel() for parameter in network.parameters())
    network[0].more = nn.Parameter(torch.zeros(total - present))
    network[0].frozen = nn.Parameter(torch.zeros(9_000), requires_grad=False)  # not trained
    assert missed(notebook, finished) == expected


KINDS = [
    (nn.BatchNorm2d, NORMALISATIONS),
    (nn.Dropout2d, DROPOUTS),
    (nn.AdaptiveAvgPool2d, POOLED),
    (nn.Linear, CONNECTED),
    (nn.Conv2d, CONVOLUTIONS),
    (nn.ReLU, RELUS),
    (nn.MaxPool2d, MAXIMA),
]


def last(network, kind):
    """Return the index of the last layer of this kind."""
    return max(i for i, layer in enumerate(network) if isinstance(layer, kind))


@pytest.mark.parametrize("kind, requirement", KINDS)
def test_a_layer_too_few_and_a_layer_too_many_are_noticed(notebook, finished, kind, requirement):
    network = finished["trained_model"]
    place = last(network, kind)
    layer = network[place]
    network[place] = nn.Identity()
    assert missed(notebook, finished) == [requirement]
    network[place] = layer
    network.append(copy.deepcopy(layer).requires_grad_(False))
    assert missed(notebook, finished) == [requirement]


def test_a_dropout_that_blanks_nothing_does_not_count(notebook, finished):
    network = finished["trained_model"]
    network[last(network, nn.Dropout2d)].p = 0.0
    assert missed(notebook, finished) == [DROPOUTS]


@pytest.mark.parametrize(
    "channels, expected",
    [
        ([8, 32, 8, 32], []),
        ([7, 16, 12, 32], [CHANNELS]),
        ([8, 16, 12, 33], [CHANNELS]),
        ([32, 16, 12, 8], [BOTH_WAYS]),
        ([8, 12, 16, 32], [BOTH_WAYS]),
        ([16, 16, 16, 16], [BOTH_WAYS]),
    ],
)
def test_the_first_four_convolutions_widen_and_narrow(notebook, finished, channels, expected):
    """Later ones may have any number of channels."""
    convolutions = [each for each in finished["trained_model"] if isinstance(each, nn.Conv2d)]
    convolutions[-1].out_channels = 64
    for convolution, number in zip(convolutions[:4], channels, strict=True):
        convolution.out_channels = number
    assert missed(notebook, finished) == expected
