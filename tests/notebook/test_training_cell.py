"""The cells that train and load: what they start from, keep, save, and how they end."""

from unittest.mock import Mock, patch

import pytest
import torch
from torch import nn

from tests.notebook.stand_ins import epoch
from tests.tools import cells

FIRST = epoch(train_loss=0.5, test_loss=0.0456, test_correct=9_939, seconds=8.0)
SECOND = epoch(train_loss=0.2, test_loss=0.0789, test_correct=9_940, seconds=9.5)
WORSE = epoch(  # than SECOND, in every respect: nothing in a run may depend on it
    train_loss=0.3,
    train_accuracy=0.7,
    unaveraged_loss=0.2,
    unaveraged_correct=9_700,
    test_loss=0.1,
    test_correct=9_930,
    seconds=9.0,
)
SCRIPT = [FIRST, SECOND, WORSE]


def saved_epoch(names):
    """Return the number of the epoch whose averaged network is in the weights file."""
    saved = torch.load(names["weights_file"], weights_only=True)
    (mark,) = saved["0.weight"].unique().tolist()
    return mark


def test_each_epoch_trains_on_the_training_set_and_tests_both_networks_on_the_test_set(scripted):
    training = scripted([FIRST, SECOND])
    names = training.train()
    model, averaged = names["model"], names["averaged_model"]
    train_set = names["train_images"], names["train_labels"]
    test_set = names["test_images"], names["test_labels"]
    expected = [(model, averaged, *train_set, names["optimizer"], number) for number in (1, 2)]
    assert training.trained == expected
    assert training.evaluated == [(model, *test_set), (averaged, *test_set)] * 2


def test_every_measurement_is_kept_under_its_name(scripted):
    """The clock of the stand-in shows that the time of the tests is not counted."""
    assert scripted(SCRIPT).train()["history"] == SCRIPT


def test_the_log_tells_of_the_averaged_network_and_rounds_no_accuracy_up(scripted, capsys):
    scripted([FIRST, SECOND]).train()
    assert capsys.readouterr().out == (
        "Test set: Average loss: 0.0456, Accuracy: 9939/10000 (99.39%)\n"
        "Test set: Average loss: 0.0789, Accuracy: 9940/10000 (99.40%)\n"
    )


def test_the_optimizer_is_sgd_with_rate_and_momentum_as_set_and_nothing_else(scripted):
    training = scripted(SCRIPT, LEARNING_RATE=0.03, MOMENTUM=0.7)
    names = training.train()
    plain = torch.optim.SGD([nn.Parameter()], lr=0.03, momentum=0.7)
    expected = plain.param_groups[0] | {"params": list(names["model"].parameters())}
    assert type(names["optimizer"]) is torch.optim.SGD
    assert training.optimizer_groups == [[expected]] * 3  # the same in each epoch


def test_both_networks_start_from_the_seed_alone_and_share_no_memory(scripted):
    torch.rand(99)  # what was drawn before does not matter
    names = scripted([KeyboardInterrupt()], SEED=3).train()
    model, averaged = names["model"], names["averaged_model"]
    torch.manual_seed(3)
    expected = names["Net"]().state_dict()
    torch.testing.assert_close(model.state_dict(), expected, atol=0, rtol=0)
    torch.testing.assert_close(averaged.state_dict(), expected, atol=0, rtol=0)
    pairs = zip(model.parameters(), averaged.parameters(), strict=True)
    assert not any(first.data_ptr() == second.data_ptr() for first, second in pairs)


@pytest.mark.parametrize("finished", [1, 2])
def test_an_interruption_keeps_the_finished_epochs_and_their_weights(scripted, capsys, finished):
    script = SCRIPT[:finished] + [KeyboardInterrupt(), epoch()]
    names = scripted(script, SEED=7).train()
    assert names["history"] == SCRIPT[:finished]
    assert f"kept: {finished}" in capsys.readouterr().out.splitlines()[-1]
    assert str(names["weights_file"]) == "mnist-seed-7.pt"
    assert saved_epoch(names) == finished


