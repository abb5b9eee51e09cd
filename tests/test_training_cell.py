"""The cell that trains: what it starts from, what it keeps, and how it ends."""

import cells
import pytest
import torch
from torch import nn

from stand_ins import PARAMETERS, epoch

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


def history(names):
    """Return the finished epochs as dictionaries."""
    return [result._asdict() for result in names["history"]]


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
    assert history(scripted(SCRIPT).train()) == SCRIPT


def test_the_log_tells_of_the_averaged_network_and_rounds_no_accuracy_up(scripted, capsys):
    scripted([FIRST, SECOND]).train()
    assert capsys.readouterr().out == (
        "Epoch 1 of 2\nTest set: Average loss: 0.0456, Accuracy: 9939/10000 (99.39%)\n\n"
        "Epoch 2 of 2\nTest set: Average loss: 0.0789, Accuracy: 9940/10000 (99.40%)\n\n"
    )


def test_the_optimizer_is_sgd_with_rate_and_momentum_as_set_and_nothing_else(scripted):
    training = scripted(SCRIPT, LEARNING_RATE=0.03, MOMENTUM=0.7)
    names = training.train()
    plain = torch.optim.SGD([nn.Parameter()], lr=0.03, momentum=0.7)
    expected = plain.param_groups[0] | {"params": list(names["model"].parameters())}
    assert type(names["optimizer"]) is torch.optim.SGD
    assert training.optimizer_groups == [[expected]] * 3  # the same in each epoch


@pytest.mark.parametrize("finished", [1, 2])
def test_an_interruption_keeps_the_finished_epochs(scripted, capsys, finished):
    script = [FIRST, SECOND][:finished] + [KeyboardInterrupt(), epoch()]
    names = scripted(script).train()
    assert history(names) == [FIRST, SECOND][:finished]
    sentence = f"Interrupted: {finished} finished epochs are kept.\n"
    assert capsys.readouterr().out.endswith(sentence)


@pytest.mark.parametrize("error", [FloatingPointError, RuntimeError, MemoryError])
def test_an_error_is_not_hidden(scripted, error):
    with pytest.raises(error):
        scripted([FIRST, error()]).train()


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_the_averaged_weights_are_saved_after_every_epoch(scripted, finished):
    script = SCRIPT[:finished] + [KeyboardInterrupt()]
    names = scripted(script).train()
    saved = torch.load(names["weights_file"], weights_only=True)
    assert saved["0.weight"].unique() == finished  # the mark of the last finished epoch
    torch.testing.assert_close(saved, names["averaged_model"].state_dict(), atol=0, rtol=0)


def test_a_seed_that_is_set_after_the_settings_gets_a_weights_file_of_its_own(scripted):
    """papermill sets parameters in a cell of its own, below the tagged one."""
    names = scripted([FIRST], SEED=7).train()
    assert names["weights_file"].name == "mnist-seed-7.pt"
    assert names["weights_file"].stat().st_size > 4 * PARAMETERS  # of four bytes each


def test_a_weights_file_that_cannot_be_written_is_noticed_before_the_first_epoch(
    scripted, tmp_path
):
    (tmp_path / "mnist-seed-0.pt").mkdir()  # a folder of that name is in the way
    training = scripted([FIRST])
    with pytest.raises(RuntimeError, match="mnist-seed-0.pt cannot be written"):
        training.train()
    assert training.trained == []


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_test_loss_that_is_no_number_ends_the_training_with_advice(scripted, loss):
    training = scripted([FIRST, epoch(test_loss=loss), epoch()])
    with pytest.raises(FloatingPointError, match="not finite: lower LEARNING_RATE[.]"):
        training.train()
    assert history(training.names) == [FIRST]
    assert torch.load("mnist-seed-0.pt", weights_only=True)["0.weight"].unique() == 1


def test_both_networks_start_from_the_seed_and_from_nothing_else(scripted):
    torch.rand(99)  # what was drawn before does not matter
    names = scripted([KeyboardInterrupt()], SEED=3).train()
    torch.manual_seed(3)
    expected = names["Net"]().state_dict()
    for network in (names["model"], names["averaged_model"]):
        torch.testing.assert_close(network.state_dict(), expected, atol=0, rtol=0)


def test_the_averaged_network_is_a_copy_with_memory_of_its_own(scripted):
    names = scripted([KeyboardInterrupt()]).train()
    pairs = zip(names["model"].parameters(), names["averaged_model"].parameters(), strict=True)
    assert not any(first.data_ptr() == second.data_ptr() for first, second in pairs)


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
    return history(names)[0] | {"seconds": None}


def test_the_same_seed_gives_the_same_numbers_again(train_briefly):
    assert measured(train_briefly(SEED=0)) == measured(train_briefly(SEED=0))


def test_another_seed_gives_other_numbers(train_briefly):
    assert measured(train_briefly(SEED=0)) != measured(train_briefly(SEED=1))


def test_a_learning_rate_far_too_high_ends_the_training_with_advice(train_briefly):
    with pytest.raises(FloatingPointError, match="not finite: lower LEARNING_RATE[.]"):
        train_briefly(LEARNING_RATE=1e4)
