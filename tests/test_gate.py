"""The gate, and what is reported beside it: judged on runs made up for the purpose."""

import copy
from contextlib import nullcontext

import cells
import pytest
import torch
from torch import nn

TABLE = """test images 10000 exactly 10000; correct, last epoch 9945 at least 9940;
last four epochs over 99.40 % 4 exactly 4; epochs 7 below 20;
trainable parameters 15938 below 20000; convolutions 8 exactly 8;
channels of the first four [8, 16, 12, 32] exactly [8, 16, 12, 32];
batch normalisation layers 8 exactly 8; ReLU layers 8 exactly 8; dropout layers 8 exactly 8;
max pooling layers 3 exactly 3; global average pooling layers 1 exactly 1;
fully connected layers 1 exactly 1"""
PARTS = """Conv2d convolutions; BatchNorm2d batch normalisation layers; ReLU ReLU layers;
Dropout2d dropout layers; MaxPool2d max pooling layers; Linear fully connected layers;
AdaptiveAvgPool2d global average pooling layers"""
FOUR = "last four epochs over 99.40 %"
CORRECT = [9_100, 9_939, 9_940, 9_941, 9_960, 9_941, 9_945]
SCRIPT = [(0.9 / i, 1 - 0.1 / i, 0.31 / i, n, 7.0 + i) for i, n in enumerate(CORRECT, 1)]


@pytest.fixture
def judge(notebook, names, capsys):
    """A function that checks what a made-up run misses and returns the gate's lines."""

    def judge(*missed, correct=CORRECT, loaded=None, labels=10_000, model=None):
        names.update(test_correct=tuple(correct), history=[None] * len(correct))
        names.update(test_labels=range(labels), trained_model=model or names["Net"]())
        names["loaded_correct"] = loaded or correct[-1]
        error = pytest.raises(AssertionError, match=f"^Not met: {', '.join(missed)}$")
        with error if missed else nullcontext():
            cells.run(notebook, names, "check", "gate")
        return capsys.readouterr().out.splitlines()

    return judge


def test_a_run_that_meets_everything_passes_and_the_table_shows_what_was_measured(judge):
    expected = [f"{row} met".split() for row in TABLE.split(";")]
    assert [line.split() for line in judge()] == expected


def test_9940_correct_pass_at_the_end_and_9941_in_each_of_the_last_four_epochs(judge):
    judge(loaded=9_940)
    table = judge("correct, last epoch", loaded=9_939)
    assert [line[:19] for line in table if "NOT MET" in line] == ["correct, last epoch"]
    judge("correct, last epoch", FOUR, correct=[9_960] * 18 + [9_930])  # not the best counts
    for epoch in range(7):
        correct = [9_941] * 7
        correct[epoch] = 9_940
        judge(*[FOUR] * (epoch > 2), correct=correct, loaded=9_945)
    judge(FOUR, correct=[9_950] * 3)


def test_epochs_images_parameters_channels_and_a_dropout_of_nothing_count(judge, names):
    judge(correct=[9_950] * 19)
    judge("epochs", correct=[9_950] * 20)
    judge("test images", labels=9_999)
    judge("test images", labels=10_001)
    model = names["Net"]()
    model[0].extra = nn.Parameter(torch.zeros(19_999 - 15_938))
    model[0].frozen = nn.Parameter(torch.zeros(9_000), requires_grad=False)
    judge(model=model)
    model[0].last = nn.Parameter(torch.zeros(1))
    judge("trainable parameters", model=model)
    model[13].out_channels, model[3].p = 33, 0.0
    rows = ["trainable parameters", "channels of the first four", "dropout layers"]
    judge(*rows, model=model)


@pytest.mark.parametrize("part", PARTS.split(";"))
def test_one_part_more_or_less_is_noticed(judge, names, part):
    (kind, row), model = part.split(maxsplit=1), names["Net"]()
    layer = [each for each in model if type(each).__name__ == kind][-1]
    layer.second = copy.deepcopy(layer).requires_grad_(False)
    judge(row, model=model)
    layer.__class__ = layer.second.__class__ = nn.Identity
    judge(row, model=model)


@pytest.fixture
def reported(perform):
    """The names after the scripted training; `given` is what was evaluated since."""
    names = perform(SCRIPT)
    names["evaluate"] = lambda *given: names.update(given=given) or SCRIPT[-1][2:4]
    return names


