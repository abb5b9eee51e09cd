"""The saved notebook: what a reader sees who never runs it, and that it is one run's."""

import math
import re

import cells
import nbformat
import pytest

# One line of the log for each epoch: the test set's loss, right answers and accuracy.
RESULT = r"Test set: Average loss: ([\d.]+), Accuracy: (\d+)/10000 \(([\d.]+)%\)"


@pytest.fixture
def printed(notebook):
    """What each code cell printed, by the cell's id."""
    return cells.printed(notebook)


@pytest.fixture
def outputs(notebook):
    """All outputs of all code cells, in order."""
    return [output for cell in cells.code_cells(notebook) for output in cell.outputs]


@pytest.fixture
def epochs(printed):
    """Loss, right answers and accuracy of each epoch, as texts from the log."""
    return re.findall(RESULT, printed["train"])


def requirements(printed):
    """Return the lines of the gate as lists: name, measurement, limit, source, verdict."""
    return [re.split(r"  +", line) for line in printed["gate"].splitlines()]


def test_it_is_a_valid_notebook(notebook):
    nbformat.validate(notebook)


def test_its_cells_were_run_once_in_order(notebook):
    counts = [cell.execution_count for cell in cells.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_the_code_that_was_run_is_the_code_that_is_there(notebook):
    assert notebook.metadata["saved_run"]["code"] == cells.fingerprint(notebook)


def test_nothing_went_wrong_and_nothing_warned(outputs):
    kinds = {output.output_type for output in outputs}
    streams = {output.name for output in outputs if output.output_type == "stream"}
    assert "error" not in kinds
    assert streams == {"stdout"}


def test_its_outputs_are_plain_text_and_pictures(notebook, outputs):
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds == {"text/plain", "image/png"}
    assert "widgets" not in notebook.metadata  # GitHub would not show the notebook


def test_no_output_overwrites_a_line(outputs):
    assert not [output for output in outputs if "\r" in output.get("text", "")]


def test_it_is_small_enough_for_github(notebook):
    assert len(nbformat.writes(notebook).encode()) < 1_000_000


def test_it_names_no_folder_of_the_machine_that_ran_it(notebook):
    text = nbformat.writes(notebook)
    assert not re.search(r"/(tmp|home|root|work|Users)/|[A-Z]:\\\\", text)


def test_every_picture_has_a_text_for_those_who_cannot_see_it(outputs):
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    texts = [picture.metadata.get("image/png", {}).get("alt", "") for picture in pictures]
    assert pictures
    assert all(len(text) >= 20 for text in texts)


def test_colab_finds_what_it_wants(notebook):
    assert notebook.metadata["accelerator"] == "GPU"
    assert notebook.metadata["colab"]["toc_visible"] is True
    assert notebook.metadata["kernelspec"]["name"] == "python3"


def test_the_log_has_every_epoch_of_the_settings(names, epochs, printed):
    assert len(epochs) == names["EPOCHS"]
    for number in range(1, names["EPOCHS"] + 1):
        assert f"Epoch {number} of {names['EPOCHS']}\n" in printed["train"]


def test_the_log_has_one_full_bar_for_each_epoch(names, printed):
    batches = math.ceil(60_000 / names["BATCH_SIZE"])
    bar = rf"batch_id={batches - 1}: 100%\|#{{10}}\| {batches}/{batches}"
    bars = re.findall(bar, printed["train"])
    assert len(bars) == names["EPOCHS"]
    assert printed["train"].count("batch_id=") == len(bars)


def test_the_accuracies_of_the_log_are_those_of_its_right_answers(epochs):
    for _, correct, accuracy in epochs:
        assert accuracy == f"{int(correct) / 100:.2f}"


def test_the_file_that_was_loaded_is_of_the_same_run(names, epochs, printed):
    loss, correct, _ = epochs[-1]
    file = f"mnist-seed-{names['SEED']}.pt"
    assert printed["reload"] == f"{file}: loss {loss}, {correct} correct\n"


def test_the_gate_met_every_requirement(notebook, printed):
    verdicts = [line[-1] for line in requirements(printed)]
    assert len(verdicts) == cells.cell(notebook, "requirements").source.count(" Requirement(")
    assert len(verdicts) > 0
    assert set(verdicts) == {"met"}


def test_the_gate_measured_the_same_run(epochs, printed):
    measured = {line[0]: line[1] for line in requirements(printed)}
    assert measured["correct in the last epoch"] == f"{int(epochs[-1][1]):,}"
    assert measured["epochs"] == str(len(epochs))
    assert min(int(correct) for _, correct, _ in epochs[-4:]) > 9_940


def test_accuracy_and_first_epoch_below_the_gate_are_of_the_same_run(epochs, printed):
    right_answers = [int(correct) for _, correct, _ in epochs]
    first = next(i for i, correct in enumerate(right_answers, start=1) if correct >= 9_940)
    assert printed["time"].startswith(
        f"Test accuracy, last epoch: {right_answers[-1] / 100:.2f} %\n"
        f"99.40 % first reached in epoch: {first}\n"
    )


def test_the_mistakes_are_of_the_same_run(epochs, printed):
    mistakes = 10_000 - int(epochs[-1][1])
    assert printed["mistakes"].startswith(f"{mistakes} mistakes among 10,000 test images\n")


def test_training_and_test_images_differ_about_as_much_as_by_chance_as_the_text_says(
    notebook, printed
):
    lines = r"averaged network, (?:training|test) images +([\d.]+)  ([\d.]+)%"
    (training_loss, training), (test_loss, test) = re.findall(lines, printed["gap"])
    training, test = float(training) / 100, float(test) / 100
    together = (60_000 * training + 10_000 * test) / 70_000  # if both are samples of one kind
    variance = together * (1 - together) * (1 / 60_000 + 1 / 10_000)
    chance = 1.96 * variance**0.5  # 95 % of such differences are smaller
    text = cells.cell(notebook, "gap-see").source
    assert f"differ by less than {100 * chance:.2f} points in 95 of 100 such samples" in text
    assert 0.5 * chance < training - test < 2 * chance, "Reread the cell gap-see."
    assert float(training_loss) < float(test_loss), "Reread the cell gap-see."


def test_the_machine_and_versions_are_those_that_the_run_printed(notebook, printed):
    saved = notebook.metadata["saved_run"]
    threads = re.search(r"\d+ threads?", printed["device"])[0]
    assert saved["machine"].endswith(f", {threads}")
    assert f"Python {saved['python']}, torch {saved['torch']}\n" in printed["device"]
