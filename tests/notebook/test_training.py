"""The training: whole epochs are computed again by hand; what it prints, saves, and how it ends."""

import copy
import functools
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from tests import cells

SETS = ("train_images", "train_labels", "test_images", "test_labels")
TRAINED, TESTED = 100, 1_203  # images: the last batch of each is not a full one


@pytest.fixture
def ready(define, mnist, monkeypatch, tmp_path):
    """A function that returns the namespace before a small training, in an empty folder."""
    monkeypatch.chdir(tmp_path)  # the weights file lands there

    def ready(**settings):
        small = {"EPOCHS": 3, "BATCH_SIZE": 30, "DROPOUT": 0.3, "MOMENTUM": 0.8, "SEED": 7}
        small["LEARNING_RATE"] = 0.1  # so few steps must part the two networks
        names = define(**small | settings)
        counts = (TRAINED, TRAINED, TESTED, TESTED)
        for name, values, count in zip(SETS, mnist, counts, strict=True):
            names[name] = values[:count].clone()
        names["device"] = torch.device("cpu")
        return names

    return ready


def results_by_hand(network, names):
    """Return the loss and the number of right answers on the test images, all at once."""
    network.eval()
    with torch.no_grad():
        output = network(names["test_images"])
    correct = (output.argmax(dim=1) == names["test_labels"]).sum().item()
    return F.nll_loss(output, names["test_labels"]).item(), correct


def average_by_hand(averaged, network, share):
    """Move all that averaged holds a share of the way to what network holds."""
    pairs = zip(averaged.state_dict().values(), network.state_dict().values(), strict=True)
    for average, current in pairs:
        if average.is_floating_point():
            average.copy_((1 - share) * average + share * current)


def train_by_hand(names):
    """Return what the training must measure in each epoch, and the two networks at its end."""
    torch.manual_seed(names["SEED"])
    network = names["Net"]().to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=names["LEARNING_RATE"], momentum=names["MOMENTUM"]
    )
    steps, rows = 0, []
    for _ in range(names["EPOCHS"]):
        network.train()
        losses, right = [], 0
        for batch in torch.randperm(TRAINED).split(names["BATCH_SIZE"]):
            output = network(names["random_affine"](names["train_images"][batch]))
            labels = names["train_labels"][batch]
            of_images = F.nll_loss(output, labels, reduction="none")
            optimizer.zero_grad()
            of_images.mean().backward()
            optimizer.step()
            average_by_hand(averaged, network, 1 / (1 + names["AVERAGE_SHARE"] * steps))
            steps += 1
            losses += of_images.tolist()
            right += (output.argmax(dim=1) == labels).sum().item()
        row = {"train_loss": sum(losses) / TRAINED, "train_accuracy": right / TRAINED}
        row["unaveraged_loss"], row["unaveraged_correct"] = results_by_hand(network, names)
        row["test_loss"], row["test_correct"] = results_by_hand(averaged, names)
        rows.append(row)
    return rows, network, averaged


@pytest.mark.parametrize("average_share", [0.5, 0])
def test_the_training_does_what_is_computed_by_hand(notebook, ready, average_share):
    """With 0, the averaged network is a copy. What was drawn before does not matter."""
    names = ready(AVERAGE_SHARE=average_share)
    expected, network, averaged = train_by_hand(names)
    torch.rand(99)
    cells.run(notebook, names, "train")
    for row, by_hand in zip(names["history"], expected, strict=True):
        assert row.keys() == by_hand.keys() | {"seconds"}
        assert {name: row[name] for name in by_hand} == pytest.approx(by_hand, rel=1e-4)
    pairs = [(names["model"], network), (names["averaged_model"], averaged)]
    for trained, by_hand in pairs:
        torch.testing.assert_close(
            trained.state_dict(), by_hand.state_dict(), rtol=1e-3, atol=1e-4, check_stride=False
        )
    saved = torch.load(names["weights_file"], weights_only=True)
    torch.testing.assert_close(saved, names["averaged_model"].state_dict(), rtol=0, atol=0)


def test_the_seconds_are_those_of_the_training_alone(notebook, ready):
    names = ready(EPOCHS=1)
    clock = {"now": 100.0}

    def taking(seconds, function):
        def slow(*arguments):
            clock["now"] += seconds
            return function(*arguments)

        return slow

    names["train_one_epoch"] = taking(8, names["train_one_epoch"])
    names["evaluate"] = taking(1000, names["evaluate"])
    with patch("time.perf_counter", lambda: clock["now"]):
        cells.run(notebook, names, "train")
    assert names["history"][0]["seconds"] == 8


