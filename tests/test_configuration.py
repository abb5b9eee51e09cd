"""The gate runs: no setting of pytest, nbval, ruff or CI switches anything off."""

import ast
import os
import re
import shutil
import subprocess
import sys

import cells
from nbval.plugin import find_comment_markers

TEST = "pip install -r requirements.txt && pytest --nbval-lax"
CALLS = ["pip install -r .ci/requirements.txt", "ruff check .", "ruff format --check ."]
CALLS += TEST.split(" && ")
# Stands in for pip, pytest, ruff and python3: notes its call, and fails where told to.
TOOL = """#!/bin/bash
call="$(basename "$0") $*"
echo "$call" >> "$LOG"
[ -d .ci ] || exit 4  # not in the repository
[[ -z "$FAILS" || "$call" != "$FAILS"* ]] || exit 3
[ "$2" != venv ] || { mkdir "$3/bin"; echo 'echo active >> "$LOG"' > "$3/bin/activate"; }
"""
# The words of .pytest.ini, of .ruff.toml and of the workflow's keys: no others are allowed.
PYTEST = """[pytest] addopts = --nbval-current-env --nbval-cell-timeout=1800
norecursedirs = .* data images pythonpath = tests/tools
filterwarnings = ignore:Kernel is running over TCP ignore:__array__ implementation"""
RUFF = """line-length = 90 target-version = "py310"
[lint] select = ["E", "F", "W", "I", "B", "UP", "SIM", "C4"] ignore = ["B905"]"""
KEYS = """name on push pull_request permissions contents concurrency group
cancel-in-progress jobs test runs-on timeout-minutes steps uses with python-version cache
path key run cache-dependency-path"""


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


def test_pytest_and_ruff_have_these_settings_and_no_others():
    assert read(".pytest.ini").split() == PYTEST.split()
    assert re.sub(" +#.*", "", read(".ruff.toml")).split() == RUFF.split()
    for path in (cells.ROOT / "tests").rglob(".ruff.toml"):  # may set the layout alone
        assert not re.search("select|ignore|exclude|per-file", path.read_text())
    others = "pytest.ini pytest.toml .pytest.toml pyproject.toml tox.ini setup.cfg ruff.toml"
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


def test_the_check_makes_these_calls_and_forgives_no_failure(tmp_path):
    """Stand-ins for all tools note their calls; `run` has an environment of its own."""
    shutil.copytree(cells.ROOT / ".ci", tmp_path / ".ci")
    log, tools = tmp_path / "log", tmp_path / "bin"
    tools.mkdir()
    for name in ("pip", "pytest", "ruff", "python3"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o755)

    def run(script, fails=""):
        log.write_text("")
        values = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "LOG": str(log)}
        values |= {"FAILS": fails, "TMPDIR": str(tmp_path)}
        script = tmp_path / ".ci" / script
        done = subprocess.run(["bash", script], env=os.environ | values, cwd="/")
        return done.returncode, log.read_text().splitlines()

    assert run("check") == (0, CALLS)
    for i, call in enumerate(CALLS):
        assert run("check", fails=call) == (3, CALLS[: i + 1])
    own = ["active", *CALLS]
    for fails, expected in (("", (0, own)), (CALLS[-1], (3, own)), ("python3", (3, []))):
        status, (venv, *calls) = run("run", fails)
        assert venv.startswith(f"python3 -m venv {tmp_path}/") and (status, calls) == expected
        assert {path.name for path in tmp_path.iterdir()} == {".ci", "bin", "log"}


def test_the_workflow_makes_the_check_on_every_push_and_forgives_nothing():
    text = read(".github/workflows/test.yml")
    assert "\non:\n  push:\n  pull_request:\n\n" in text
    install, check = re.findall(r"run: (.*)", text)
    torch = "pip install $(grep -E '^torch(vision)?==' requirements.txt) --index-url https://"
    assert install.startswith(torch) and check == "bash .ci/check"
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
