"""The check runs: every cell is collected and may not fail, and CI runs the README's command."""

import ast
import re
import subprocess
import sys

from tests import cells


def read(path):
    return (cells.ROOT / path).read_text(encoding="utf-8")


def collect(*options):
    """Let pytest collect what is outside of tests/, whose imports take long."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--noconftest", *options]
    command.append(f"--ignore-glob={cells.ROOT / 'tests'}/*")
    return subprocess.run(command, cwd=cells.ROOT, capture_output=True, text=True, encoding="utf-8")


def test_pytest_collects_every_cell(notebook):
    run = collect("--nbval-lax")
    assert run.returncode == 0, run.stdout
    collected = [line for line in run.stdout.splitlines() if "::" in line]
    count = len(cells.code_cells(notebook))
    assert collected == [f"{cells.NOTEBOOK.name}::Cell {number}" for number in range(count)]


def test_pytest_without_the_option_leaves_the_notebook_out_without_an_error():
    assert collect().returncode == 5  # pytest's word for: there is nothing


def test_no_cell_is_left_out_and_none_may_fail(notebook):
    harmless = {"parameters", "nbval-check-output", cells.DEFINITION, cells.TRAINING}
    for cell in cells.code_cells(notebook):
        assert set(cell.metadata.get("tags", [])) <= harmless, cell.id
        assert not re.search("nbval|pytest", cell.source, re.IGNORECASE), cell.id


def test_ci_runs_the_test_command_of_the_readme():
    assert "- run: bash .ci/run\n" in read(".github/workflows/test.yml")
    command = "pip install -r tests/requirements.txt && pytest --nbval-lax"
    assert f"\n{command}\n" in read("README.md")
    lines = read(".ci/run").splitlines()
    assert "set -euo pipefail" in lines  # the first line that fails ends it
    install, test = command.split(" && ")
    assert install in lines
    assert lines[-1] == test


def test_whoever_installs_the_requirements_has_all_that_the_notebook_imports(notebook):
    imported = set()
    for cell in cells.code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    names = {"numpy": "torchvision", "PIL": "torchvision", "skimage": "scikit-image"}
    needed = {names.get(name, name) for name in imported - sys.stdlib_module_names}
    pinned = set(re.findall(r"^([\w-]+)==", read("requirements.txt"), re.MULTILINE))
    assert needed <= pinned
