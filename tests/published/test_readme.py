"""README.md and the texts for maintainers say what records and saved run say, and lead there."""

import re

import pytest

from tests.study import report
from tests.tools import cells, figures, renew

DOCUMENTS = [renew.README, cells.ROOT / "tests" / "README.md", renew.RECORDS]
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(cells.ROOT))
)


def read(path):
    return path.read_text(encoding="utf-8")


def anchors(text):
    """Return the names under which GitHub reaches the headings of text."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_generated_text_is_what_the_records_and_the_saved_run_say(notebook):
    texts = {path.name: read(path) for path in DOCUMENTS}
    texts |= {f"cell {cell.id}": cell.source for cell in notebook.cells}
    old = [name for name, text in texts.items() if report.fill(text, notebook) != text]
    assert not old, "Run `python -m tests.tools.renew --text`, or --cells if it is code."


def test_the_readme_s_pictures_are_those_of_the_saved_run(notebook):
    shown = figures.shown_in(read(renew.README))
    drawn = figures.files(notebook)
    assert shown
    assert {path.stem for path in renew.IMAGES.iterdir()} == set(shown)
    for name, text in shown.items():
        assert (renew.IMAGES / f"{name}.png").read_bytes() == drawn[name], name
        assert text == cells.cell(notebook, name).metadata["alt"]


@each_document
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^):]+)\)", read(path)):
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(read(linked)), target


@each_document
def test_programs_and_files_exist_under_the_names_they_are_given(path):
    text = read(path)
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (cells.ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for name in re.findall(r"`([\w/]+\.(?:py|csv|j2|ipynb|txt))`", text):
        assert (cells.ROOT / name).is_file() or any((cells.ROOT / "tests").rglob(name)), name


@each_document
def test_a_version_is_pinned_in_the_requirements_alone(path):
    assert not re.search(r"\w==\d", read(path))


def test_the_readme_has_the_command_that_runs_the_notebook():
    command = "pip install -r requirements.txt && ipython EVA_Assignment3b.ipynb"
    assert f"\n{command}\n" in read(renew.README)
