"""README.md, tests/README.md and the notebook's text say what the records say."""

import base64
import re

import cells
import pytest
import renew
import report

README, MAINTAINERS = (path.read_text() for path in renew.READMES)
RENEW = "run `python tests/tools/renew.py --text`"


def blocks(text):
    """Return the names of the generated blocks in text, in order."""
    return re.findall(r"<!-- (\S+) -->\n.*?<!-- end -->", text, re.DOTALL)


@pytest.mark.parametrize("text", [README, MAINTAINERS], ids=["README", "tests/README"])
def test_the_readmes_say_what_the_records_say(text, notebook):
    assert report.fill(text, notebook) == text, RENEW


def test_the_notebook_says_what_the_records_say(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert report.fill(text, notebook, report.IN_NOTEBOOK) == text, RENEW
    assert blocks(text) == list(report.IN_NOTEBOOK)


def test_every_block_is_there_and_a_changed_number_would_be_noticed(notebook):
    assert [*blocks(README), *blocks(MAINTAINERS)] == list(report.BLOCKS)
    changed = README.replace("|mean 99.", "|mean 98.", 1)
    assert changed != README and report.fill(changed, notebook) == README


def test_the_pictures_are_used_described_and_those_of_the_saved_run(notebook):
    used = re.findall(r"!\[.{20,}?\]\(images/(\w+)\.png\)", README)
    files = {path.stem: path.read_bytes() for path in (cells.ROOT / "images").iterdir()}
    assert sorted(files) == sorted(used)
    saved = renew.pictures(notebook)
    for name in ("curves", "mistakes"):
        assert files[name] == base64.b64decode(saved[name].data["image/png"])
    shown = {name: output.metadata["image/png"]["alt"] for name, output in saved.items()}
    assert shown == renew.ALTERNATIVES


def test_the_readme_is_short_and_names_what_exists():
    assert len(README.split()) <= 1_100
    for name in re.findall(r"\bpython ([\w./-]+\.py)", README + MAINTAINERS):
        assert (cells.ROOT / name).is_file()
