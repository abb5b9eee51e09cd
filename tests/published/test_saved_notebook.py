"""The saved notebook: what a reader sees who never runs it, and that it is one run's."""

import re

import nbformat
import pytest

from tests.tools import cells

# A line of the log for each epoch: the test set's right answers and accuracy.
RESULT = r"Test set: Average loss: ([\d.]+), Accuracy: (\d+)/10000 \(([\d.]+)%\)"


@pytest.fixture
def printed(notebook):
    """What each code cell printed, by the cell's id."""
    return cells.printed(notebook)


@pytest.fixture
def outputs(notebook):
    """All outputs of all code cells, in order."""
    return [output for cell in cells.code_cells(notebook) for output in cell.outputs]


def test_its_cells_were_run_once_in_order(notebook):
    counts = [cell.execution_count for cell in cells.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_the_code_that_was_run_is_the_code_that_is_there(notebook):
    present = cells.digests(notebook)
    ran = notebook.metadata["ran"]
    changed = [name for name in present if ran.get(name) != present[name]]
    assert not changed, "Run `python -m tests.tools.renew`, with --cells if these only draw."
    assert notebook.metadata["saved_run"]["code"] == cells.fingerprint(notebook)


def test_nothing_went_wrong_and_nothing_warned(outputs):
    assert outputs
    assert "error" not in {output.output_type for output in outputs}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}


def test_github_shows_it(notebook, outputs):
    nbformat.validate(notebook)
    assert len(nbformat.writes(notebook).encode()) < 1_000_000
    assert "widgets" not in notebook.metadata
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds <= {"text/plain", "image/png"}
    assert not [output for output in outputs if "\r" in output.get("text", "")]


def test_colab_and_jupyter_open_it_without_a_question(notebook):
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "accelerator" not in notebook.metadata


def test_every_picture_has_the_alternative_text_of_its_cell(notebook):
    for cell in cells.code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                text = output.metadata.get("image/png", {}).get("alt", "")
                assert len(text) >= 20, cell.id
                assert text == cell.metadata["alt"]


def test_the_log_has_every_epoch_of_the_settings(names, printed):
    results = re.findall(RESULT, printed["train"])
    assert len(results) == names["EPOCHS"]
    for number, (_, correct, accuracy) in enumerate(results, start=1):
        assert f"epoch {number}: loss=" in printed["train"]
        assert accuracy == f"{int(correct) / 100:.2f}"


def test_all_numbers_are_of_one_run(notebook, names, printed):
    loss, correct, _ = re.findall(RESULT, printed["train"])[-1]
    file = f"mnist-seed-{names['SEED']}.pt"
    assert printed["reload"] == f"{file}: loss {loss}, {correct} correct\n"
    assert f"{int(correct):,} right answers" in printed["gate"]
    mistakes = 10_000 - int(correct)
    assert printed["mistakes"].startswith(f"{mistakes} mistakes among 10,000 test images\n")
    saved = notebook.metadata["saved_run"]
    assert f"Python {saved['python']}, torch {saved['torch']}\n" in printed["device"]


def test_the_gate_met_every_requirement(printed):
    verdicts = {line.split("  ")[0] for line in printed["gate"].splitlines()}
    assert verdicts == {"met"}
