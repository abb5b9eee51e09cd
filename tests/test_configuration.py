"""The gate runs: no setting of pytest, nbval or CI switches anything off."""

import ast
import os
import re
import shutil
import subprocess
import sys

import cells
from nbval.plugin import find_comment_markers

TEST = "pip install -r requirements.txt && pytest --nbval-lax"
CALLS = ["python3 -m venv", "pip is active", "pip install -r .ci/requirements.txt"]
CALLS += ["ruff check .", "ruff format --check .", *TEST.split(" && ")]
# Stands in for pip, pytest, ruff and python3: notes its call, and fails where told to.
TOOL = """#!/bin/bash
call="$(basename "$0") ${*/"$TMPDIR"*/}"
echo $call >> "$LOG"
[ -d .ci ] || exit 4  # not in the repository
[[ "$call" != "$FAILS"* ]] || exit 3
[ "$2" != venv ] || { mkdir "$3/bin"; echo pip is active > "$3/bin/activate"; }
"""
# The words of .pytest.ini and the workflow's keys: no others are allowed.
PYTEST = """[pytest] addopts = --nbval-current-env --nbval-cell-timeout=1800
norecursedirs = .* data images pythonpath = tests/tools
filterwarnings = ignore:Kernel is running over TCP ignore:__array__ implementation"""
KEYS = """name on push pull_request permissions contents concurrency group
cancel-in-progress jobs test runs-on timeout-minutes env PIP_EXTRA_INDEX_URL steps uses with
python-version path key run"""


def read(path):
    return (cells.ROOT / path).read_text()


def test_every_cell_and_every_test_is_collected(notebook):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--collect-only", "-q"]
    run = subprocess.run(command, cwd=cells.ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and "deselected" not in run.stdout, run.stdout
    numbers = range(len(cells.code_cells(notebook)))
    expected = {("EVA_Assignment3b.ipynb", f"Cell {number}") for number in numbers}
    for path in (cells.ROOT / "tests").rglob("test_*.py"):
        defined = re.findall(r"^def (test_\w+)", path.read_text(), re.M)
        expected |= {(f"tests/{path.name}", name) for name in defined}
    assert set(re.findall(r"^(\S+)::([^\[\n]+)", run.stdout, re.M)) == expected


def test_pytest_has_these_settings_and_no_others():
    assert read(".pytest.ini").split() == PYTEST.split()
    others = "pytest.ini pytest.toml .pytest.toml pyproject.toml tox.ini setup.cfg"
    for folder in (cells.ROOT, cells.ROOT / "tests"):
        assert not [name for name in others.split() if (folder / name).exists()]
    found = [path for path in cells.ROOT.rglob("conftest.py") if ".venv" not in path.parts]
    assert found == [cells.ROOT / "tests" / "conftest.py"]
    assert not re.search("pytest_|collect_", found[0].read_text())  # names of hooks


def test_no_cell_carries_a_switch(notebook):
    """nbval and Jupyter read tags and comments that skip a cell or forgive a failure."""
    assert {cell.cell_type for cell in notebook.cells} == {"code", "markdown"}
    tags = {"parameters": {"tags": ["parameters"]}, "summary": {"tags": ["nbval-check-output"]}}
    assert {cell.id: cell.metadata for cell in notebook.cells if cell.metadata} == tags
    for cell in cells.code_cells(notebook):
        assert not list(find_comment_markers(cell.source))
        assert not re.search("nbval|pytest|get_ipython|_exit", cell.source, re.I)
        names = [each for each in ast.walk(ast.parse(cell.source)) if isinstance(each, ast.Name)]
        assert not {"exit", "quit"} & {name.id for name in names}  # a magic would not parse


def test_ci_makes_these_calls_in_an_environment_of_its_own_and_forgives_no_failure(tmp_path):
    shutil.copytree(cells.ROOT / ".ci", tmp_path / ".ci")
    log, tools = tmp_path / "log", tmp_path / "bin"
    tools.mkdir()
    for name in ("pip", "pytest", "ruff", "python3"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o755)
    values = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "LOG": str(log)}
    for number, fails in enumerate([*CALLS, "nothing"], 1):
        log.write_text("")
        settings = os.environ | values | {"FAILS": fails, "TMPDIR": str(tmp_path)}
        run = subprocess.run(["bash", tmp_path / ".ci" / "run"], env=settings, cwd="/")
        assert run.returncode == (0 if fails == "nothing" else 3)
        assert log.read_text().splitlines() == CALLS[:number]
        assert {path.name for path in tmp_path.iterdir()} == {".ci", "bin", "log"}


def test_the_workflow_makes_the_check_on_every_push_and_forgives_nothing():
    text = read(".github/workflows/test.yml")
    assert "\non:\n  push:\n  pull_request:\n\n" in text
    assert re.findall(r"run: (.*)", text) == ["bash .ci/run"]
    assert set(re.findall(r"^ *(?:- )?([\w-]+):", text, re.M)) == set(KEYS.split())


def test_requirements_are_pinned_complete_and_the_readme_s(notebook):
    required = read("requirements.txt").split()
    readme, pins = read("README.md"), {*required, *read(".ci/requirements.txt").split()}
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in pins)
    for command in (TEST, "pip install -r requirements.txt && ipython EVA_Assignment3b.ipynb"):
        assert f"{command}\n" in readme
    named = set(re.findall(r"[\w-]+==[\d.]*\d", readme))
    assert any(pin.startswith("torch==") for pin in named) and named <= pins
    code = "\n".join(cell.source for cell in cells.code_cells(notebook))
    imported = set(re.findall(r"^(?:import|from) (\w+)", code, re.M))
    packages = (imported - set(sys.stdlib_module_names)) | {"nbval"}
    assert packages == {pin.split("==")[0] for pin in required}
