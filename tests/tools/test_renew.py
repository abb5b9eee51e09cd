"""Renewing: what is run, saved, filled in and drawn, and that a fault loses nothing."""

import base64
from unittest import mock

import nbformat
import pytest

from tests.study import recording, report
from tests.tools import cells, renew

PICTURE = base64.b64encode(b"a picture").decode()
OTHER_PICTURE = base64.b64encode(b"another picture").decode()
GENERATED = "# Generated: numbers\nNUMBERS = []\n# End of what is generated"


def new_notebook():
    """Return a notebook with the cells that matter here, none of them run."""
    sources = {
        "device": "print('device')",
        "train": "history = train()",
        "reload": "reload()",
        "numbers": GENERATED,
        "it": "draw()",
        "other": "draw()",
    }
    made = [nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items()]
    made.append(nbformat.v4.new_markdown_cell("<!-- greeting -->\n<!-- end -->", id="text"))
    notebook = nbformat.v4.new_notebook(cells=made)
    for name in ("it", "other"):
        cells.cell(notebook, name).metadata["alt"] = f"A picture of {name}."
    return notebook


def edit(sources):
    """Give cells of the saved notebook other sources, by the cell's id."""
    notebook = cells.read()
    for name, source in sources.items():
        cells.cell(notebook, name).source = source
    cells.write(notebook)


