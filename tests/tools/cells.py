"""Read the notebook and run its own cells: tests, study and benchmark hold no copy of them."""

import ast
import copy
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "EVA_Assignment3b.ipynb"
HELD_OUT = 10_000


def read():
    """Return the saved notebook."""
    return nbformat.read(NOTEBOOK, as_version=4)


def write(notebook):
    """Save notebook in the place of the saved one."""
    nbformat.write(notebook, NOTEBOOK)


def code_cells(notebook):
    """Return the code cells of notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell(notebook, identifier):
    """Return the cell of notebook whose id is identifier; raise LookupError where there is none."""
    for candidate in notebook.cells:
        if candidate.id == identifier:
            return candidate
    raise LookupError(f"The notebook has no cell with the id {identifier!r}.")


def edited(notebook, edits):
    """Return a copy of notebook with each (old, new) text of edits replaced in its code cells.

    Raises ValueError where old does not occur exactly once: a missed edit would prove nothing.
    """
    notebook = copy.deepcopy(notebook)
    for old, new in edits:
        found = [cell for cell in code_cells(notebook) if old in cell.source]
        if len(found) != 1 or found[0].source.count(old) != 1:
            raise ValueError(f"Not exactly once in the notebook's code: {old!r}")
        found[0].source = found[0].source.replace(old, new)
    return notebook


def run(notebook, names, *identifiers):
    """Execute the cells of notebook with these ids, in this order, in the namespace names."""
    for identifier in identifiers:
        exec(cell(notebook, identifier).source, names)


def definitions(notebook=None, **settings):
    """Execute imports, functions, classes and UPPER_CASE settings alone; return their namespace.

    settings replace the notebook's own; a name that the notebook does not set raises ValueError.
    """
    notebook = notebook or read()
    missing = set(settings)
    statements = []
    for code in code_cells(notebook):
        for statement in ast.parse(code.source).body:
            if isinstance(statement, ast.Assign):
                name = ast.unparse(statement.targets[0])
                if not name.replace(", ", "").replace("_", "").isupper():
                    continue
                if name in settings:
                    statement.value = ast.Constant(settings[name])
                    missing.discard(name)
            elif not isinstance(
                statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
            ):
                continue
            statements.append(statement)
    if missing:
        raise ValueError(f"The notebook has no such setting: {', '.join(sorted(missing))}")
    namespace = {"__name__": "notebook"}
    module = ast.fix_missing_locations(ast.Module(statements, type_ignores=[]))
    exec(compile(module, str(NOTEBOOK), "exec"), namespace)
    return namespace


def train(notebook=None, validation=False, **settings):
    """Run the notebook from its settings to the end of its training; return the namespace.

    With validation, the last 10,000 training images take the place of the test set.
    """
    notebook = notebook or read()
    namespace = definitions(notebook, **settings)
    run(notebook, namespace, "device", "load-run")
    if validation:
        images, labels = namespace["train_images"], namespace["train_labels"]
        namespace["train_images"], namespace["test_images"] = images.split(len(images) - HELD_OUT)
        namespace["train_labels"], namespace["test_labels"] = labels.split(len(labels) - HELD_OUT)
    run(notebook, namespace, "train")
    return namespace
