"""Read the notebook and run its own cells: tests, study and benchmark hold no copy of them."""

import ast
import copy
import hashlib
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "EVA_Assignment3b.ipynb"

# The cells that define what training needs, in order, and do nothing that takes long.
DEFINITIONS = [
    "install",
    "imports",
    "parameters",
    "files",
    "download",
    "ensure-files",
    "load",
    "augment",
    "block",
    "net",
    "average",
    "epoch-result",
    "train-one-epoch",
    "evaluate",
    "weights-file",
]
# Of these, the cells that can change no result of a training.
WITHOUT_INFLUENCE = ["install", "imports", "files", "download", "ensure-files", "weights-file"]
# The cells on which the result of a training depends.
TRAINING = [name for name in DEFINITIONS if name not in WITHOUT_INFLUENCE]
TRAINING += ["load-run", "train"]


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


def replace_text(path, text):
    """Write text into the file at path, whole: a crash leaves the old file."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def write(notebook):
    """Save the notebook."""
    replace_text(NOTEBOOK, nbformat.writes(notebook) + "\n")


def code_cells(notebook):
    """Return the code cells of notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell(notebook, identifier):
    """Return the cell of notebook with this id; raise KeyError where there is none."""
    return {each.id: each for each in notebook.cells}[identifier]


def edited(notebook, edits):
    """Return a copy of notebook with these edits, made one after the other.

    Raises ValueError where an old text is missing, or is there more than once, and KeyError
    where a cell is missing.
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


def run(notebook, names, *identifiers):
    """Execute the cells with these ids, in this order, in the namespace names."""
    for identifier in identifiers:
        exec(compile(cell(notebook, identifier).source, f"<cell {identifier}>", "exec"), names)


def definitions(notebook, settings=None):
    """Execute the cells in DEFINITIONS; return their namespace.

    settings, a dictionary, takes the place of values from the cell of parameters.
    """
    names = {"__name__": "notebook"}
    for identifier in DEFINITIONS:
        run(notebook, names, identifier)
        if identifier == "parameters":
            names.update(settings or {})
    return names


def without_comments(source):
    """Return source, a text of Python, without comments, docstrings and blank lines."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            docstring = node.body[0]
            for number in range(docstring.lineno, docstring.end_lineno + 1):
                lines[number - 1] = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def fingerprint(notebook, identifiers=None):
    """Return 12 hexadecimal digits of the code of these cells, or of all, without comments."""
    if identifiers is None:
        identifiers = [each.id for each in code_cells(notebook)]
    return fingerprint_of([cell(notebook, each).source for each in identifiers])


def fingerprint_of_file(path):
    """Return 12 hexadecimal digits of the code in the file at path, without comments."""
    return fingerprint_of([path.read_text(encoding="utf-8")])


def fingerprint_of(sources):
    """Return 12 hexadecimal digits of these texts of Python, without comments."""
    bare = [without_comments(source) for source in sources]
    return hashlib.sha256("\n\n".join(bare).encode()).hexdigest()[:12]


def printed(notebook):
    """Return what each code cell printed in the saved run, by the cell's id."""
    texts = {}
    for each in code_cells(notebook):
        streams = [output.text for output in each.outputs if output.output_type == "stream"]
        texts[each.id] = "".join(streams)
    return texts
