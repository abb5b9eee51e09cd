"""The saved notebook: what a reader sees who never runs it, and that it is one run's."""

import re

import cells
import nbformat


def test_its_code_was_run_once_in_order_without_errors(notebook):
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in cells.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert notebook.metadata["saved_run"]["code"] == cells.fingerprint(notebook)


def test_its_outputs_are_small_and_static(notebook):
    text = nbformat.writes(notebook)
    assert len(text.encode()) < 1_000_000 and "widgets" not in notebook.metadata
    assert not re.search(r"/(tmp|home|root|work|Users)/|[A-Z]:\\\\", text)  # a machine's paths
    outputs = [output for cell in cells.code_cells(notebook) for output in cell.outputs]
    assert not {"error", "stderr"} & {each.get("name", each.output_type) for each in outputs}
    assert "\r" not in "".join(each.get("text", "") for each in outputs)
    kinds = {kind for each in outputs for kind in each.get("data", {})}
    assert kinds == {"text/plain", "image/png"}


def test_log_weights_gate_times_and_mistakes_tell_of_one_run(notebook, names):
    printed = cells.printed(notebook)
    log = printed["train"]
    correct = [int(number) for number in re.findall(r"Accuracy: (\d+)/10000", log)]
    losses, last = re.findall(r"Average loss: ([\d.]+)", log), correct[-1]
    assert re.findall(r"\(([\d.]+)%\)", log) == [f"{each / 100:.2f}" for each in correct]
    assert len(correct) == len(losses) == names["EPOCHS"] and min(correct[-4:]) > 9_940
    bars = re.findall(r"batch_id=468: 100%\|#{10}\| 469/469", log)
    assert len(bars) == log.count("batch_id=") == len(correct)
    assert printed["reload"] == f"{names['WEIGHTS_FILE']}: loss {losses[-1]}, {last} correct\n"
    rows = [re.split(r"  +", line) for line in printed["gate"].splitlines()]
    assert len(rows) == 13 and all(re.search(r"(?<!NOT )met$", row[-1]) for row in rows)
    measured = {row[0]: row[1] for row in rows}
    assert measured["correct, last epoch"] == str(last)
    assert measured["epochs"] == str(len(correct))
    first = next(epoch for epoch, each in enumerate(correct, 1) if each >= 9_940)
    accuracy = f"Test accuracy, last epoch: {last / 100:.2f} %\n"
    assert printed["time"].startswith(f"{accuracy}99.40 % first reached in epoch: {first}\n")
    assert printed["mistakes"] == f"{10_000 - last} mistakes among 10,000 test images\n"


def test_it_is_short_and_colab_finds_what_it_wants(notebook):
    sources = [cell.source.splitlines() for cell in cells.code_cells(notebook)]
    lines = [line for source in sources for line in source if line.strip()]
    assert max(map(len, sources)) <= 25
    assert max(map(len, lines)) <= 90 and len(lines) <= 320
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(" ".join(texts).split()) <= 1_600
    metadata = notebook.metadata
    assert metadata["accelerator"] == "GPU" and metadata["colab"]["toc_visible"] is True
    assert metadata["kernelspec"]["name"] == "python3"
