"""The notebook as a page: the README's command, and that the saved outputs make one."""

import re
import shlex
import subprocess
import sys

import nbconvert
import nbformat

from tests.tools import cells

DRAW = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"


def alternative_texts(page):
    """Return the alternative text of each picture of a page; None where there is none."""
    texts = []
    for picture in re.findall("<img[^>]*>", page):
        text = re.search('alt="([^"]*)"', picture)
        texts.append(text and text[1])
    return texts


def test_the_readme_s_command_makes_a_page_even_where_the_check_fails(tmp_path):
    readme = (cells.ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(rf"jupyter nbconvert (.*{cells.NOTEBOOK.name})", readme)[1]
    figure = nbformat.v4.new_code_cell(DRAW, metadata={"alt": "A line that rises."})
    gate = nbformat.v4.new_code_cell("raise AssertionError('Not met')")
    notebook = nbformat.v4.new_notebook(cells=[gate, figure])
    nbformat.write(notebook, tmp_path / cells.NOTEBOOK.name)
    run = [sys.executable, "-m", "nbconvert", *shlex.split(command)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / cells.NOTEBOOK.name).with_suffix(".html").read_text(encoding="utf-8")
    assert alternative_texts(page) == ["A line that rises."]
    assert "Not met" in page


def test_the_saved_notebook_makes_a_page_with_all_pictures_and_texts(notebook):
    page, _ = nbconvert.HTMLExporter(template_name="classic").from_notebook_node(notebook)
    texts = alternative_texts(page)
    assert len(texts) >= 4
    assert all(texts)
