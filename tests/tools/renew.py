"""Run the notebook, save its outputs, fill in all generated text and write all pictures.

`--text` runs nothing and renews text and pictures alone. `--cells NAME ...` renews the outputs
of these cells alone, without a training: the network and its history are the saved run's.
`--record` runs the notebook, leaves it as it is, and adds a row to records/versions.csv.
"""

import argparse
import re
import sys

import nbclient
import nbformat
import torch

from tests.study import recording, report
from tests.tools import cells, figures

README = cells.ROOT / "README.md"
RECORDS = cells.ROOT / "tests" / "study" / "records" / "README.md"
IMAGES = cells.ROOT / "images"
VERSION_COLUMNS = ["python", "torch", "torchvision", "machine", "code", "accuracy", "loss", "time"]


def execute(notebook):
    """Run every cell in the notebook's folder; the outputs land in notebook."""
    client = nbclient.NotebookClient(
        notebook,
        record_timing=False,
        resources={"metadata": {"path": cells.ROOT}},
        coalesce_streams=True,  # folds a progress bar into its last line
        on_cell_start=lambda cell, cell_index: print(f"Cell {cell_index}: {cell.id}"),
    )
    client.execute()


def run_whole(notebook):
    """Run the notebook; keep in it what made its outputs, and the history of the training."""
    notebook.cells.append(nbformat.v4.new_code_cell("print(history)"))
    execute(notebook)
    notebook.metadata["history"] = notebook.cells.pop().outputs[0].text.strip()
    here = recording.processor_and_versions()
    machine = [here["processor"]]
    if torch.cuda.is_available():
        machine.append(torch.cuda.get_device_name())
    # The cell device says how many threads there are.
    machine.append(re.search(r"\d+ threads?", cells.printed(notebook)["device"])[0])
    notebook.metadata["saved_run"] = {
        "machine": ", ".join(machine),
        "code": cells.fingerprint(notebook),
        "python": here["python"],
        "torch": here["torch"],
        "torchvision": here["torchvision"],
    }


def run_without_training(notebook):
    """Run every cell but the training, whose history is that of the saved run.

    Exits where the saved weights are not those of the saved run.
    """
    if "history" not in notebook.metadata:
        sys.exit("The notebook has no saved run: renew it without --cells.")
    saved = cells.printed(notebook)["reload"]
    cells.cell(notebook, "train").source = f"history = {notebook.metadata['history']}"
    execute(notebook)
    if cells.printed(notebook)["reload"] != saved:
        sys.exit("The saved weights are not those of the saved run: renew without --cells.")


def sources(notebook):
    """Return the text of each code cell, by its id."""
    return {cell.id: cell.source for cell in cells.code_cells(notebook)}


def fill_cells(notebook, cell_type):
    """Make the generated text in all cells of one type anew."""
    for cell in notebook.cells:
        if cell.cell_type == cell_type:
            cell.source = report.fill(cell.source, notebook)


def save_outputs(run, code, names):
    """Put the outputs of run, of the cells with these names, into the notebook; return it.

    Its texts may have been changed while it ran. Exits where its code is no longer code.
    """
    notebook = cells.read()
    fill_cells(notebook, "code")
    if sources(notebook) != code:
        sys.exit("The notebook's code was changed while it ran: nothing is saved, run it again.")
    ran = notebook.metadata.get("ran", {})  # the code that made each cell's outputs
    notebook.metadata.update(run.metadata)
    notebook.metadata["ran"] = cells.digests(notebook)
    for name in code:
        cells.cell(notebook, name).execution_count = cells.cell(run, name).execution_count
        if name in names:
            cells.cell(notebook, name).outputs = cells.cell(run, name).outputs
        else:
            notebook.metadata["ran"][name] = ran.get(name)
    cells.write(notebook)
    return notebook


def renew_text(notebook):
    """Renew what follows from the saved run and the records; return sentences on problems."""
    problems = figures.describe(notebook)
    fill_cells(notebook, "markdown")
    texts = {}
    for path in (README, RECORDS):
        texts[path] = report.fill(path.read_text(encoding="utf-8"), notebook)
    cells.write(notebook)  # only now: whatever could fail has not
    for path, text in texts.items():
        cells.replace_text(path, text)
    return problems + figures.write(notebook, texts[README], IMAGES)


def parse(arguments, names):
    """Return the options of the command line; names are those of the notebook's code cells."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.renew", description=__doc__)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--text", action="store_true", help="renew text and pictures alone")
    ways.add_argument("--cells", nargs="+", choices=names, metavar="NAME", help="without training")
    ways.add_argument("--record", action="store_true", help="keep only the run's results")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Do what the command line asks for; return how many problems there were."""
    notebook = cells.read()
    code = sources(notebook)
    options = parse(arguments, [name for name in code if name != "train"])
    problems = []
    if options.text:
        if any(report.fill(text, notebook) != text for text in code.values()):
            problems.append("The code has old numbers of the study: renew with --cells.")
    else:
        fill_cells(notebook, "code")  # before it is run: the study's numbers are part of it
        code = sources(notebook)
        if options.cells:
            run_without_training(notebook)
        else:
            run_whole(notebook)
        if options.record:
            path = recording.FOLDER / "versions.csv"
            recording.append_rows(path, VERSION_COLUMNS, [report.saved_run(notebook)])
            return 0
        notebook = save_outputs(notebook, code, options.cells or code)
    problems += renew_text(notebook)
    for problem in problems:
        print(problem)
    return len(problems)


if __name__ == "__main__":
    sys.exit(bool(main()))
