"""Make the generated table anew, run the notebook, save its outputs and the README's pictures.

`--without-training` takes weights and history of the saved run instead of training, and leaves
the outputs of the training as they are: for whatever comes after it, such as a picture.
"""

import argparse
import base64
import json
import re
import shutil
import sys

import nbclient
import nbformat

from tests import cells
from tests.study import recording, report

README = cells.ROOT / "README.md"
RECORDS_README = cells.ROOT / "tests" / "study" / "records" / "README.md"
IMAGES = cells.ROOT / "images"
SAVED_RUN = cells.ROOT / "tests" / "saved_run"
WEIGHTS = "mnist-seed-0.pt"  # where the notebook saves the weights of its own seed
OF_THE_TRAINING = ("device", "device-run", "log", "train")  # they tell where and how it went


def fill_everything():
    """Make all that is generated in the notebook, README and the records' README anew."""
    notebook = cells.read()
    for cell in notebook.cells:
        cell.source = report.fill(cell.source)
    cells.write(notebook)
    for path in (README, RECORDS_README):
        cells.replace_file(path, report.fill(path.read_text(encoding="utf-8")))


def execute(notebook):
    """Run every cell in the notebook's folder, outputs land in it; return the history."""
    notebook.cells.append(nbformat.v4.new_code_cell("import json\nprint(json.dumps(history))"))
    client = nbclient.NotebookClient(
        notebook,
        record_timing=False,
        resources={"metadata": {"path": cells.ROOT}},
        coalesce_streams=True,  # folds a progress bar into its last line
        on_cell_start=lambda cell, cell_index: print(f"Cell {cell_index}: {cell.id}"),
    )
    client.execute()
    return json.loads(notebook.cells.pop().outputs[0].text)


def training_digest(notebook):
    """Return the digest of all code on which a training, and what it prints, depends."""
    printing = [cells.cell(notebook, name).source for name in OF_THE_TRAINING]
    return cells.digest("\n\n".join([cells.training_source(notebook), *printing]))


def read_saved_run():
    """Return what is known of the saved run: processor, versions, digests of code, history."""
    return json.loads((SAVED_RUN / "run.json").read_text(encoding="utf-8"))


def write_saved_run(saved_run):
    """Write what is known of the saved run."""
    cells.replace_file(SAVED_RUN / "run.json", json.dumps(saved_run, indent=1) + "\n")


def run_whole(notebook):
    """Run the notebook; keep its weights and history in the place of those before."""
    history = execute(notebook)
    shutil.copy(cells.ROOT / WEIGHTS, SAVED_RUN / WEIGHTS)
    here = recording.processor_and_versions()
    write_saved_run(here | {"training": training_digest(notebook), "history": history})


def run_without_training(notebook):
    """Run all but the training, with weights and history of the saved run.

    Exits where the training, or what it prints, is no longer that of the saved run.
    """
    saved_run = read_saved_run()
    if saved_run["training"] != training_digest(notebook):
        sys.exit("The training was changed since the saved run: renew with the training.")
    weights_file = str(SAVED_RUN / WEIGHTS)
    kept = {name: cells.cell(cells.read(), name) for name in OF_THE_TRAINING}
    train = cells.cell(notebook, "train")
    train.source = f"history = {saved_run['history']}\nweights_file = Path({weights_file!r})"
    execute(notebook)
    for name, cell in kept.items():
        cells.cell(notebook, name).update(source=cell.source, outputs=cell.outputs)


def code(notebook):
    """Return the text of all code cells."""
    return "\n\n".join(cell.source for cell in cells.code_cells(notebook))


def pictures(notebook):
    """Return the output with the picture of each cell that draws one, by the cell's id."""
    found = {}
    for cell in cells.code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                found[cell.id] = output
    return found


def png(output):
    """Return the bytes of the picture in an output."""
    return base64.b64decode(output.data["image/png"])


def shown_in(readme):
    """Return the alternative text of each picture in the text of the README, by its name."""
    found = re.findall(r"!\[([^]]+)\]\(images/([\w-]+)\.png\)", readme)
    return {name: text for text, name in found}


def save(ran):
    """Put the outputs of a notebook that was run into the saved one; save the README's pictures.

    What was edited while it ran stays as it is.
    """
    notebook = cells.read()
    ran_cells = {cell.id: cell for cell in cells.code_cells(ran)}
    for cell in cells.code_cells(notebook):
        if cell.id in ran_cells:
            done = ran_cells[cell.id]
            cell.update(outputs=done.outputs, execution_count=done.execution_count)
    for name, output in pictures(notebook).items():
        # The text stands under the key alt in the metadata of the cell that draws.
        output.metadata["image/png"] = {"alt": cells.cell(notebook, name).metadata["alt"]}
    cells.write(notebook)
    write_saved_run(read_saved_run() | {"code": cells.digest(code(ran))})
    for name in shown_in(README.read_text(encoding="utf-8")):
        (IMAGES / f"{name}.png").write_bytes(png(pictures(notebook)[name]))


def main(arguments=None):
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.renew", description=__doc__)
    parser.add_argument("--without-training", action="store_true", help="see above")
    options = parser.parse_args(arguments)
    fill_everything()
    notebook = cells.read()
    if options.without_training:
        run_without_training(notebook)
    else:
        run_whole(notebook)
    save(notebook)


if __name__ == "__main__":
    main()
