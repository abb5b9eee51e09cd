"""Read the notebook and run its own cells: tests, study and benchmark hold no copy of them."""

import copy
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "EVA_Assignment3b.ipynb"
# Tags of the notebook's cells. A definition only defines names, and takes no time; on what is
# tagged as training, the result of a training depends.
DEFINITION, TRAINING = "definition", "training"


@dataclass(frozen=True)
class Edit:
    """A change to a cell: the text new takes the place of the text old."""

    cell: str  # the cell's id
    old: str  # must be there exactly once
    new: str


def read():
    """Return the saved notebook."""
    with NOTEBOOK.open(encoding="utf-8") as file:
        return nbformat.read(file, as_version=4)


def write(notebook):
    """Save the notebook."""
    replace_file(NOTEBOOK, nbformat.writes(notebook) + "\n")


def replace_file(path, text):
    """Write text into the file at path, whole: a crash leaves the old file."""
    # A name of one's own: another process may write the same file.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)


def code_cells(notebook):
    """Return the code cells of notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell(notebook, identifier):
    """Return the cell of notebook with this id; raise KeyError where there is none."""
    return {each.id: each for each in notebook.cells}[identifier]


def tagged(notebook, tag):
    """Return the ids of the cells with this tag, in order."""
    return [each.id for each in notebook.cells if tag in each.metadata.get("tags", [])]


def printed(notebook, identifier):
    """Return what a cell printed in the saved run."""
    outputs = cell(notebook, identifier).outputs
    return "".join(output.text for output in outputs if output.output_type == "stream")


def edited(notebook, edits):
    """Return a copy of notebook with these edits, made one after the other.

    Raises ValueError where an old text is missing, or is there more than once.
    """
    notebook = copy.deepcopy(notebook)
    for edit in edits:
        target = cell(notebook, edit.cell)
        found = target.source.count(edit.old)
        if found != 1:
            raise ValueError(
                f"The cell {edit.cell} must have this text once, not {found} times: {edit.old!r}"
            )
        target.source = target.source.replace(edit.old, edit.new)
    return notebook


def with_settings(notebook, settings):
    """Return a copy of notebook in whose cell parameters these values stand, by name.

    Raises ValueError where the cell has no such setting.
    """
    notebook = copy.deepcopy(notebook)
    parameters = cell(notebook, "parameters")
    for name, value in settings.items():
        line = re.compile(rf"^{name} = \S+", re.MULTILINE)
        parameters.source, found = line.subn(f"{name} = {value!r}", parameters.source)
        if found != 1:
            raise ValueError(f"The cell parameters must set {name} once, not {found} times.")
    return notebook


def run(notebook, names, *identifiers):
    """Execute the cells with these ids, in this order, in the namespace names."""
    for identifier in identifiers:
        exec(compile(cell(notebook, identifier).source, f"<cell {identifier}>", "exec"), names)


def definitions(notebook, settings=None):
    """Execute all definitions of notebook; return their namespace.

    settings, a dictionary, takes the place of what the cells assign under these names.
    """
    names = {"__name__": "notebook"}
    for identifier in tagged(notebook, DEFINITION):
        run(notebook, names, identifier)
        names.update(settings or {})
    return names


def training_source(notebook):
    """Return the text of all cells on which the result of a training depends."""
    identifiers = tagged(notebook, TRAINING)
    return "\n\n".join(f"# %% {each}\n{cell(notebook, each).source}\n" for each in identifiers)


def training_notebook(source):
    """Return a notebook with the cells of a training source alone."""
    _, *parts = re.split(r"^# %% (.+)\n", source, flags=re.MULTILINE)
    tags = {"tags": [TRAINING]}
    made = []
    for identifier, text in zip(parts[::2], parts[1::2], strict=True):
        made.append(nbformat.v4.new_code_cell(text.rstrip("\n"), id=identifier, metadata=tags))
    return nbformat.v4.new_notebook(cells=made)


def digest(text):
    """Return 12 hexadecimal digits that stand for text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
