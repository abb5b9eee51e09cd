"""The check runs: every cell is collected and may not fail, and CI runs the README's command."""

import ast
import re
import subprocess
import sys

from tests.tools import cells


def read(path):
    return (cells.ROOT / path).read_text(encoding="utf-8")


def test_pytest_collects_every_cell_and_nothing_beside_the_tests(notebook):
    # Without the tests: importing all of them anew takes long.
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--collect-only", "-q"]
    command += ["--noconftest", "-p", "no:syrupy", f"--ignore-glob={cells.ROOT / 'tests'}/*"]
    run = subprocess.run(command, cwd=cells.ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout
    collected = [line for line in run.stdout.splitlines() if "::" in line]
    count = len(cells.code_cells(notebook))
    assert collected == [f"{cells.NOTEBOOK.name}::Cell {number}" for number in range(count)]


def test_no_cell_is_left_out_and_none_may_fail(notebook):
    harmless = {"parameters", "nbval-check-output"}
    for cell in cells.code_cells(notebook):
        assert set(cell.metadata.get("tags", [])) <= harmless, cell.id
        assert not re.search("nbval|pytest", cell.source, re.IGNORECASE), cell.id


def test_ci_runs_the_test_command_of_the_readme():
    assert "- run: bash .ci/run\n" in read(".github/workflows/test.yml")
    command = "pip install -r tests/requirements.txt && pytest --nbval-lax"
    assert f"\n{command}\n" in read("README.md")
    lines = read(".ci/run").splitlines()
    assert "set -euo pipefail" in lines  # the first line that fails ends it
    for line in command.split(" && "):
        assert line in lines


def test_whoever_installs_the_requirements_has_all_that_the_notebook_imports(notebook):
    imported = set()
    for cell in cells.code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    installed = set(re.findall(r"^([\w-]+)==", read("requirements.txt"), re.MULTILINE))
    installed |= {"numpy", "PIL"}  # torchvision and matplotlib bring them
    assert imported - sys.stdlib_module_names <= installed
