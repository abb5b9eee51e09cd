"""The checks run: no setting of pytest, nbval or CI switches anything off."""

import ast
import configparser
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import cells
import pytest
import yaml

TAGS = {"parameters": ["parameters"], "summary": ["nbval-check-output"]}
# Files in which pytest looks for settings as well; .pytest.ini is the only one here.
OTHER_SETTINGS = [
    "pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
]


def read(path):
    return (cells.ROOT / path).read_text(encoding="utf-8")


# pytest and nbval


def test_every_cell_and_every_test_is_collected(notebook):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--collect-only", "-q"]
    command += ["-p", "no:syrupy"]  # it takes snapshots for unused where no test runs
    run = subprocess.run(command, cwd=cells.ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout
    assert "deselected" not in run.stdout

    expected = set()
    for number in range(len(cells.code_cells(notebook))):
        expected.add((cells.NOTEBOOK.name, f"Cell {number}"))
    for path in (cells.ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M):
            expected.add((f"tests/{path.name}", name))
    collected = set(re.findall(r"^(\S+)::([^\[\n]+)", run.stdout, re.M))
    assert collected == expected


def test_pytest_has_these_settings_and_no_others():
    settings = configparser.ConfigParser()
    settings.read_string(read(".pytest.ini"))
    assert settings.sections() == ["pytest"]
    assert dict(settings["pytest"]) == {
        "addopts": "--nbval-current-env --nbval-cell-timeout=1800",
        "norecursedirs": ".* data images",
        "pythonpath": "tests/tools",
        "empty_parameter_set_mark": "fail_at_collect",
        "filterwarnings": (
            "\nerror"
            "\nignore:Kernel is running over TCP"
            "\nignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
            "\nignore:Implicitly cleaning up <HTTPError:ResourceWarning"
        ),
    }


@pytest.mark.parametrize("name", OTHER_SETTINGS)
@pytest.mark.parametrize("folder", [".", "tests"])
def test_no_other_file_has_settings_of_pytest(folder, name):
    assert not (cells.ROOT / folder / name).exists()


def test_there_is_one_conftest_and_it_changes_nothing_about_pytest():
    (conftest,) = [path for path in cells.ROOT.rglob("conftest.py") if ".venv" not in path.parts]
    assert conftest == cells.ROOT / "tests" / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    assert not re.search("pytest_|collect_", text)  # hooks and lists have such names


# The cells


def test_cells_have_no_tags_that_skip_them_or_forgive_a_failure(notebook):
    tags = {cell.id: cell.metadata["tags"] for cell in notebook.cells if "tags" in cell.metadata}
    assert tags == TAGS


def test_cells_have_no_other_metadata_than_tags_and_alternative_texts(notebook):
    found = {key for cell in notebook.cells for key in cell.metadata}
    assert found <= {"tags", "alt"}
    assert {cell.cell_type for cell in notebook.cells} == {"code", "markdown"}


def test_cells_have_no_comments_for_nbval(notebook):
    for cell in cells.code_cells(notebook):
        assert not re.search("nbval|pytest", cell.source, re.IGNORECASE)


def test_cells_do_not_end_the_kernel_and_are_plain_python(notebook):
    for cell in cells.code_cells(notebook):
        tree = ast.parse(cell.source)  # a magic command would not parse
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"exit", "quit", "get_ipython"}
        assert "_exit" not in cell.source


# .ci/run

CALLS = [
    "python3 -m venv",
    "pip is active",  # from the activate script that TOOL writes
    "pip install -r requirements.txt",
    "ruff check .",
    "ruff format --check .",
    "pytest --nbval-lax",
]
# Stands in for pip, pytest, ruff and python3: it notes its call, and fails where told to.
TOOL = """#!/bin/bash
[ -d .ci ] || exit 4  # not in the repository
arguments="${*/"$TMPDIR"*/}"  # without the folder of the environment, whose name is random
call="$(basename "$0") $arguments"
echo $call >> "$LOG"  # without quotes: no space at the end
if [[ "$call" == "$FAILS"* ]]; then
    exit 3
fi
if [ "$2" = venv ]; then  # python3 -m venv FOLDER
    mkdir "$3/bin"
    echo "pip is active" > "$3/bin/activate"  # whoever activates it calls pip with these words
fi
"""


