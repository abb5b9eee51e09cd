"""README.md, tests/README.md and the notebook's text say what the records say."""

import copy
import re

import cells
import figures
import pytest
import renew
import report

README = renew.README.read_text(encoding="utf-8")
MAINTAINERS = renew.TESTS_README.read_text(encoding="utf-8")
RECORDS = (cells.ROOT / "tests" / "records" / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    pytest.param(renew.README.parent, README, id="README.md"),
    pytest.param(renew.TESTS_README.parent, MAINTAINERS, id="tests/README.md"),
    pytest.param(renew.TESTS_README.parent / "records", RECORDS, id="tests/records/README.md"),
]
ADVICE = "Run `python tests/tools/renew.py --text`, or without --text if code has changed."


def texts(notebook):
    """Return all texts in which something is generated, by name."""
    found = {"README.md": README, "tests/README.md": MAINTAINERS}
    for cell in notebook.cells:
        found[f"cell {cell.id}"] = cell.source
    return found


def test_generated_text_is_what_the_records_and_the_saved_run_say(notebook):
    old = [name for name, text in texts(notebook).items() if report.fill(text, notebook) != text]
    assert not old, ADVICE


def test_a_number_that_is_changed_by_hand_is_noticed(notebook):
    changed = README.replace("| mean 99.", "| mean 98.")
    assert changed != README
    assert report.fill(changed, notebook) == README


def test_after_a_change_of_the_code_the_readme_is_whole_and_says_that_its_runs_are_earlier(
    notebook,
):
    changed = copy.deepcopy(notebook)
    cells.cell(changed, "parameters").source += "\nLEARNING_RATE = 0.03\n"
    text = report.fill(README, changed)
    assert report.EARLIER in text
    assert report.fill(text, changed) == text
    assert figures.shown_in(text) == figures.shown_in(README)


def test_everything_that_is_generated_is_shown_somewhere(notebook):
    everything = "\n".join(texts(notebook).values())
    used = {name for start, *_ in report.MARKERS for name in re.findall(start, everything)}
    assert used - {"end"} == set(report.BLOCKS)


def test_every_picture_of_the_saved_run_has_its_alternative_text(notebook):
    shown = {}
    expected = {}
    for name, outputs in figures.pictures(notebook).items():
        shown[name] = [each.metadata.get("image/png", {}).get("alt") for each in outputs]
        expected[name] = cells.cell(notebook, name).metadata.get("alt")
    assert shown == expected


def test_the_readme_s_pictures_are_those_of_the_saved_run(notebook):
    drawn = figures.files(notebook)
    files = {path.stem: path.read_bytes() for path in renew.IMAGES.iterdir()}
    assert files == {name: drawn[name] for name in figures.shown_in(README)}


@pytest.mark.parametrize(("folder", "text"), DOCUMENTS)
def test_links_lead_to_files_that_exist(folder, text):
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (folder / target).is_file(), target


@pytest.mark.parametrize(("folder", "text"), DOCUMENTS)
def test_commands_name_programs_that_exist(folder, text):
    for name in re.findall(r"\bpython ([\w./-]+\.py)", text):
        assert (cells.ROOT / name).is_file(), name


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [("tools/*.py", "| `tools/{}` |"), ("test_*.py", "`{}`"), ("records/*.csv", "| `{}` |")],
)
def test_maintainers_find_every_file_by_its_name(pattern, entry):
    for path in sorted((cells.ROOT / "tests").glob(pattern)):
        assert entry.format(path.name) in MAINTAINERS + RECORDS, path.name


def test_the_readme_s_pictures_have_the_texts_of_their_cells(notebook):
    described = re.findall(r"!\[([^]]+)\]\(images/([\w-]+)\.png\)", README)
    assert len(described) == len(figures.shown_in(README))
    for text, name in described:
        assert text in cells.cell(notebook, name).metadata["alt"], name