class FakeClient:
    """Stands for nbclient's: it runs nothing, and writes outputs."""

    picture = PICTURE
    reloaded = "mnist-seed-0.pt: loss 0.0139, 9958 correct\n"
    meanwhile = {}  # what somebody edits while the notebook runs
    ran = []  # the sources of the last run

    def __init__(self, notebook, **options):
        self.notebook = notebook

    def execute(self):
        edit(self.meanwhile)
        FakeClient.ran = [cell.source for cell in cells.code_cells(self.notebook)]
        printed = {
            "print('device')": "Device: cpu, 1 thread\n",
            "reload()": self.reloaded,
            "print(history)": "[{'seconds': 9.5}]\n",
        }
        for number, cell in enumerate(cells.code_cells(self.notebook), start=1):
            cell.execution_count = number
            if cell.source in printed:
                cell.outputs = [nbformat.v4.new_output("stream", text=printed[cell.source])]
            if "draw" in cell.source:
                data = {"image/png": self.picture}
                cell.outputs = [nbformat.v4.new_output("display_data", data)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a notebook and two texts that renew works on instead of the real ones."""
    (tmp_path / "README.md").write_text("![A picture of it.](images/it.png)\n", encoding="utf-8")
    (tmp_path / "records.md").write_text("<!-- greeting -->\n<!-- end -->\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    monkeypatch.setattr(renew, "README", tmp_path / "README.md")
    monkeypatch.setattr(renew, "RECORDS", tmp_path / "records.md")
    monkeypatch.setattr(renew, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    monkeypatch.setattr(cells, "NOTEBOOK", tmp_path / "notebook.ipynb")
    monkeypatch.setattr(cells, "fingerprint", lambda notebook: "a fingerprint")
    monkeypatch.setitem(report.BLOCKS, "greeting", lambda notebook: "Hello.")
    monkeypatch.setitem(report.BLOCKS, "numbers", lambda notebook: "NUMBERS = [1, 2]")
    monkeypatch.setattr("nbclient.NotebookClient", FakeClient)
    cells.write(new_notebook())
    return tmp_path


def saved(name):
    """Return the cell of this name in the saved notebook."""
    return cells.cell(cells.read(), name)


def shown(name):
    """Return the picture of this cell in the saved notebook."""
    return saved(name).outputs[0].data["image/png"].strip()


def test_everything_is_renewed(folder):
    assert renew.main([]) == 0
    assert "NUMBERS = [1, 2]" in FakeClient.ran[3]  # before it is run
    assert saved("text").source == "<!-- greeting -->\nHello.\n<!-- end -->"
    assert (folder / "records.md").read_text(encoding="utf-8").splitlines()[1] == "Hello."
    assert (folder / "images" / "it.png").read_bytes() == b"a picture"
    assert saved("it").outputs[0].metadata["image/png"] == {"alt": "A picture of it."}
    notebook = cells.read()
    assert notebook.metadata["ran"] == cells.digests(notebook)


def test_a_run_keeps_what_made_its_outputs():
    renew.main([])
    run = cells.read().metadata["saved_run"]
    assert run["machine"].endswith(", 1 thread")
    assert run["code"] == "a fingerprint"
    assert set(run) == {"machine", "code", "python", "torch", "torchvision"}


def test_a_picture_without_a_text_loses_nothing_and_is_reported(capsys):
    notebook = new_notebook()
    del cells.cell(notebook, "it").metadata["alt"]
    cells.write(notebook)
    assert renew.main([]) == 1
    assert "The cell it draws a picture: its metadata needs a text" in capsys.readouterr().out
    assert shown("it") == PICTURE
    assert saved("text").source.splitlines()[1] == "Hello."


def test_a_picture_that_no_cell_draws_is_reported(folder, capsys):
    (folder / "README.md").write_text("![It](images/gone.png)\n", encoding="utf-8")
    assert renew.main([]) == 1
    assert "README.md shows images/gone.png, but no cell draws it." in capsys.readouterr().out


def test_a_text_that_cannot_be_made_loses_no_run_and_leaves_all_texts(folder, monkeypatch):
    (folder / "records.md").write_text("<!-- unknown -->\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="unknown"):
        renew.main([])
    assert shown("it") == PICTURE
    assert saved("text").source == "<!-- greeting -->\n<!-- end -->"


def test_text_that_was_changed_while_it_ran_is_kept(monkeypatch):
    monkeypatch.setattr(FakeClient, "meanwhile", {"text": "Other words."})
    assert renew.main([]) == 0
    assert saved("text").source == "Other words."
    assert shown("it") == PICTURE


def test_code_that_was_changed_while_it_ran_is_kept_without_outputs(monkeypatch):
    monkeypatch.setattr(FakeClient, "meanwhile", {"it": "redraw()"})
    with pytest.raises(SystemExit, match="nothing is saved"):
        renew.main([])
    assert saved("it").source == "redraw()"
    assert saved("it").outputs == []


def test_cells_that_draw_are_renewed_without_a_training(monkeypatch):
    renew.main([])
    edit({"it": "draw_in_grey()", "other": "draw_in_grey()"})
    monkeypatch.setattr(FakeClient, "picture", OTHER_PICTURE)
    assert renew.main(["--cells", "it"]) == 0
    assert FakeClient.ran[1] == "history = [{'seconds': 9.5}]"
    assert saved("train").source == "history = train()"
    assert (shown("it"), shown("other")) == (OTHER_PICTURE, PICTURE)
    present = cells.digests(cells.read())
    stale = [name for name in present if cells.read().metadata["ran"][name] != present[name]]
    assert stale == ["other"]


def test_weights_of_another_run_draw_nothing(monkeypatch):
    renew.main([])
    before = cells.NOTEBOOK.read_bytes()
    monkeypatch.setattr(FakeClient, "reloaded", "mnist-seed-0.pt: loss 0.0138, 9959 correct\n")
    with pytest.raises(SystemExit, match="not those of the saved run"):
        renew.main(["--cells", "it"])
    assert cells.NOTEBOOK.read_bytes() == before


def test_text_alone_runs_nothing_and_leaves_the_code(capsys):
    renew.main([])
    edit({"numbers": GENERATED, "text": "<!-- greeting -->\nOld words.\n<!-- end -->"})
    FakeClient.ran.clear()
    assert renew.main(["--text"]) == 1
    assert FakeClient.ran == []
    assert "renew with --cells" in capsys.readouterr().out
    assert saved("numbers").source == GENERATED
    assert saved("text").source.splitlines()[1] == "Hello."


def test_record_keeps_the_results_and_leaves_the_notebook(folder):
    before = cells.NOTEBOOK.read_bytes()
    values = dict.fromkeys(renew.VERSION_COLUMNS, "x")
    with mock.patch.object(report, "saved_run", return_value=values):
        assert renew.main(["--record"]) == 0
    assert (folder / "versions.csv").read_text(encoding="utf-8").count("\n") == 2
    assert cells.NOTEBOOK.read_bytes() == before
