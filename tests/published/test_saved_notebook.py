"""The saved notebook: what a reader sees who never runs it, and that it is one run's."""

import json
import re

import nbformat
import pytest
import torch

from tests import cells, renew
from tests.study import recording, report

# A line of the log for each epoch: the test set's right answers and accuracy.
RESULT = r"Test set: Average loss: ([\d.]+), Accuracy: (\d+)/10000 \(([\d.]+)%\)"
RENEW = (
    "The outputs are not the saved run's, as after a run in Jupyter. `git checkout "
    f"{cells.NOTEBOOK.name}` brings them back, `python -m tests.renew` makes new ones."
)


@pytest.fixture
def saved_run():
    return renew.read_saved_run()


@pytest.fixture
def outputs(notebook):
    """All outputs of all code cells, in order."""
    return [output for cell in cells.code_cells(notebook) for output in cell.outputs]


def test_its_cells_were_run_once_in_order(notebook):
    counts = [cell.execution_count for cell in cells.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), RENEW


def test_the_code_that_was_run_is_the_code_that_is_there(notebook, saved_run):
    assert saved_run["training"] == renew.training_digest(notebook), (
        "The training was changed: run `python -m tests.renew`."
    )
    assert saved_run.get("code") == cells.digest(renew.code(notebook)), (
        "Code was changed: run `python -m tests.renew --without-training`."
    )


def test_the_saved_run_was_made_with_the_pinned_versions(saved_run):
    for package in ("torch", "torchvision"):
        assert recording.version(saved_run[package]) == report.pinned(package)


def test_nothing_went_wrong_and_nothing_warned(outputs):
    assert outputs
    assert "error" not in {output.output_type for output in outputs}, RENEW
    streams = {output.name for output in outputs if output.output_type == "stream"}
    assert streams == {"stdout"}, RENEW


def test_github_shows_it(notebook, outputs):
    nbformat.validate(notebook)
    assert len(nbformat.writes(notebook).encode()) < 1_000_000
    assert "widgets" not in notebook.metadata
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds <= {"text/plain", "image/png"}, RENEW
    assert not [output for output in outputs if "\r" in output.get("text", "")], RENEW


def test_it_names_no_folder_of_the_machine_that_ran_it(outputs):
    assert not re.search(r"[/\\](home|root|Users|tmp|work)[/\\]", json.dumps(outputs))


def test_colab_and_jupyter_open_it_without_a_question(notebook):
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "accelerator" not in notebook.metadata


def test_every_picture_has_the_alternative_text_of_its_cell(notebook):
    pictures = renew.pictures(notebook)
    assert pictures, RENEW
    for name, output in pictures.items():
        text = output.metadata.get("image/png", {}).get("alt", "")
        assert text == cells.cell(notebook, name).metadata["alt"], RENEW
        assert len(text) >= 20


def test_the_log_has_every_epoch_of_the_saved_run(notebook, names, saved_run):
    results = re.findall(RESULT, cells.printed(notebook, "train"))
    assert len(results) == names["EPOCHS"]
    for (loss, correct, accuracy), row in zip(results, saved_run["history"], strict=True):
        assert (loss, int(correct)) == (f"{row['test_loss']:.4f}", row["test_correct"])
        assert accuracy == f"{int(correct) / 100:.2f}"


def test_all_numbers_are_of_one_run(notebook, names, saved_run):
    last = saved_run["history"][-1]
    file = f"mnist-seed-{names['SEED']}.pt"
    expected = f"{file}: loss {last['test_loss']:.4f}, {last['test_correct']} right answers\n"
    assert cells.printed(notebook, "reload") == expected
    mistakes = 10_000 - last["test_correct"]
    expected = f"{mistakes} mistakes among 10,000 test images\n"
    assert cells.printed(notebook, "mistakes") == expected
    expected = f"Python {saved_run['python']}, torch {saved_run['torch']}\n"
    assert expected in cells.printed(notebook, "device-run")


def test_the_saved_weights_are_those_of_the_saved_run(names, mnist, saved_run):
    """On another processor than the saved run's, the last digits may differ."""
    network = names["Net"]()
    file = renew.SAVED_RUN / f"mnist-seed-{names['SEED']}.pt"
    network.load_state_dict(torch.load(file, weights_only=True))
    loss, correct = names["evaluate"](network, *mnist[2:])
    last = saved_run["history"][-1]
    assert correct == pytest.approx(last["test_correct"], abs=1)
    assert loss == pytest.approx(last["test_loss"], rel=1e-3)


def test_the_gate_met_every_requirement(notebook):
    assert cells.printed(notebook, "gate").endswith(" requirements are met.\n")
