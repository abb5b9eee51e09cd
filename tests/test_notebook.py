"""The saved notebook: what a reader sees who never runs it."""

import ast
import sys

import cells
import nbformat


def outputs(notebook):
    return [output for cell in cells.code_cells(notebook) for output in cell.outputs]


def test_it_is_valid(notebook):
    nbformat.validate(notebook)


def test_every_cell_was_run_once_in_order(notebook):
    counts = [cell.execution_count for cell in cells.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_error_and_nothing_on_stderr(notebook):
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]


def test_no_widgets_no_svg_and_a_small_file(notebook):
    assert "widgets" not in notebook.metadata
    kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
    assert kinds <= {"text/plain", "image/png"}
    assert cells.NOTEBOOK.stat().st_size < 1_000_000


def test_progress_bars_are_folded_into_one_line_per_epoch(notebook):
    texts = [output.text for output in outputs(notebook) if output.output_type == "stream"]
    assert not [text for text in texts if "\r" in text]
    (log,) = (output.text for output in cells.cell(notebook, "train").outputs)
    epochs = cells.definitions()["EPOCHS"]
    assert log.count("100%|##########|") == log.count("Test set: Average loss: ") == epochs


def test_every_figure_has_alternative_text(notebook):
    figures = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert figures
    assert all(figure.metadata["image/png"]["alt"] for figure in figures)


def test_no_path_of_the_machine_is_shown(notebook):
    text = nbformat.writes(notebook)
    assert "/tmp/" not in text and "/home/" not in text and "/root/" not in text


def test_cells_are_short_and_headings_form_an_outline(notebook):
    assert max(len(cell.source.splitlines()) for cell in cells.code_cells(notebook)) <= 30
    headings = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    assert [heading.startswith("# ") for heading in headings] == [True] + [False] * (
        len(headings) - 1
    )


def test_colab_finds_what_it_wants(notebook):
    assert notebook.metadata["accelerator"] == "GPU"
    assert notebook.metadata["colab"]["toc_visible"] is True
    assert notebook.metadata["kernelspec"]["name"] == "python3"


def test_only_the_summary_is_compared_with_its_saved_output(notebook):
    tagged = {cell.id: cell.metadata.get("tags") for cell in cells.code_cells(notebook)}
    assert {key: tags for key, tags in tagged.items() if tags} == {
        "parameters": ["parameters"],
        "summary": ["nbval-check-output"],
    }


def test_every_import_is_in_the_requirements(notebook):
    imported = set()
    for cell in cells.code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    required = {
        line.split("==")[0] for line in (cells.ROOT / "requirements.txt").read_text().splitlines()
    }
    notebook_runtime = {"IPython"}  # what runs a notebook cannot be missing
    assert imported - sys.stdlib_module_names - notebook_runtime <= required


def test_the_definitions_train_nothing(names):
    assert {"load_mnist", "random_affine", "Net", "train_one_epoch", "evaluate"} <= set(names)
    assert "history" not in names and "model" not in names
