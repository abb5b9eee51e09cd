"""Fixtures that the tests share."""

import cells
import matplotlib.pyplot as plt
import pytest
import recording
import results
import torch

from made_up_records import CODE, PUBLISHED, MadeUpRecords
from stand_ins import ScriptedTraining

plt.switch_backend("Agg")  # figures are drawn, and no window opens


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def notebook():
    """The saved notebook, read once for all tests: no test may change it."""
    return cells.read()


@pytest.fixture
def define(notebook):
    """A function that executes the notebook's definitions, and returns their namespace.

    What it is given by name replaces settings, as in define(DROPOUT=0.5).
    """

    def define(**settings):
        return cells.definitions(notebook, settings)

    return define


@pytest.fixture
def names(define):
    """The namespace of the notebook's definitions, executed anew for each test."""
    return define()


@pytest.fixture(scope="session")
def mnist(notebook):
    """Train images and labels, test images and labels, as the notebook loads them.

    Loaded once for all tests: no test may change them.
    """
    return cells.definitions(notebook)["load_mnist"](cells.ROOT / "data")


@pytest.fixture
def empty_records(monkeypatch, tmp_path):
    """Empty records in a folder of their own."""
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    return MadeUpRecords(tmp_path)


@pytest.fixture
def records(empty_records, monkeypatch):
    """Empty records in which CODE of made_up_records is every notebook's code, even None's.

    Three pairs are enough to be shown.
    """
    monkeypatch.setattr(recording, "PUBLISHED", PUBLISHED)
    monkeypatch.setattr(cells, "fingerprint", lambda *_: CODE)
    monkeypatch.setattr(results, "FEWEST_PAIRS", 3)  # so that records can be small
    return empty_records


@pytest.fixture
def shown(monkeypatch):
    """The figures that the notebook has shown, in order."""
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    yield figures
    plt.close("all")


@pytest.fixture
def scripted(notebook, define, monkeypatch, tmp_path):
    """A function that makes a ScriptedTraining of a script and settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)  # the weights file lands there

    def scripted(script, **settings):
        return ScriptedTraining(notebook, define(**settings), script)

    return scripted
