"""The benchmark: the usual way trains the same network, and what is measured is recorded."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
import torch
from torch import nn

from tests.study import plans, recording, report
from tests.tools import benchmark, cells


def usual_network(notebook):
    """Return the network as it is usually written."""
    return cells.definitions(cells.edited(notebook, [benchmark.USUAL_BLOCK]))["Net"]()


def test_the_usual_way_has_the_same_convolutions_and_poolings(notebook, names):
    shapes = []
    for network in (names["Net"](), usual_network(notebook)):
        layers = [layer for layer in network if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]
        shapes.append([str(layer) for layer in layers])
    assert shapes[0] == shapes[1]
    kinds = [type(layer).__name__ for layer in usual_network(notebook)]
    pooling = kinds.index("MaxPool2d")
    assert kinds[pooling - 4 : pooling] == ["Conv2d", "ReLU", "BatchNorm2d", "Dropout"]


def test_the_usual_way_augments_as_strongly_and_steps_as_far(names):
    names["DATA_FOLDER"] = cells.ROOT / "data"
    images = benchmark.usual_images(names, 10)
    affine = images.dataset.dataset.transform.transforms[0]
    assert affine.degrees == [-names["ROTATION"], names["ROTATION"]]
    assert affine.translate == (names["SHIFT"] / 28, names["SHIFT"] / 28)
    assert affine.scale == (1 - names["SCALE"], 1 + names["SCALE"])
    assert images.batch_size == names["BATCH_SIZE"]
    with patch.object(torch.optim, "SGD", wraps=torch.optim.SGD) as sgd:
        benchmark.epoch_usual(names, 128)
    assert sgd.call_args.args[1:] == (names["LEARNING_RATE"], names["MOMENTUM"])


@pytest.mark.parametrize(
    ("way", "epoch"),
    [(report.HERE, "epoch_here"), (report.USUAL, "epoch_usual"), (report.THIRD, "epoch_here")],
)
def test_an_epoch_of_each_way_s_own_network_takes_some_time(notebook, names, way, epoch):
    with patch.object(benchmark, epoch, wraps=getattr(benchmark, epoch)) as timed:
        assert 0 < benchmark.measure(way, count=256) < 60
    networks = {
        report.HERE: names["Net"](),
        report.USUAL: usual_network(notebook),
        report.THIRD: cells.definitions(plans.with_plan(notebook, plans.THIRD_VERSION))["Net"](),
    }
    assert str(timed.call_args.args[-2]["Net"]()) == str(networks[way])


@pytest.mark.parametrize(
    "plan, ways",
    [
        (plans.THIRD_VERSION, [report.HERE, report.USUAL]),
        ("another", [report.HERE, report.USUAL, report.THIRD]),
    ],
)
def test_measurements_are_recorded_with_all_that_they_depend_on(
    notebook, tmp_path, monkeypatch, plan, ways
):
    def threads(workers, context, max_tasks_per_child):
        assert (workers, max_tasks_per_child) == (1, 1)  # one at a time, each in a new process
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", threads)
    monkeypatch.setattr(benchmark, "measure", len)
    monkeypatch.setattr(report, "plan_of", lambda _: plan)
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    benchmark.main([])
    rows = recording.read("benchmark.csv")
    assert rows["measure"].tolist() == ways * benchmark.ROUNDS
    assert rows["value"].tolist() == [len(way) for way in ways] * benchmark.ROUNDS
    assert not report.is_earlier(rows, notebook)
    assert report.is_earlier(rows.assign(code="other"), notebook)
    assert report.is_earlier(rows.assign(benchmark="other"), notebook)
