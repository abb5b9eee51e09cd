"""README.md, tests/README.md and the notebook's text say what the records say."""

import base64
import re

import cells
import renew
import report

README, MAINTAINERS = (path.read_text() for path in renew.READMES)


def test_generated_text_is_what_the_records_and_the_saved_run_say(notebook):
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    sources = ["\n".join(texts), README + MAINTAINERS]
    for text, blocks in zip(sources, (report.IN_NOTEBOOK, report.BLOCKS)):
        advice = "run `python tests/tools/renew.py --text`"
        assert report.fill(text, notebook, blocks) == text, advice
        assert re.findall(r"<!-- (\S+) -->\n.*?<!-- end -->", text, re.S) == list(blocks)
        changed = text.replace("|mean 99.", "|mean 98.", 1)
        assert changed != text and report.fill(changed, notebook, blocks) == text


def test_the_pictures_are_used_described_and_those_of_the_saved_run(notebook):
    used = re.findall(r"!\[.{20,}?\]\(images/(\w+)\.png\)", README)
    files = {path.stem: path.read_bytes() for path in (cells.ROOT / "images").iterdir()}
    assert sorted(files) == sorted(used)
    saved = renew.pictures(notebook)
    for name in ("curves", "mistakes"):
        assert files[name] == base64.b64decode(saved[name].data["image/png"])
    shown = {name: picture.metadata["image/png"]["alt"] for name, picture in saved.items()}
    assert shown == renew.ALTERNATIVES


def test_the_readme_is_short_and_names_what_exists():
    assert len(README.split()) <= 1_100
    for name in re.findall(r"\bpython ([\w./-]+\.py)", README + MAINTAINERS):
        assert (cells.ROOT / name).is_file()
