"""Renewing: what is run, saved, filled in and drawn, and that a fault loses nothing."""

import base64
from unittest import mock

import cells
import figures
import nbformat
import pytest
import renew
import report

PNG = base64.b64encode(b"a picture").decode()
OTHER_PNG = base64.b64encode(b"another picture").decode()


def figure_cell(identifier, *pictures, **metadata):
    """Return a cell that has drawn these pictures."""
    outputs = [nbformat.v4.new_output("display_data", {"image/png": each}) for each in pictures]
    return nbformat.v4.new_code_cell(id=identifier, outputs=outputs, metadata=metadata)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a notebook and two READMEs that renew works on instead of the real ones."""
    (tmp_path / "README.md").write_text("![It](images/it.png)\n", encoding="utf-8")
    (tmp_path / "tests.md").write_text("<!-- greeting -->\n<!-- end -->\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    monkeypatch.setattr(renew, "README", tmp_path / "README.md")
    monkeypatch.setattr(renew, "TESTS_README", tmp_path / "tests.md")
    monkeypatch.setattr(renew, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(cells, "NOTEBOOK", tmp_path / "notebook.ipynb")
    monkeypatch.setitem(report.BLOCKS, "greeting", lambda notebook: "Hello.")
    monkeypatch.setitem(report.BLOCKS, "numbers", lambda notebook: "NUMBERS = [1, 2]")
    write_notebook(figure_cell("it", alt=["A picture of it."]))
    return tmp_path


def write_notebook(*code_cells):
    """Save a notebook with these cells, a cell of numbers and a text."""
    numbers = nbformat.v4.new_code_cell(
        "# Generated: numbers\n# End of what is generated", id="numbers"
    )
    text = nbformat.v4.new_markdown_cell("<!-- greeting -->\n<!-- end -->", id="text")
    cells.write(nbformat.v4.new_notebook(cells=[*code_cells, numbers, text]))


def draw(*pictures):
    """Return what stands for running the notebook: its first cell draws these pictures."""

    def execute(notebook):
        notebook.cells[0].outputs = figure_cell("it", *pictures).outputs
        notebook.cells[0].source = "executed"

    return mock.patch("renew.execute", execute)


def test_everything_is_renewed(place):
    with draw(PNG):
        assert renew.main([]) == 0
    notebook = cells.read()
    assert cells.cell(notebook, "text").source == "<!-- greeting -->\nHello.\n<!-- end -->"
    assert (place / "tests.md").read_text(encoding="utf-8").splitlines()[1] == "Hello."
    assert (place / "images" / "it.png").read_bytes() == b"a picture"
    (picture,) = figures.pictures(notebook)["it"]
    assert picture.metadata["image/png"] == {"alt": "A picture of it."}


def test_the_study_s_numbers_are_in_the_code_before_it_is_run(place):
    with mock.patch("renew.execute") as execute:
        renew.main([])
    notebook = execute.call_args.args[0]
    assert "NUMBERS = [1, 2]" in cells.cell(notebook, "numbers").source


@pytest.mark.parametrize("texts", [[], ["one", "two"]])
def test_a_figure_without_its_text_loses_nothing_and_is_reported(place, capsys, texts):
    write_notebook(figure_cell("it", alt=texts))
    with draw(PNG):
        assert renew.main([]) == 1
    assert f"draws 1 pictures, but its metadata has {len(texts)}" in capsys.readouterr().out
    assert cells.cell(cells.read(), "it").source == "executed"
    assert cells.cell(cells.read(), "text").source.splitlines()[1] == "Hello."


def test_the_run_is_saved_before_anything_else_can_fail(place):
    with (
        draw(PNG),
        mock.patch("renew.renew_text", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        renew.main([])
    assert cells.cell(cells.read(), "it").source == "executed"


def test_two_figures_of_one_cell_have_their_own_texts_and_files(place):
    write_notebook(figure_cell("it", alt=["The first.", "The second."]))
    readme = "![It](images/it.png) ![It too](images/it-2.png)\n"
    (place / "README.md").write_text(readme, encoding="utf-8")
    with draw(PNG, OTHER_PNG):
        assert renew.main([]) == 0
    texts = [each.metadata["image/png"]["alt"] for each in figures.pictures(cells.read())["it"]]
    assert texts == ["The first.", "The second."]
    assert (place / "images" / "it.png").read_bytes() == b"a picture"
    assert (place / "images" / "it-2.png").read_bytes() == b"another picture"


def test_a_picture_that_no_cell_draws_is_reported(place, capsys):
    with draw():
        assert renew.main([]) == 1
    assert "README.md shows images/it.png, but no cell draws it." in capsys.readouterr().out


def test_text_alone_runs_nothing_and_leaves_the_code(place, capsys):
    write_notebook(figure_cell("it", PNG, alt=["A picture of it."]))
    with mock.patch("renew.execute") as execute:
        assert renew.main(["--text"]) == 1
    assert not execute.called
    assert "renew without --text" in capsys.readouterr().out
    assert (
        cells.cell(cells.read(), "numbers").source
        == "# Generated: numbers\n# End of what is generated"
    )
    assert cells.cell(cells.read(), "text").source.splitlines()[1] == "Hello."


def test_record_keeps_the_results_and_leaves_the_notebook(place, monkeypatch):
    before = cells.NOTEBOOK.read_bytes()
    values = dict.fromkeys(renew.VERSION_COLUMNS, "x")
    monkeypatch.setattr("recording.FOLDER", place)
    with draw(PNG), mock.patch("report.saved_run", return_value=values):
        assert renew.main(["--record"]) == 0
    assert (place / "versions.csv").read_text(encoding="utf-8").count("\n") == 2
    assert cells.NOTEBOOK.read_bytes() == before


class FakeClient:
    """Stands for nbclient's: it runs nothing, and writes one output."""

    def __init__(self, notebook, **options):
        self.notebook, self.options = notebook, options

    def execute(self):
        text = "Device: cpu, 1 thread\n"
        self.notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=text)]


@mock.patch("nbclient.NotebookClient", wraps=FakeClient)
def test_a_run_keeps_what_made_its_outputs(client):
    cell = nbformat.v4.new_code_cell("print('the device')", id="device")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    renew.execute(notebook)
    saved = notebook.metadata["saved_run"]
    assert saved["machine"].endswith(", 1 thread")
    assert saved["code"] == cells.fingerprint(notebook)
    assert set(saved) == {"machine", "code", "python", "torch", "torchvision"}
    assert client.call_args.kwargs["coalesce_streams"]  # else each bar is stored many times
    assert not client.call_args.kwargs["record_timing"]
