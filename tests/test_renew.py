"""Renewing: what is run, saved, filled in and drawn, and that a fault loses nothing.

A tiny notebook stands for the real one; it is really run.
"""

import nbformat
import pytest

from tests import cells, renew
from tests.study import recording, report

SOURCES = {
    "numbers": "# <!-- numbers -->\nNUMBERS = []\n# <!-- end -->",
    "device": "from pathlib import Path",
    "device-run": "print('here')",
    "log": "def print_result():\n    print('trained')",
    "train": "Path('mnist-seed-0.pt').write_text('weights')\n"
    "history = [{'seconds': 9.5}]\nprint_result()",
    "reload": "print(history, NUMBERS)",
    "it": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a notebook and two texts that renew works on instead of the real ones."""
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells, "NOTEBOOK", tmp_path / "notebook.ipynb")
    monkeypatch.setattr(renew, "README", tmp_path / "README.md")
    monkeypatch.setattr(renew, "RECORDS_README", tmp_path / "records.md")
    monkeypatch.setattr(renew, "IMAGES", tmp_path)
    monkeypatch.setattr(renew, "SAVED_RUN", tmp_path / "saved_run")
    monkeypatch.setitem(report.BLOCKS, "greeting", lambda: "Hello.")
    monkeypatch.setitem(report.BLOCKS, "numbers", lambda: "NUMBERS = [1, 2]")
    (tmp_path / "README.md").write_text("![A line.](images/it.png)\n", encoding="utf-8")
    (tmp_path / "records.md").write_text("<!-- greeting -->\n<!-- end -->\n", encoding="utf-8")
    (tmp_path / "saved_run").mkdir()
    made = [nbformat.v4.new_code_cell(source, id=name) for name, source in SOURCES.items()]
    made.append(nbformat.v4.new_markdown_cell("<!-- greeting -->\n<!-- end -->", id="text"))
    notebook = nbformat.v4.new_notebook(cells=made)
    cells.cell(notebook, "train").metadata["tags"] = [cells.TRAINING]
    cells.cell(notebook, "it").metadata["alt"] = "A line."
    cells.write(notebook)
    return tmp_path


def edit(name, source):
    """Give a cell of the saved notebook another source."""
    notebook = cells.read()
    cells.cell(notebook, name).source = source
    cells.write(notebook)


def test_everything_is_renewed(folder):
    renew.main([])
    notebook = cells.read()
    assert cells.printed(notebook, "reload") == "[{'seconds': 9.5}] [1, 2]\n"
    assert cells.cell(notebook, "text").source == "<!-- greeting -->\nHello.\n<!-- end -->"
    assert "Hello." in (folder / "records.md").read_text(encoding="utf-8")
    picture = renew.pictures(notebook)["it"]
    assert (folder / "it.png").read_bytes() == renew.png(picture)
    assert picture.metadata["image/png"] == {"alt": "A line."}


def test_of_a_run_weights_history_and_what_made_it_are_kept(folder):
    renew.main([])
    assert (folder / "saved_run" / "mnist-seed-0.pt").read_text(encoding="utf-8") == "weights"
    run = renew.read_saved_run()
    assert run["history"] == [{"seconds": 9.5}]
    assert run["processor"] == recording.processor_and_versions()["processor"]
    assert run["code"] == cells.digest(renew.code(cells.read()))


def test_without_a_training_every_output_but_the_training_s_is_renewed(folder):
    renew.main([])
    picture = renew.png(renew.pictures(cells.read())["it"])
    (folder / "mnist-seed-0.pt").unlink()  # as in a fresh clone
    edit("it", SOURCES["it"].replace("2", "9"))
    edit("reload", "print(weights_file)")
    renew.main(["--without-training"])
    notebook = cells.read()
    assert cells.cell(notebook, "train").source == SOURCES["train"]
    assert cells.printed(notebook, "train") == "trained\n"
    assert cells.printed(notebook, "device-run") == "here\n"
    assert cells.printed(notebook, "reload") == f"{folder / 'saved_run' / 'mnist-seed-0.pt'}\n"
    assert renew.png(renew.pictures(notebook)["it"]) != picture
    assert renew.read_saved_run()["code"] == cells.digest(renew.code(notebook))


@pytest.mark.parametrize("name", ["train", "device-run", "log"])
def test_another_training_or_another_log_of_it_needs_a_training(name):
    renew.main([])
    edit(name, SOURCES[name].replace("print", "str"))
    with pytest.raises(SystemExit, match="renew with the training"):
        renew.main(["--without-training"])


def test_what_is_changed_while_it_runs_stays_and_loses_no_run(monkeypatch):
    execute = renew.execute

    def meanwhile(notebook):
        edit("text", "Other words.")
        return execute(notebook)

    monkeypatch.setattr(renew, "execute", meanwhile)
    renew.main([])
    assert cells.cell(cells.read(), "text").source == "Other words."
    assert cells.printed(cells.read(), "train") == "trained\n"