def test_an_interruption_of_the_first_epoch_leaves_the_weights_of_an_earlier_run(scripted):
    scripted([FIRST, SECOND]).train()
    names = scripted([KeyboardInterrupt()]).train()
    assert names["history"] == []
    assert saved_epoch(names) == 2


def test_an_interruption_while_the_weights_are_saved_leaves_the_old_ones(scripted, monkeypatch):
    names = scripted([FIRST]).train()

    def save_half(weights, file):
        file.write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_half)
    again = scripted([SECOND]).train()
    assert again["history"] == []
    assert saved_epoch(names) == 1


def test_an_error_is_not_hidden(scripted):
    with pytest.raises(RuntimeError):
        scripted([FIRST, RuntimeError()]).train()


@pytest.fixture
def train_briefly(notebook, define, mnist, monkeypatch, tmp_path):
    """A function that really trains for one epoch on 256 images; it returns the namespace."""
    monkeypatch.chdir(tmp_path)

    def train_briefly(**settings):
        names = define(EPOCHS=1, **settings)
        names["device"] = torch.device("cpu")
        loaded = ("train_images", "train_labels", "test_images", "test_labels")
        for name, values in zip(loaded, mnist, strict=True):
            names[name] = values[:256]
        cells.run(notebook, names, "train")
        return names

    return train_briefly


def measured(names):
    """Return what the only epoch measured, but for the time that it took."""
    (row,) = names["history"]
    return row | {"seconds": None}


def test_the_same_seed_gives_the_same_numbers_again_and_another_seed_others(train_briefly):
    first = measured(train_briefly(SEED=0))
    assert measured(train_briefly(SEED=0)) == first
    assert measured(train_briefly(SEED=1)) != first


def test_a_learning_rate_far_too_high_ends_the_training_with_advice(train_briefly):
    with pytest.raises(FloatingPointError, match="lower LEARNING_RATE"):
        train_briefly(LEARNING_RATE=1e6, BATCH_SIZE=16)


@pytest.fixture
def next_day(scripted, define):
    """The namespace of a new kernel, where a network trained earlier lies in its file."""
    trained = scripted([FIRST, SECOND]).train()
    names = define()
    names["device"] = torch.device("cpu")
    names["test_images"], names["test_labels"] = trained["test_images"], trained["test_labels"]
    names["evaluate"] = Mock(return_value=(0.0789, 9_940))
    return names


def test_the_next_day_the_saved_network_is_loaded_and_evaluated(notebook, next_day, capsys):
    capsys.readouterr()  # what the training printed
    cells.run(notebook, next_day, "reload")
    loaded = next_day["trained_model"]
    saved = torch.load("mnist-seed-0.pt", weights_only=True)
    torch.testing.assert_close(loaded.state_dict(), saved, atol=0, rtol=0)
    next_day["evaluate"].assert_called_once_with(
        loaded, next_day["test_images"], next_day["test_labels"]
    )
    assert (next_day["loaded_loss"], next_day["loaded_correct"]) == (0.0789, 9_940)
    assert capsys.readouterr().out == "mnist-seed-0.pt: loss 0.0789, 9940 correct\n"


def test_the_file_may_come_from_another_device_but_brings_no_code(notebook, next_day):
    with patch.object(torch, "load", wraps=torch.load) as load:
        cells.run(notebook, next_day, "reload")
    assert load.call_args.kwargs == {"map_location": next_day["device"], "weights_only": True}


def test_without_saved_weights_the_reload_says_what_to_do(notebook, names, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="No epoch was finished: set EPOCHS to 1 or more"):
        cells.run(notebook, names, "reload")


def test_without_an_epoch_but_with_weights_of_an_earlier_run_the_time_says_what_to_do(
    notebook, next_day
):
    next_day["history"] = []
    cells.run(notebook, next_day, "reload")
    with pytest.raises(RuntimeError, match="No epoch was finished: set EPOCHS to 1 or more"):
        cells.run(notebook, next_day, "time")