def test_the_log_is_one_line_of_plain_text_for_each_epoch(notebook, ready, capsys):
    # However slow the machine is, the bar is drawn at its start and at its end alone.
    names = ready(EPOCHS=1, tqdm=functools.partial(tqdm, mininterval=1000))
    cells.run(notebook, names, "train")
    log, errors = capsys.readouterr()
    bar, result = log.splitlines()[-2:]
    assert errors == ""
    assert log.isascii() and log.count("\r") < 5  # not one for each of the batches
    assert "epoch 1: loss=" in bar and "100%|##########| 4/4" in bar
    assert result.startswith("Test set: Average loss: ")


def test_no_accuracy_is_rounded_up(names, capsys):
    names["test_labels"] = range(10_000)
    names["print_result"]({"test_loss": 0.0456, "test_correct": 9_939})
    expected = "Test set: Average loss: 0.0456, Accuracy: 9939/10000 (99.39%)\n"
    assert capsys.readouterr().out == expected


def test_images_are_tested_a_thousand_at_a_time_and_without_gradients(ready):
    names = ready()
    network, sizes = names["Net"](), []
    network.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0])))
    output = names["predict"](network, names["test_images"])
    assert sizes == [1000, 203]
    assert not output.requires_grad


def test_a_loss_that_is_no_number_ends_the_training_with_advice(notebook, ready):
    names = ready()
    names["train_images"][5, 0, 14, 14] = float("inf")
    with pytest.raises(FloatingPointError, match="not finite: lower LEARNING_RATE[.]"):
        cells.run(notebook, names, "train")


def test_an_interruption_keeps_the_finished_epochs_and_their_weights(notebook, ready, capsys):
    names = ready()
    train_one_epoch = names["train_one_epoch"]
    finished = {}

    def interrupted(*arguments):
        _, averaged_model, *_, epoch = arguments
        if epoch == 3:
            finished.update(copy.deepcopy(averaged_model.state_dict()))
        result = train_one_epoch(*arguments)
        if epoch == 3:
            raise KeyboardInterrupt
        return result

    names["train_one_epoch"] = interrupted
    cells.run(notebook, names, "train")
    assert len(names["history"]) == 2
    assert "kept: 2" in capsys.readouterr().out.splitlines()[-1]
    saved = torch.load("mnist-seed-7.pt", weights_only=True)
    torch.testing.assert_close(dict(saved), finished, rtol=0, atol=0)


def test_an_interruption_while_the_weights_are_saved_leaves_the_old_ones(ready, monkeypatch):
    names = ready()
    names["save_weights"](names["Net"]())
    before = names["weights_file"].read_bytes()

    def save_half(weights, file):
        file.write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_half)
    with pytest.raises(KeyboardInterrupt):
        names["save_weights"](names["Net"]())
    assert names["weights_file"].read_bytes() == before


def test_weights_that_cannot_be_saved_are_told_with_what_to_do(ready):
    names = ready()
    names["weights_file"] = Path("no such folder/weights.pt")
    with pytest.raises(RuntimeError, match="weights.pt cannot be written: copy the notebook into"):
        names["save_weights"](names["Net"]())


@pytest.fixture
def next_day(ready):
    """The namespace of a new kernel, where the weights of a network lie in their file."""
    names = ready()
    names["save_weights"](names["Net"]())
    return names


def test_weights_may_come_from_another_device_and_bring_no_code(notebook, next_day):
    with patch.object(torch, "load", wraps=torch.load) as load:
        cells.run(notebook, next_day, "reload")
    assert load.call_args.kwargs == {"map_location": next_day["device"], "weights_only": True}


def first_half(path):
    path.write_bytes(path.read_bytes()[:20_000])


@pytest.mark.parametrize(
    "damage, words",
    [
        (Path.unlink, "There is no"),
        (first_half, "is damaged, or another network's"),
        (
            lambda path: torch.save(nn.Linear(2, 2).state_dict(), path),
            "is damaged, or another network's",
        ),
    ],
    ids=["missing", "half", "of another network"],
)
def test_weights_that_cannot_be_loaded_are_told_with_what_to_do(notebook, next_day, damage, words):
    damage(next_day["weights_file"])
    with pytest.raises(RuntimeError) as error:
        cells.run(notebook, next_day, "reload")
    path = str(next_day["weights_file"].resolve())
    assert path in str(error.value) and words in str(error.value)
    assert "run the training cell with EPOCHS = 1 or more, which writes it" in str(error.value)
    assert len(str(error.value)) < 300 + len(path)


def test_without_a_finished_epoch_the_time_says_what_to_do(notebook, next_day):
    """Even if the weights of an earlier run are there."""
    next_day["history"] = []
    cells.run(notebook, next_day, "reload")
    with pytest.raises(RuntimeError, match="No epoch is finished: run the training cell"):
        cells.run(notebook, next_day, "time")
