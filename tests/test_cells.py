"""The tools read the notebook's own cells, whatever the machine's locale."""

import ast
import copy
import os
import subprocess
import sys

import cells
import pytest


@pytest.mark.parametrize("identifiers", [cells.DEFINITIONS, cells.TRAINING])
def test_the_cells_exist(notebook, identifiers):
    assert set(identifiers) <= {cell.id for cell in cells.code_cells(notebook)}


def test_definitions_run_in_the_notebook_s_order(notebook):
    order = [cell.id for cell in cells.code_cells(notebook)]
    assert sorted(cells.DEFINITIONS, key=order.index) == cells.DEFINITIONS


def test_settings_take_the_place_of_the_notebook_s(notebook):
    assert cells.definitions(notebook, {"DROPOUT": 0.5})["DROPOUT"] == 0.5


def test_settings_are_there_before_anything_uses_them(notebook):
    names = cells.definitions(notebook, {"DATA_FOLDER": "elsewhere"})
    assert names["load_mnist"].__defaults__[0] == "elsewhere"


def test_comments_and_docstrings_do_not_change_the_fingerprint(notebook):
    documented = copy.deepcopy(notebook)
    net = cells.cell(documented, "net")
    assert net.source.count('"""') == 2
    net.source = net.source.replace('"""', '"""Other words.\n\n    ', 1) + "\n\n# A comment.\n"
    assert cells.fingerprint(documented) == cells.fingerprint(notebook)


@pytest.mark.parametrize("identifier", cells.TRAINING)
def test_a_change_to_a_cell_of_the_training_changes_the_fingerprint(notebook, identifier):
    changed = copy.deepcopy(notebook)
    cells.cell(changed, identifier).source += "\nchanged = True\n"
    present = cells.fingerprint(notebook, cells.TRAINING)
    assert cells.fingerprint(changed, cells.TRAINING) != present


def test_a_file_s_fingerprint_is_that_of_its_code(tmp_path):
    path = tmp_path / "tool.py"
    found = []
    for text in ("a = 1\n", "a = 1  # one\n", "a = 2\n"):
        path.write_text(text, encoding="utf-8")
        found.append(cells.fingerprint_of_file(path))
    assert found[0] == found[1] != found[2]


def test_the_cells_without_influence_only_import_and_define(notebook):
    for identifier in cells.WITHOUT_INFLUENCE:
        if identifier == "install":  # which may call pip
            continue
        allowed = (ast.FunctionDef, ast.Assign)
        if identifier == "imports":
            allowed = (ast.Import, ast.ImportFrom)
        statements = ast.parse(cells.cell(notebook, identifier).source).body
        assert all(isinstance(each, allowed) for each in statements), identifier


READ_EVERYTHING = """
import cells, recording, report
notebook = cells.read()
for make_text in report.BLOCKS.values():
    make_text(notebook)
recording.processor_and_versions()
"""


def test_the_tools_read_everything_where_the_locale_is_not_utf_8():
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    tools = cells.ROOT / "tests" / "tools"
    command = [sys.executable, "-X", "warn_default_encoding", "-c", READ_EVERYTHING]
    done = subprocess.run(command, cwd=tools, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tools) not in done.stderr  # no EncodingWarning from a file of ours
