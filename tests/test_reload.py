"""The saved file is loaded again: it must be this run's, and everything later looks at it."""

from unittest.mock import Mock, patch

import cells
import pytest
import torch

from stand_ins import epoch

LAST = epoch(test_loss=0.0443, test_correct=9_945)


@pytest.fixture
def trained(scripted):
    """The namespace after a scripted training of three epochs."""
    return scripted([epoch(), epoch(), LAST]).train()


def reload(notebook, names, loss=LAST["test_loss"], correct=LAST["test_correct"]):
    """Run the cell; loss and correct are what the evaluation of the loaded network finds."""
    names["evaluate"] = Mock(return_value=(loss, correct))
    cells.run(notebook, names, "reload")


def test_a_new_network_gets_the_saved_weights(notebook, trained):
    reload(notebook, trained)
    loaded, averaged = trained["trained_model"], trained["averaged_model"]
    torch.testing.assert_close(loaded.state_dict(), averaged.state_dict(), atol=0, rtol=0)
    assert loaded is not averaged
    assert type(loaded) is trained["Net"]


def test_it_is_evaluated_on_the_test_set(notebook, trained):
    reload(notebook, trained)
    trained["evaluate"].assert_called_once_with(
        trained["trained_model"], trained["test_images"], trained["test_labels"]
    )


def test_what_it_measures_is_kept_and_printed(notebook, trained, capsys):
    capsys.readouterr()  # what the training printed
    reload(notebook, trained, correct=9_944)
    assert (trained["loaded_loss"], trained["loaded_correct"]) == (0.0443, 9_944)
    assert capsys.readouterr().out == "mnist-seed-0.pt: loss 0.0443, 9944 correct\n"


@pytest.mark.parametrize(
    "loss_factor, more_correct", [(1, 0), (1.00009, 0), (0.99991, 0), (1, 1), (1, -1)]
)
def test_rounding_on_a_graphics_processor_is_forgiven(notebook, trained, loss_factor, more_correct):
    reload(notebook, trained, 0.0443 * loss_factor, 9_945 + more_correct)
    assert trained["loaded_correct"] == 9_945 + more_correct


@pytest.mark.parametrize(
    "loss_factor, more_correct", [(1.0002, 0), (0.9998, 0), (1, 2), (1, -2), (2, 10)]
)
def test_the_file_of_another_run_is_refused(notebook, trained, loss_factor, more_correct):
    with pytest.raises(RuntimeError, match="of another run: run the training cell again[.]"):
        reload(notebook, trained, 0.0443 * loss_factor, 9_945 + more_correct)


def test_an_earlier_epoch_of_the_same_run_is_refused(notebook, trained):
    with pytest.raises(RuntimeError, match="of another run"):
        reload(notebook, trained, epoch()["test_loss"], epoch()["test_correct"])


def test_without_a_finished_epoch_the_cell_says_what_to_do(notebook, scripted):
    names = scripted([KeyboardInterrupt()]).train()
    with pytest.raises(RuntimeError, match="No epoch was finished: run the training cell again"):
        reload(notebook, names)


def test_a_file_may_bring_numbers_but_no_code(notebook, trained):
    torch.save({"weight": print}, trained["weights_file"])
    with pytest.raises(Exception, match="[Ww]eights.only"):
        reload(notebook, trained)


def test_weights_are_loaded_to_the_device_that_is_there(notebook, trained):
    """A file that was saved with a graphics processor can be read without one."""
    with patch.object(torch, "load", wraps=torch.load) as load:
        reload(notebook, trained)
    assert load.call_args.kwargs["map_location"] == trained["device"]
