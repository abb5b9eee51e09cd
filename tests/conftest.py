"""Fixtures that the tests share."""

import matplotlib.pyplot as plt
import pytest
import torch

from tests import cells

plt.switch_backend("Agg")  # figures are drawn, and no window opens


@pytest.fixture(autouse=True, scope="session")
def no_gpu():
    """Hide a graphics processor that may be there: a test means the same on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield


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
def shown(monkeypatch):
    """The figures that the notebook has shown, in order."""
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    yield figures
    plt.close("all")
