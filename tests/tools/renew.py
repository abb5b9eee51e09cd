"""Run the notebook, save its outputs, fill in all generated text and write all pictures.

`--text` runs nothing and renews text and pictures alone; `--record` runs the notebook, leaves it
as it is, and adds a row to records/versions.csv, for the table of versions.
"""

import argparse
import re
import sys

import cells
import figures
import nbclient
import recording
import report
import torch

README = cells.ROOT / "README.md"
TESTS_README = cells.ROOT / "tests" / "README.md"
IMAGES = cells.ROOT / "images"
VERSION_COLUMNS = ["python", "torch", "torchvision", "machine", "code", "accuracy", "loss", "time"]


def execute(notebook):
    """Run every cell in the notebook's folder; keep in it the outputs and what made them."""
    client = nbclient.NotebookClient(
        notebook,
        record_timing=False,
        resources={"metadata": {"path": cells.ROOT}},
        coalesce_streams=True,  # folds a progress bar into its last line
        on_cell_start=lambda cell, cell_index: print(f"Cell {cell_index}: {cell.id}"),
    )
    client.execute()
    here = recording.processor_and_versions()
    parts = [here["processor"]]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    # The cell device says how many threads there are.
    parts.append(re.search(r"\d+ threads?", cells.printed(notebook)["device"])[0])
    notebook.metadata["saved_run"] = {
        "machine": ", ".join(parts),
        "code": cells.fingerprint(notebook),
        "python": here["python"],
        "torch": here["torch"],
        "torchvision": here["torchvision"],
    }


def fill_cells(notebook, cell_type):
    """Make the generated text in all cells of one type anew."""
    for cell in notebook.cells:
        if cell.cell_type == cell_type:
            cell.source = report.fill(cell.source, notebook)


def has_old_code(notebook):
    """Return whether generated code is not what the records say now."""
    sources = [cell.source for cell in cells.code_cells(notebook)]
    return any(report.fill(source, notebook) != source for source in sources)


def fill_file(path, notebook):
    """Make the generated text in a file anew."""
    text = report.fill(path.read_text(encoding="utf-8"), notebook)
    cells.replace_text(path, text)


def renew_text(notebook):
    """Renew what follows from the saved run and the records; return sentences on problems."""
    problems = figures.describe(notebook)
    fill_cells(notebook, "markdown")
    cells.write(notebook)
    fill_file(README, notebook)
    fill_file(TESTS_README, notebook)
    readme = README.read_text(encoding="utf-8")
    return problems + figures.write(notebook, readme, IMAGES)


def main(arguments=None):
    """Do what the command line asks for; return how many problems there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", action="store_true", help="renew text and pictures alone")
    parser.add_argument("--record", action="store_true", help="keep only the run's results")
    options = parser.parse_args(arguments)
    notebook = cells.read()
    if options.record:
        execute(notebook)
        path = recording.FOLDER / "versions.csv"
        recording.append_rows(path, VERSION_COLUMNS, [report.saved_run(notebook)])
        return 0
    problems = []
    if not options.text:
        fill_cells(notebook, "code")  # before it is run: these numbers are part of the code
        execute(notebook)
        cells.write(notebook)  # minutes of work, whatever fails below
    elif has_old_code(notebook):
        problems.append("The notebook's code has old numbers of the study: renew without --text.")
    problems += renew_text(notebook)
    for problem in problems:
        print(problem)
    return len(problems)


if __name__ == "__main__":
    sys.exit(bool(main()))
