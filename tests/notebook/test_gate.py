"""The check and the gate: what is required was measured, and each requirement can stop the run."""

import copy

import pytest
import torch
from torch import nn

from tests import cells

ACCURACY = "right answers, at least 9,940"
LAST_FOUR = "each of the last four epochs above 9,940"
SAVED = "the saved network is the last epoch's"
PARAMETERS = "parameters, fewer than 20,000"
EPOCHS = "epochs, fewer than 20"
CHANNELS = "channels of the first four, from 8 to 32"
BOTH_WAYS = "these expand and squeeze"


@pytest.fixture
def finished(names):
    """The namespace after a made-up run of five epochs that meets every requirement."""
    set_history(names, [9_900, 9_941, 9_960, 9_941, 9_945])
    names["test_labels"] = range(10_000)
    names["trained_model"] = names["Net"]()
    return names


def set_history(names, correct):
    """Let the epochs have these numbers of right answers; the saved network has the last."""
    unaveraged = {"unaveraged_loss": 0.5, "unaveraged_correct": 9_000}  # it does not count
    names["history"] = [unaveraged | {"test_correct": each, "test_loss": 0.05} for each in correct]
    names["loaded_correct"], names["loaded_loss"] = correct[-1], 0.05


def assert_missed(notebook, names, *words):
    """Run check and gate; assert that the gate stops for these alone, each known by its words."""
    cells.run(notebook, names, "requirements", "more-requirements", "check")
    if words:
        with pytest.raises(AssertionError) as error:
            cells.run(notebook, names, "gate")
        assert str(error.value) == f"Not met: {'; '.join(names['missed'])}"
    else:
        cells.run(notebook, names, "gate")
    assert len(names["missed"]) == len(words), names["missed"]
    for requirement, expected in zip(names["missed"], words, strict=True):
        assert expected in requirement


def test_a_run_that_meets_every_requirement_passes(notebook, finished, capsys):
    assert_missed(notebook, finished)
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines[0] == "The assignment asks for"  # seven requirements
    assert lines[8] == "The published solution also has"
    assert all(line.startswith("  met ") for line in lines[1:8] + lines[9:-3] + lines[-2:])
    assert last == f"All {len(lines) - 3} requirements are met."


def test_what_is_missed_is_printed_by_the_check_and_raised_by_the_gate(notebook, finished, capsys):
    finished["test_labels"] = range(100)
    assert_missed(notebook, finished, "100 test images, all there are")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "NOT MET" in line] == [
        "  NOT MET  100 test images, all there are"
    ]


@pytest.mark.parametrize(
    "correct, expected",
    [
        ([9_941, 9_941, 9_941, 9_941, 9_941], []),
        ([9_960, 9_940, 9_960, 9_960, 9_960], [LAST_FOUR]),
        ([9_960, 9_960, 9_960, 9_960, 9_940], [LAST_FOUR]),
        ([9_960, 9_960, 9_960, 9_960, 9_939], [ACCURACY, LAST_FOUR]),
        ([100] * 15 + [9_941] * 4, []),  # earlier epochs may be worse
        ([9_960] * 18 + [9_930], [ACCURACY, LAST_FOUR]),  # the last epoch counts, not the best
        ([9_950] * 3, [LAST_FOUR]),  # three are no four
        ([9_950] * 20, [EPOCHS]),
    ],
)
def test_what_the_epochs_must_have_reached(notebook, finished, correct, expected):
    set_history(finished, correct)
    assert_missed(notebook, finished, *expected)


@pytest.mark.parametrize(
    "loss_factor, more_correct, expected",
    [
        (1.00009, -1, []),  # rounding on a graphics processor is forgiven
        (0.9998, 0, [SAVED]),
        (1.0002, 0, [SAVED]),
        (1, 2, [SAVED]),
        (1, -2, [SAVED]),
    ],
)
def test_the_weights_of_another_run_or_epoch_are_refused(
    notebook, finished, loss_factor, more_correct, expected
):
    finished["loaded_loss"] *= loss_factor
    finished["loaded_correct"] += more_correct
    assert_missed(notebook, finished, *expected)


@pytest.mark.parametrize("total, expected", [(19_999, []), (20_000, [PARAMETERS])])
def test_20_000_trainable_parameters_are_too_many(notebook, finished, total, expected):
    network = finished["trained_model"]
    present = sum(parameter.numel() for parameter in network.parameters())
    network[0].more = nn.Parameter(torch.zeros(total - present))
    network[0].frozen = nn.Parameter(torch.zeros(9_000), requires_grad=False)  # not trained
    assert_missed(notebook, finished, *expected)


KINDS = [
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.Dropout2d,
    nn.AdaptiveAvgPool2d,
    nn.Linear,
]


def places(network, kind):
    """Return the indices of the layers of this kind."""
    return [place for place, layer in enumerate(network) if isinstance(layer, kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_too_many_is_noticed(notebook, finished, kind):
    network = finished["trained_model"]
    layer = network[places(network, kind)[-1]]
    network.append(copy.deepcopy(layer).requires_grad_(False))
    assert_missed(notebook, finished, f"{kind.__name__}: ")


@pytest.mark.parametrize(
    "kind, words",
    [
        (nn.BatchNorm2d, "batch normalisations: 0"),
        (nn.Dropout2d, "dropouts: 0"),
        (nn.Linear, "fully connected layers: 0"),
        (nn.AdaptiveAvgPool2d, "global average poolings: 0"),
    ],
)
def test_the_assignment_s_kinds_of_layers_must_be_there(notebook, finished, kind, words):
    network = finished["trained_model"]
    for place in places(network, kind):
        network[place] = nn.Identity()
    assert_missed(notebook, finished, words, f"{kind.__name__}: 0")


def test_a_dropout_that_blanks_nothing_does_not_count(notebook, finished):
    network = finished["trained_model"]
    network[places(network, nn.Dropout2d)[-1]].p = 0.0
    assert_missed(notebook, finished, "Dropout2d: 7 of 8")


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
    assert_missed(notebook, finished, *expected)


def test_the_gate_judges_the_run_that_is_there_and_not_an_earlier_check(notebook, finished):
    assert_missed(notebook, finished)
    finished["history"][-1]["test_correct"] = finished["loaded_correct"] = 9_930
    with pytest.raises(AssertionError, match="9,930 right answers"):
        cells.run(notebook, finished, "gate")
