"""Read the notebook and run its own cells: tests, study and benchmark hold no copy of them."""

import hashlib
import io
import tokenize
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "EVA_Assignment3b.ipynb"
RECORDS = ROOT / "tests" / "records"
# The cells that define what training needs, in order, and do nothing that takes long.
DEFINITIONS = ["install", "imports", "parameters", "files", "ensure-files", "load", "augment"]
DEFINITIONS += ["block", "net", "average", "train-one-epoch", "evaluate"]
# The cells on which the result of a training depends.
TRAINING = ["parameters", *DEFINITIONS[DEFINITIONS.index("load") :], "load-run", "train"]


def read():
    """Return the saved notebook."""
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    """Return the code cells of notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell(notebook, identifier):
    """Return the cell of notebook with this id; raise KeyError where there is none."""
    return {each.id: each for each in notebook.cells}[identifier]


def run(notebook, names, *identifiers):
    """Execute the cells with these ids, in this order, in the namespace names."""
    for identifier in identifiers:
        exec(compile(cell(notebook, identifier).source, f"<cell {identifier}>", "exec"), names)


def definitions(notebook=None, **settings):
    """Execute the cells in DEFINITIONS with these settings; return their namespace."""
    notebook, names = notebook or read(), {"__name__": "notebook"}
    for identifier in DEFINITIONS:
        run(notebook, names, identifier)
        names |= settings if identifier == "parameters" else {}
    return names


def without_comments(source):
    """Return source, a text of Python, without comments and blank lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def fingerprint(notebook, identifiers=None):
    """Return 12 hexadecimal digits of the code, without comments, of these cells or of all."""
    if identifiers is None:
        identifiers = [cell.id for cell in code_cells(notebook)]
    sources = [without_comments(cell(notebook, each).source) for each in identifiers]
    return hashlib.sha256("\n\n".join(sources).encode()).hexdigest()[:12]


def printed(notebook):
    """Return what each code cell printed in the saved run, by the cell's id."""
    return {
        each.id: "".join(part.text for part in each.outputs if part.output_type == "stream")
        for each in code_cells(notebook)
    }
