"""The gate: what is held against the requirements was measured, and each can stop the run."""

import copy

import cells
import pytest
import recording
import results
import torch
from torch import nn
from variants import TEST

from made_up_records import run
from stand_ins import PARAMETERS, epoch

LAST_EPOCH = "correct in the last epoch"
LAST_FOUR = "last four epochs above 9,940"
SIZE = "trainable parameters"

# Name, measured, rule, limit and source of each requirement, of a run of five epochs.
TASK, ANSWER, OURS = "the assignment", "the published answer", "this notebook"
MET = [
    ("test images", 10_000, "exactly", 10_000, OURS),
    (LAST_EPOCH, 9_945, "at least", 9_940, TASK),
    (LAST_FOUR, 4, "exactly", 4, ANSWER),
    ("epochs", 5, "below", 20, TASK),
    (SIZE, PARAMETERS, "below", 20_000, TASK),
    ("batch normalisations", 8, "exactly", 8, ANSWER),
    ("dropouts above 0", 8, "exactly", 8, ANSWER),
    ("global average pools", 1, "exactly", 1, TASK),
    ("fully connected layers", 1, "exactly", 1, TASK),
    ("convolutions", 8, "exactly", 8, ANSWER),
    ("ReLU layers", 8, "exactly", 8, ANSWER),
    ("max poolings", 3, "exactly", 3, ANSWER),
    ("fewest channels, first four", 8, "at least", 8, ANSWER),
    ("most channels, first four", 32, "at most", 32, ANSWER),
    ("times wider, first four", 2, "at least", 1, ANSWER),
    ("times narrower, first four", 1, "at least", 1, ANSWER),
]


@pytest.fixture
def finished(names):
    """The namespace after a made-up run of five epochs that meets every requirement."""
    set_history(names, [9_900, 9_941, 9_960, 9_941, 9_945])
    names["test_labels"] = range(10_000)
    names["trained_model"] = names["Net"]()
    return names


def set_history(names, correct):
    """Let the epochs have these numbers of right answers; the saved network has the last."""
    names["history"] = [names["EpochResult"](**epoch(test_correct=each)) for each in correct]
    names["loaded_correct"] = correct[-1]


def missed(notebook, names, identifiers=("check", "requirements", "gate")):
    """Run these cells; return the names of the requirements for which they stop the run."""
    try:
        cells.run(notebook, names, *identifiers)
    except AssertionError as error:
        assert names["missed"] != []
        assert str(error) == f"Not met: {', '.join(names['missed'])}"
    else:
        assert names["missed"] == []
    return names["missed"]


def test_a_run_that_meets_every_requirement_passes(notebook, finished):
    assert missed(notebook, finished) == []
    assert finished["requirements"] == MET


def test_each_line_shows_measurement_limit_source_and_verdict(notebook, finished, capsys):
    set_history(finished, [9_950, 9_950, 9_950, 9_950, 9_938])
    missed(notebook, finished)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [name for name, *_ in MET]
    first = "test images                   10,000  exactly 10,000  this notebook         met"
    second = "correct in the last epoch      9,938  at least 9,940  the assignment        NOT MET"
    assert lines[:2] == [first, second]
    assert all(line.endswith("  met") for line in lines[3:])


@pytest.mark.parametrize(
    "correct",
    [
        [9_900, 9_941, 9_960, 9_941, 9_945],
        [9_960, 9_940, 9_960, 9_960, 9_960],
        [9_960, 9_960, 9_940, 9_960, 9_960],
        [9_960, 9_960, 9_960, 9_940, 9_960],
        [9_960, 9_960, 9_960, 9_960, 9_940],
        [9_960, 9_960, 9_960, 9_960, 9_939],
    ],
)
def test_the_study_says_that_a_run_passed_where_the_gate_passes_it(
    notebook, finished, records, correct
):
    set_history(finished, correct)
    epochs = []
    for number, right_answers in enumerate(correct, start=1):
        epochs.append({"epoch": number, "loss": 0.05, "correct": right_answers})
    recording.append_run(run(TEST), epochs)
    passed = results.outcome(TEST, None).recipe.runs.iloc[0]["passed"]
    assert passed == (missed(notebook, finished) == [])


@pytest.mark.parametrize(
    "rule, limit, enough, not_enough",
    [
        ("exactly", 4, [4], [3, 5]),
        ("at least", 9_940, [9_940, 9_941], [9_939]),
        ("at most", 32, [31, 32], [33]),
        ("below", 20_000, [19_999], [20_000, 20_001]),
    ],
)
def test_the_rules_mean_what_they_say(notebook, finished, rule, limit, enough, not_enough):
    def is_met(measured):
        requirement = finished["Requirement"]("something", measured, rule, limit, "someone")
        finished["requirements"] = [requirement]
        return missed(notebook, finished, ["gate"]) == []

    cells.run(notebook, finished, "check", "requirements")  # they define Requirement and RULES
    assert all(is_met(measured) for measured in enough)
    assert not any(is_met(measured) for measured in not_enough)