@pytest.fixture
def run_ci(tmp_path):
    """A function that runs .ci/run with stand-in tools; one call fails.

    It returns the exit status and the calls that were made.
    """
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_text(read(".ci/run"), encoding="utf-8", newline="\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("pip", "pytest", "ruff", "python3"):
        (tools / name).write_text(TOOL, encoding="utf-8", newline="\n")
        (tools / name).chmod(0o755)

    def run_ci(fails):
        settings = os.environ | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "LOG": str(tmp_path / "log"),
            "FAILS": fails,
            "TMPDIR": str(tmp_path),
        }
        run = subprocess.run(["bash", str(script)], env=settings, cwd="/")
        return run.returncode, (tmp_path / "log").read_text(encoding="utf-8").splitlines()

    return run_ci


def test_ci_makes_these_calls_in_an_environment_of_its_own(run_ci):
    assert run_ci(fails="nothing") == (0, CALLS)


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_ci_stops_at_the_first_call_that_fails(run_ci, number):
    assert run_ci(fails=CALLS[number]) == (3, CALLS[: number + 1])


@pytest.mark.parametrize("fails", ["nothing", "pytest"])
def test_ci_leaves_nothing_behind(run_ci, tmp_path, fails):
    run_ci(fails)
    assert {path.name for path in tmp_path.iterdir()} == {".ci", "bin", "log"}


# The workflow on GitHub

WORKFLOW_KEYS = {"name", True, "permissions", "concurrency", "jobs"}  # YAML reads on as True
JOB_KEYS = {"runs-on", "timeout-minutes", "strategy", "env", "steps"}
STEP_KEYS = {"uses", "with", "run"}


def unexpected_keys(workflow):
    """Return the keys that could skip a step, forgive its failure, or run something else."""
    job = workflow["jobs"]["test"]
    unexpected = (set(workflow) - WORKFLOW_KEYS) | (set(job) - JOB_KEYS)
    for step in job["steps"]:
        unexpected |= set(step) - STEP_KEYS
    return unexpected


@pytest.fixture
def workflow_text():
    return read(".github/workflows/test.yml")


@pytest.fixture
def workflow(workflow_text):
    return yaml.safe_load(workflow_text)


def test_the_workflow_runs_on_every_push_and_pull_request(workflow):
    assert workflow[True] == {"push": None, "pull_request": None}


def test_the_workflow_has_one_job_that_runs_the_checks_and_nothing_else(workflow):
    assert list(workflow["jobs"]) == ["test"]
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]


def test_the_workflow_tests_the_oldest_and_the_newest_python(workflow):
    job = workflow["jobs"]["test"]
    assert job["strategy"] == {"fail-fast": False, "matrix": {"python": ["3.11", "3.14"]}}
    versions = [step["with"].get("python-version") for step in job["steps"] if "with" in step]
    assert "${{ matrix.python }}" in versions


def test_the_workflow_forgives_nothing(workflow):
    assert unexpected_keys(workflow) == set()


@pytest.mark.parametrize(
    "step, key",
    [
        ("- if: false\n        run: bash .ci/run", "if"),
        ('- "if": false\n        run: bash .ci/run', "if"),
        ("- {run: bash .ci/run, shell: 'true {0}'}", "shell"),
        ("- {'continue-on-error': true, run: bash .ci/run}", "continue-on-error"),
    ],
)
def test_a_key_that_forgives_is_seen_however_it_is_written(workflow_text, step, key):
    changed = workflow_text.replace("- run: bash .ci/run", step)
    assert unexpected_keys(yaml.safe_load(changed)) == {key}


# Requirements and encodings


def pinned(text):
    """Return the packages of requirements.txt or of a part of it, each with a version."""
    return dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))