def test_the_file_repeats_loss_and_count_of_the_last_epoch(notebook, reported, capsys):
    cells.run(notebook, reported, "reload")
    assert capsys.readouterr().out == "mnist-seed-0.pt: loss 0.0443, 9945 correct\n"
    model, saved = reported["trained_model"], reported["averaged_model"].state_dict()
    assert reported["given"] == (model, reported["test_images"], reported["test_labels"])
    assert model is not reported["averaged_model"]
    assert all(torch.equal(tensor, saved[key]) for key, tensor in model.state_dict().items())
    assert (reported["loaded_loss"], reported["loaded_correct"]) == SCRIPT[-1][2:4]
    for changed in ((0.044, 9_945), (SCRIPT[-1][2], 9_944), SCRIPT[0][2:4]):
        reported["history"][-1] = (*SCRIPT[-1][:2], *changed, 1.0)
        with pytest.raises(AssertionError, match="is of another run[.]"):
            cells.run(notebook, reported, "reload")
    torch.save({"weight": print}, "mnist-seed-0.pt")  # code must not come with weights
    with pytest.raises(Exception, match="[Ww]eights.only"):
        cells.run(notebook, reported, "reload")
    reported["history"].clear()
    with pytest.raises(AssertionError, match="No epoch was .*: run the training cell again[.]"):
        cells.run(notebook, reported, "reload")


def test_curves_and_times_are_the_script_s(notebook, reported, shown, capsys):
    cells.run(notebook, reported, "reload", "curves", "time")
    assert capsys.readouterr().out.endswith(
        " correct\nTest accuracy, last epoch: 99.45 %\n99.40 % first reached in epoch: 3\n"
        "Training: 77 s, 11.0 s per epoch\n"
    )
    train_loss, train_accuracy, test_loss, correct, _ = zip(*SCRIPT)
    train_error = [100 - 100 * each for each in train_accuracy]
    test_error = [100 - each / 100 for each in correct]
    for axis, values in zip(shown[0].axes, [(train_loss, test_loss), (train_error, test_error)]):
        lines = {line.get_label(): line for line in axis.lines}
        assert {text.get_text() for text in axis.get_legend().get_texts()} == set(lines)
        assert (axis.get_yscale(), axis.get_xlabel()) == ("log", "epoch") and axis.get_ylabel()
        for label, expected in zip(("training", "test"), values):
            assert [*lines[label].get_xdata()] == [1, 2, 3, 4, 5, 6, 7]
            assert [*lines.pop(label).get_ydata()] == pytest.approx(expected)
        for place, label in zip(axis.get_yticks(), axis.get_yticklabels()):
            value = 100 - place if axis.yaxis_inverted() else place
            assert float(label.get_text()) == pytest.approx(value)
    assert axis.yaxis_inverted() and [*lines["99.40 %, required"].get_ydata()] == [0.6, 0.6]
    reported["test_correct"] = (9_939,)
    cells.run(notebook, reported, "time")
    assert "first reached in epoch: None\n" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [21, 130])
def test_every_mistake_is_shown_and_counted(notebook, names, shown, capsys, wrong):
    """The first `wrong` of 150 made-up images are taken for another digit."""
    labels, images = torch.randint(10, (150,)), torch.rand(150, 1, 28, 28)
    answers = (labels + (torch.arange(150) < wrong) * torch.randint(1, 10, (150,))) % 10
    logits = (3 + torch.arange(150) / 50)[:, None] * nn.functional.one_hot(answers, 10)
    names["predict"] = lambda *given: names.update(given=given) or logits.log_softmax(1)
    names |= {"test_images": images, "test_labels": labels, "train_images": images}
    names["trained_model"] = "network"
    cells.run(notebook, names, "mistakes", "confusions")
    assert names["given"] == ("network", images)
    assert capsys.readouterr().out == f"{wrong} mistakes among 150 test images\n"
    pictures = [axis for axis in shown[0].axes if axis.images]
    assert len(pictures) == min(wrong, 100) and len(shown[0].axes) < len(pictures) + 10
    for i, axis in enumerate(pictures):
        assert torch.equal(torch.tensor(axis.images[0].get_array()), images[i, 0])
        assert axis.get_title() == f"{labels[i]} → {answers[i]}  {logits[i].softmax(0).max():.0%}"
    (axis,) = shown[1].axes
    pairs = list(zip(labels[:wrong].tolist(), answers[:wrong].tolist()))
    expected = torch.tensor([[pairs.count((a, b)) for b in range(10)] for a in range(10)])
    assert torch.equal(torch.tensor(axis.images[0].get_array()), expected)
    found = {(*each.get_position(), int(each.get_text())) for each in axis.texts}
    assert found == {(b, a, int(expected[a, b])) for a, b in expected.nonzero().tolist()}
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted digit", "label")
