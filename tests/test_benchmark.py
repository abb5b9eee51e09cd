"""The benchmark: the usual way is the same network, and the notebook's steps are cheap."""

from unittest.mock import patch

import benchmark
import cells
import pytest
import report
import torch
from torch import nn


def usual_names(notebook):
    """Return the namespace of the notebook as it is usually written."""
    return cells.definitions(cells.edited(notebook, [benchmark.USUAL_BLOCK]))


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


def test_the_usual_way_augments_with_the_notebook_s_strengths_or_not_at_all(names):
    names["DATA_FOLDER"] = cells.ROOT / "data"
    with_augmentation = benchmark.usual_images(names, 10, augmented=True)
    without = benchmark.usual_images(names, 10, augmented=False)
    affine = with_augmentation.dataset.dataset.transform.transforms[0]
    assert affine.degrees == [-names["ROTATION"], names["ROTATION"]]
    assert affine.translate == (names["SHIFT"] / 28, names["SHIFT"] / 28)
    assert affine.scale == (1 - names["SCALE"], 1 + names["SCALE"])
    assert len(without.dataset.dataset.transform.transforms) == 2  # no augmentation
    assert with_augmentation.batch_size == without.batch_size == names["BATCH_SIZE"]


def test_the_usual_way_steps_as_far_as_the_notebook(names):
    names["DATA_FOLDER"] = cells.ROOT / "data"
    with patch.object(torch.optim, "SGD", wraps=torch.optim.SGD) as sgd:
        benchmark.epoch_usual(names, count=128)
    assert sgd.call_args.args[1:] == (names["LEARNING_RATE"], names["MOMENTUM"])


@pytest.mark.parametrize("way", [report.HERE, report.USUAL, report.USUAL_WITHOUT_AUGMENTATION])
def test_an_epoch_takes_some_time(way):
    assert 0 < benchmark.measure(way, count=256) < 60


@pytest.mark.parametrize(
    ("way", "augmented"), [(report.USUAL, True), (report.USUAL_WITHOUT_AUGMENTATION, False)]
)
def test_the_usual_ways_train_the_usual_network_and_differ_in_augmentation(way, augmented):
    with patch.object(benchmark, "epoch_usual", return_value=1.0) as epoch_usual:
        assert benchmark.measure(way, count=256) == 1.0
    for names, _, is_augmented in (call.args for call in epoch_usual.call_args_list):
        assert any(type(layer) is nn.Dropout for layer in names["Net"]())
        assert is_augmented == augmented
    counts = [call.args[1] for call in epoch_usual.call_args_list]
    assert counts == [benchmark.WARM_UP, 256]


def test_a_training_step_calls_few_operators_and_waits_once():
    calls, reads = benchmark.count_operators()
    assert 0 < calls <= 1_000
    assert reads == 1
