"""Fixtures that the tests share."""

import os

import cells
import pytest
import torch

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test draws the same random numbers each time it runs."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def notebook():
    """The saved notebook."""
    return cells.read()


@pytest.fixture
def names():
    """The notebook's imports, functions, classes and settings, executed anew for each test."""
    return cells.definitions()


@pytest.fixture(scope="session")
def mnist():
    """Train images, train labels, test images and test labels, as the notebook loads them."""
    return cells.definitions()["load_mnist"](cells.ROOT / "data")
