"""Cells may be run again, in any order: nothing that a cell needs is overwritten by another."""

import symtable
from pathlib import Path
from unittest.mock import Mock

import matplotlib.pyplot as plt
import pytest
import torch

from tests import cells

SETS = ("train_images", "train_labels", "test_images", "test_labels")


def globals_in(scope):
    """Return the global names that a function, and whatever is inside it, uses."""
    found = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
    for inner in scope.get_children():
        found |= globals_in(inner)
    return found


def global_names(cell):
    """Return the names that a cell sets, and those that it needs from elsewhere.

    A name that the cell sets and uses outside of its functions is taken for its own.
    """
    top = symtable.symtable(cell.source, cell.id, "exec")
    symbols = top.get_symbols()
    own = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    used = {each.get_name() for each in symbols if each.is_referenced()}
    of_functions = set()
    for scope in top.get_children():
        if scope.get_name() in ("listcomp", "genexpr"):
            used |= globals_in(scope)
        else:
            own.add(scope.get_name())
            of_functions |= globals_in(scope)
    return own, (used - own) | of_functions


def test_what_one_cell_needs_of_another_no_third_one_sets(notebook):
    """So after Run all, any cell runs again, and any pair of cells."""
    setters = {}  # the cells that set a name
    for cell in cells.code_cells(notebook):
        for name in global_names(cell)[0]:
            setters.setdefault(name, []).append(cell.id)
    for cell in cells.code_cells(notebook):
        for name in global_names(cell)[1] & setters.keys():
            assert len(setters[name]) == 1, f"{cell.id} needs {name}: {setters[name]} set it"


def run_all_cells(notebook, names):
    """Run all cells but the definitions; the gate must stop, for so few images."""
    for cell in cells.code_cells(notebook):
        if cell.id == "gate":
            with pytest.raises(AssertionError, match="100 test images"):
                cells.run(notebook, names, cell.id)
        elif cells.DEFINITION not in cell.metadata.get("tags", []):
            cells.run(notebook, names, cell.id)


@pytest.fixture(scope="module")
def session(notebook, mnist, tmp_path_factory):
    """The namespace after two runs of all cells, with four epochs and a hundred images of each set.

    What the first run left is under the name first.
    """
    folder = tmp_path_factory.mktemp("Übung 3 b")
    names = cells.definitions(notebook, {"EPOCHS": 4})
    names["load_mnist"] = Mock(return_value=[values[:100].clone() for values in mnist])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(plt, "show", plt.close)
        run_all_cells(notebook, names)
        first = dict(names)
        run_all_cells(notebook, names)
    return names | {"first": first, "folder": folder}


def test_the_second_run_measures_the_same_as_the_first(session):
    assert len(session["history"]) == 4
    for before, after in zip(session["first"]["history"], session["history"], strict=True):
        assert before | {"seconds": None} == after | {"seconds": None}


def test_no_cell_changes_the_data(session, mnist):
    for name, values in zip(SETS, mnist, strict=True):
        assert torch.equal(session[name], values[:100])


def test_no_cell_after_the_training_changes_the_network(session):
    saved = torch.load(session["folder"] / session["weights_file"])
    weights = session["trained_model"].state_dict()
    torch.testing.assert_close(dict(weights), dict(saved), atol=0, rtol=0)


def test_nothing_but_the_weights_is_written_beside_the_notebook(session):
    assert list(session["folder"].iterdir()) == [session["folder"] / Path("mnist-seed-0.pt")]


def test_another_day_the_saved_weights_are_enough(notebook, names, mnist, monkeypatch, tmp_path):
    """One can go on at the study: nothing from there on needs the training, but the gate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", plt.close)
    names.update(load_mnist=lambda *_: [values[:100] for values in mnist])
    names["save_weights"](names["Net"]())
    order = [cell.id for cell in cells.code_cells(notebook)]
    left_out = order[order.index("train") : order.index("ladder-dots")]
    left_out.remove("reload")
    left_out += cells.tagged(notebook, cells.DEFINITION)
    cells.run(notebook, names, *[name for name in order[:-1] if name not in left_out])
    assert "history" not in names
