"""The benchmark: the usual way is the same network, and the notebook's steps are cheap."""

import benchmark
import cells
import pytest
from torch import nn


def usual_names(notebook, **settings):
    """Return the namespace of the notebook as it is usually written."""
    return cells.definitions(cells.edited(notebook, [benchmark.USUAL_BLOCK]), settings)


def test_the_usual_way_has_its_layers_in_the_usual_order(notebook):
    block = usual_names(notebook)["block"](8, 16, pool=True)
    kinds = [type(layer).__name__ for layer in block]
    assert kinds == ["Conv2d", "ReLU", "BatchNorm2d", "Dropout", "MaxPool2d"]


def test_the_usual_way_has_the_same_convolutions_and_poolings(notebook, names):
    shapes = []
    for network in (names["Net"](), usual_names(notebook)["Net"]()):
        layers = [layer for layer in network if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]
        shapes.append([str(layer) for layer in layers])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("way", [benchmark.HERE, benchmark.USUAL, benchmark.PLAIN])
def test_an_epoch_takes_some_time(way):
    assert 0 < benchmark.measure(way, count=256) < 60


def test_a_training_step_calls_few_operators_and_waits_once():
    calls, reads = benchmark.count_operators()
    assert calls <= 1_000
    assert reads <= 1
