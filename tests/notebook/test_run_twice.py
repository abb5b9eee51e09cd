"""All cells run twice, one after the other, in a folder with an odd name."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import Mock

import matplotlib.pyplot as plt
import pytest
import torch

from tests.tools import cells

SETS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass
class Session:
    """The notebook's namespace, the folder that it ran in, and what each run left behind."""

    names: dict
    functions: dict  # those of the notebook's definitions, before the first run
    folder: Path
    histories: list = field(default_factory=list)
    weights: list = field(default_factory=list)  # of the network that was loaded again
    errors: list = field(default_factory=list)  # pairs: the cell, and what it said


def run_all_cells(notebook, session):
    for cell in cells.code_cells(notebook):
        if cell.id in cells.DEFINITIONS:
            continue  # they are executed already, with the settings of this test
        try:
            cells.run(notebook, session.names, cell.id)
        except AssertionError as error:
            session.errors.append((cell.id, str(error)))
    session.histories.append(list(session.names["history"]))
    session.weights.append(copy.deepcopy(session.names["trained_model"].state_dict()))


@pytest.fixture(scope="module")
def session(notebook, mnist, tmp_path_factory):
    """All cells after two runs, with four epochs and forty images of each set."""
    folder = tmp_path_factory.mktemp("Übung 3 b")
    names = cells.definitions(notebook, {"EPOCHS": 4})
    names["load_mnist"] = Mock(return_value=[values[:40].clone() for values in mnist])
    functions = {name: value for name, value in names.items() if callable(value)}
    session = Session(names, functions, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(plt, "show", plt.close)
        run_all_cells(notebook, session)
        run_all_cells(notebook, session)
    return session


def test_the_gate_alone_stops_for_forty_images(session):
    first, second = session.errors
    assert first == second
    assert first[0] == "gate"
    assert first[1].startswith("Not met: 40 test images")


def test_the_second_run_measures_the_same_as_the_first(session):
    first, second = session.histories
    assert len(first) == 4
    for before, after in zip(first, second, strict=True):
        assert before | {"seconds": None} == after | {"seconds": None}


@pytest.mark.parametrize("number", range(4))
def test_no_cell_changes_the_data(session, mnist, number):
    assert torch.equal(session.names[SETS[number]], mnist[number][:40])


def test_no_cell_after_the_training_changes_the_network(session):
    saved = torch.load(session.folder / session.names["weights_file"])
    for weights in session.weights:
        torch.testing.assert_close(dict(weights), dict(saved), atol=0, rtol=0)


def test_no_cell_takes_the_name_of_a_function_for_something_else(session):
    for name, function in session.functions.items():
        assert session.names[name] is function, name


def test_nothing_but_the_weights_is_written_beside_the_notebook(session):
    assert [path.name for path in session.folder.iterdir()] == ["mnist-seed-0.pt"]