def packages(code):
    """Return the packages that code imports and that do not come with Python."""
    imported = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    distributions = packages_distributions()
    return {distributions[name][0] for name in imported if name in distributions}


def test_every_requirement_has_a_version():
    lines = read("requirements.txt").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert len(pinned(read("requirements.txt"))) == len(requirements)


def test_the_first_group_is_what_the_notebook_and_its_gate_need(notebook):
    first, second = read("requirements.txt").split("\n\n")
    code = "\n".join(cell.source for cell in cells.code_cells(notebook))
    assert first.startswith("# The notebook and its gate\n")
    comes_with_torchvision = {"pillow"}
    assert set(pinned(first)) == packages(code) - comes_with_torchvision | {"nbval"}
    assert second.startswith("# The checks and tools in tests/\n")


def test_whatever_the_checks_and_tools_import_is_required():
    needed = set()
    for path in (cells.ROOT / "tests").rglob("*.py"):
        needed |= packages(path.read_text(encoding="utf-8"))
    assert needed <= set(pinned(read("requirements.txt")))


def test_the_readme_gives_the_same_commands_and_versions():
    readme = read("README.md")
    assert "pip install -r requirements.txt && pytest --nbval-lax\n" in readme
    assert "pip install -r requirements.txt && ipython EVA_Assignment3b.ipynb\n" in readme
    named = set(re.findall(r"([\w-]+)==([\d.]*\d)", readme))
    assert ("torch", pinned(read("requirements.txt"))["torch"]) in named
    assert named <= set(pinned(read("requirements.txt")).items())


def opens_a_text_file(call):
    """Say whether call, a node of a syntax tree, reads or writes a file as text."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in ("read_text", "write_text")
    return isinstance(call.func, ast.Name) and call.func.id == "open"


def test_every_text_file_is_opened_as_utf_8():
    for path in (cells.ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and opens_a_text_file(node):
                encodings = [each.value for each in node.keywords if each.arg == "encoding"]
                assert [each.value for each in encodings] == ["utf-8"], (path, node.lineno)


# What else could hide a failure


def test_the_workflow_hands_nothing_else_to_its_steps(workflow):
    job = workflow["jobs"]["test"]
    assert set(job["env"]) == {"PIP_EXTRA_INDEX_URL"}  # PYTEST_ADDOPTS could run nothing
    options = [set(step["with"]) for step in job["steps"] if "with" in step]
    assert options == [{"python-version"}, {"path", "key"}]  # no other commit is checked out


def test_ci_gives_pytest_no_settings_of_its_own():
    assert "PYTEST" not in read(".ci/run")


MAY_SKIP = {"test_own_digit.py": 1, "test_pages.py": 1}  # without weights, without a browser


def test_no_other_test_is_skipped_or_may_fail():
    words = r"\b(?:pytest|mark|unittest)\.(?:skip|skipif|xfail|importorskip)\b"
    found = {}
    for path in (cells.ROOT / "tests").rglob("*.py"):
        number = len(re.findall(words, path.read_text(encoding="utf-8")))
        if number:
            found[path.name] = number
    assert found == MAY_SKIP


def assigned(cell):
    """Return the names to which a cell's code gives a value, or to a part of which it does."""
    found = set()
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def test_settings_are_set_in_their_own_cell_alone(notebook):
    settings = assigned(cells.cell(notebook, "parameters"))
    for cell in cells.code_cells(notebook):
        if cell.id != "parameters":
            assert not assigned(cell) & settings, cell.id


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("history", "train"),
        ("trained_model", "reload"),
        ("loaded_loss", "reload"),
        ("loaded_correct", "reload"),
        ("requirements", "requirements"),
        ("missed", "gate"),
    ],
)
def test_what_the_gate_judges_is_set_in_one_cell_alone(notebook, name, only):
    found = [cell.id for cell in cells.code_cells(notebook) if name in assigned(cell)]
    assert found == [only]


@pytest.mark.parametrize("path", [".ruff.toml", "tests/.ruff.toml"])
def test_the_linter_leaves_no_file_out(path):
    assert "exclude" not in read(path)
