"""Read the notebook and run its own cells: tests, study and benchmark hold no copy of them."""

import ast
import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "EVA_Assignment3b.ipynb"

# The cells that define what training needs, in order, and do nothing that takes long.
DEFINITIONS = [
    "imports",
    "parameters",
    "download",
    "fetch",
    "load",
    "augment",
    "block",
    "net",
    "average",
    "train-one-epoch",
    "predict",
    "evaluate",
    "weights",
]
# The cells on which the result of a training depends. How many images predict takes at once
# changes nothing, and tests/notebook/test_evaluation.py guards the rest of it.
TRAINING = [
    "parameters",
    "load",
    "augment",
    "block",
    "net",
    "average",
    "train-one-epoch",
    "evaluate",
    "train",
]
# The settings that change no result, or, like SEED, are recorded beside it.
WITHOUT_INFLUENCE = ["SEED", "DATA_FOLDER", "DOWNLOAD_TIMEOUT", "DIGIT_FILE"]


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


class Essence(ast.NodeTransformer):
    """Leaves out of a program what changes no result of a training.

    That is docstrings, type hints, what is only printed, and settings WITHOUT_INFLUENCE.
    settings, a dictionary, takes the place of values that the program assigns.
    """

    def __init__(self, settings):
        self.settings = settings

    def visit_Module(self, node):
        return self.without_docstring(node)

    def visit_ClassDef(self, node):
        return self.without_docstring(node)

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.without_docstring(node)

    def without_docstring(self, node):
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            function = ast.unparse(node.value.func)
            if function == "print" or function.endswith(".set_description"):
                return None
        return node

    def visit_AnnAssign(self, node):
        if node.value is None:
            return node
        return self.visit_Assign(ast.Assign([node.target], node.value))

    def visit_Assign(self, node):
        name = ast.unparse(node.targets[0])
        if name in WITHOUT_INFLUENCE:
            return None
        if name in self.settings:
            node.value = ast.Constant(self.settings[name])
        return node


def outline(node):
    """Return a syntax tree, or a part of it, as text that is the same in every Python."""
    if isinstance(node, list):
        return f"[{', '.join(outline(each) for each in node)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        f"{name}={outline(value)}"
        for name, value in ast.iter_fields(node)
        if value is not None and value != []  # newer versions know more of these
    ]
    return f"{type(node).__name__}({', '.join(fields)})"


def essence(source, settings=None):
    """Return source, a text of Python, reduced to its Essence: a text to compare or to hash."""
    return outline(Essence(settings or {}).visit(ast.parse(source)))


def fingerprint(notebook, settings=None):
    """Return 12 hexadecimal digits of all on which the result of a training depends.

    That is the cells in TRAINING, with settings in the place of those in the notebook.
    """
    sources = [essence(cell(notebook, each).source, settings) for each in TRAINING]
    return digest("\n\n".join(sources))


def digest(text):
    """Return 12 hexadecimal digits that stand for text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digests(notebook):
    """Return 12 hexadecimal digits for the code of each cell, without comments, by the id."""
    return {each.id: digest(outline(ast.parse(each.source))) for each in code_cells(notebook)}


def printed(notebook):
    """Return what each code cell printed in the saved run, by the cell's id."""
    texts = {}
    for each in code_cells(notebook):
        streams = [output.text for output in each.outputs if output.output_type == "stream"]
        texts[each.id] = "".join(streams)
    return texts
