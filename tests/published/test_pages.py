"""The README's command makes a page of the notebook."""

import re
import shlex
import subprocess
import sys

import nbformat

from tests import cells, renew

DRAW = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"


def test_a_page_has_all_pictures_and_texts_even_where_the_check_fails(tmp_path):
    readme = renew.README.read_text(encoding="utf-8")
    command = re.search(rf"jupyter nbconvert (.*{cells.NOTEBOOK.name})", readme)[1]
    figure = nbformat.v4.new_code_cell(DRAW, metadata={"alt": "A line that rises."})
    gate = nbformat.v4.new_code_cell("raise AssertionError('Not met')")
    notebook = nbformat.v4.new_notebook(cells=[gate, figure])
    nbformat.write(notebook, tmp_path / cells.NOTEBOOK.name)
    run = [sys.executable, "-m", "nbconvert", *shlex.split(command)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / cells.NOTEBOOK.name).with_suffix(".html").read_text(encoding="utf-8")
    assert re.findall('<img[^>]*alt="([^"]*)"', page) == ["A line that rises."]
    assert "Not met" in page
