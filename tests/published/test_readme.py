"""README.md and the texts for maintainers: what is generated is new, and all leads somewhere."""

import re

import pytest

from tests import cells, renew
from tests.study import report

DOCUMENTS = [renew.README, cells.ROOT / "tests" / "README.md", renew.RECORDS_README]
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(cells.ROOT))
)


def read(path):
    return path.read_text(encoding="utf-8")


def test_what_is_generated_is_what_the_records_say(notebook):
    texts = {path.name: read(path) for path in DOCUMENTS}
    texts |= {f"cell {cell.id}": cell.source for cell in notebook.cells}
    old = [name for name, text in texts.items() if report.fill(text) != text]
    assert not old, "Run `python -m tests.renew --without-training`."


def test_the_readme_s_pictures_are_those_of_the_notebook_and_say_the_same(notebook):
    pictures = renew.pictures(notebook)
    shown = renew.shown_in(read(renew.README))
    assert {path.stem for path in renew.IMAGES.glob("*.png")} == set(shown)
    for name, text in shown.items():
        saved = renew.png(pictures[name])
        assert (renew.IMAGES / f"{name}.png").read_bytes() == saved, name
        assert text == cells.cell(notebook, name).metadata["alt"]


@each_document
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^):]+)\)", read(path)):
        assert (path.parent / target).exists(), target


def test_the_notebook_s_links_lead_to_its_headings(notebook):
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = re.findall(r"^#+ (.+)$", "\n".join(texts), re.MULTILINE)
    names = {heading.replace(" ", "-") for heading in headings}  # as Jupyter makes them
    targets = set(re.findall(r"\]\(#([^)]+)\)", "\n".join(texts)))
    assert targets and targets <= names


@each_document
def test_programs_and_files_exist_under_the_names_they_are_given(path):
    text = read(path)
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (cells.ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for name in re.findall(r"`([\w/-]+\.(?:py|jsonl|ipynb|txt|json))`", text):
        assert (cells.ROOT / name).is_file() or any((cells.ROOT / "tests").rglob(name)), name


def test_the_readme_s_lines_read_digits_with_the_saved_weights(monkeypatch, capsys):
    (program,) = re.findall(r"```python\n(.+?)```", read(renew.README), re.DOTALL)
    monkeypatch.chdir(cells.ROOT)
    exec(program, {})
    assert capsys.readouterr().out == "[7, 2, 1, 0, 4, 1, 4, 9, 5, 9]\n"