@pytest.mark.parametrize("number", range(len(MET)))
def test_a_single_requirement_that_is_missed_stops_the_run(notebook, finished, number):
    cells.run(notebook, finished, "check", "requirements")
    line = finished["requirements"][number]
    wrong = 0 if line.rule in ("exactly", "at least") else line.limit + 1
    finished["requirements"][number] = line._replace(measured=wrong)
    assert missed(notebook, finished, ["gate"]) == [line.name]


@pytest.mark.parametrize("correct, expected", [(9_940, []), (9_939, [LAST_EPOCH])])
def test_the_saved_network_needs_9_940_right_answers(notebook, finished, correct, expected):
    finished["loaded_correct"] = correct
    assert missed(notebook, finished) == expected


@pytest.mark.parametrize("number", [-1, -2, -3, -4])
def test_each_of_the_last_four_epochs_needs_9_941(notebook, finished, number):
    correct = [9_941, 9_941, 9_941, 9_941, 9_941]
    set_history(finished, correct)
    assert missed(notebook, finished) == []
    correct[number] = 9_940
    set_history(finished, correct)
    assert missed(notebook, finished) == [LAST_FOUR]


def test_earlier_epochs_may_be_worse(notebook, finished):
    set_history(finished, [100] * 15 + [9_941] * 4)
    assert missed(notebook, finished) == []


def test_three_epochs_are_no_four(notebook, finished):
    set_history(finished, [9_950] * 3)
    assert missed(notebook, finished) == [LAST_FOUR]


def test_the_result_is_the_last_epoch_and_not_the_best(notebook, finished):
    set_history(finished, [9_960] * 18 + [9_930])
    assert missed(notebook, finished) == [LAST_EPOCH, LAST_FOUR]


def test_the_unaveraged_network_does_not_count(notebook, finished):
    worse = epoch(unaveraged_correct=9_000, test_correct=9_950)
    finished["history"] = [finished["EpochResult"](**worse)] * 5
    assert missed(notebook, finished) == []


@pytest.mark.parametrize("epochs, expected", [(19, []), (20, ["epochs"])])
def test_twenty_epochs_are_too_many(notebook, finished, epochs, expected):
    set_history(finished, [9_950] * epochs)
    assert missed(notebook, finished) == expected


@pytest.mark.parametrize("images", [9_999, 10_001])
def test_the_count_is_one_of_10_000_images(notebook, finished, images):
    finished["test_labels"] = range(images)
    assert missed(notebook, finished) == ["test images"]


@pytest.mark.parametrize("total, expected", [(19_999, []), (20_000, [SIZE])])
def test_20_000_trainable_parameters_are_too_many(notebook, finished, total, expected):
    layer = finished["trained_model"][0]
    layer.more = nn.Parameter(torch.zeros(total - PARAMETERS))
    layer.frozen = nn.Parameter(torch.zeros(9_000), requires_grad=False)  # it is not trained
    assert missed(notebook, finished) == expected


KINDS = [
    (nn.BatchNorm2d, "batch normalisations"),
    (nn.Dropout2d, "dropouts above 0"),
    (nn.AdaptiveAvgPool2d, "global average pools"),
    (nn.Linear, "fully connected layers"),
    (nn.Conv2d, "convolutions"),
    (nn.ReLU, "ReLU layers"),
    (nn.MaxPool2d, "max poolings"),
]


def last(network, kind):
    """Return the index of the last layer of this kind."""
    return max(i for i, layer in enumerate(network) if isinstance(layer, kind))


@pytest.mark.parametrize("kind, requirement", KINDS)
def test_a_layer_too_few_is_noticed(notebook, finished, kind, requirement):
    network = finished["trained_model"]
    network[last(network, kind)] = nn.Identity()
    assert missed(notebook, finished) == [requirement]


@pytest.mark.parametrize("kind, requirement", KINDS)
def test_a_layer_too_many_is_noticed(notebook, finished, kind, requirement):
    network = finished["trained_model"]
    network.append(copy.deepcopy(network[last(network, kind)]).requires_grad_(False))
    assert missed(notebook, finished) == [requirement]


def test_a_dropout_that_blanks_nothing_does_not_count(notebook, finished):
    network = finished["trained_model"]
    network[last(network, nn.Dropout2d)].p = 0.0
    assert missed(notebook, finished) == ["dropouts above 0"]


@pytest.mark.parametrize(
    "channels, expected",
    [
        ([8, 32, 8, 32], []),
        ([7, 16, 12, 32], ["fewest channels, first four"]),
        ([8, 16, 12, 33], ["most channels, first four"]),
        ([32, 16, 12, 8], ["times wider, first four"]),
        ([8, 12, 16, 32], ["times narrower, first four"]),
        ([16, 16, 16, 16], ["times wider, first four", "times narrower, first four"]),
    ],
)
def test_the_first_four_convolutions_widen_and_narrow(notebook, finished, channels, expected):
    convolutions = [each for each in finished["trained_model"] if isinstance(each, nn.Conv2d)]
    for convolution, number in zip(convolutions[:4], channels, strict=True):
        convolution.out_channels = number
    assert missed(notebook, finished) == expected


def test_later_convolutions_may_have_any_number_of_channels(notebook, finished):
    network = finished["trained_model"]
    network[last(network, nn.Conv2d)].out_channels = 64
    assert missed(notebook, finished) == []
