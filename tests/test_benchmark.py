"""The benchmark: the usual way is the same network, and the notebook's steps are cheap."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import benchmark
import cells
import pytest
import recording
import renew
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


def test_the_usual_way_loads_images_with_two_workers_as_the_text_says(names):
    names["DATA_FOLDER"] = cells.ROOT / "data"
    assert benchmark.usual_images(names, 10, augmented=True).num_workers == 2
    assert "a `DataLoader` with two workers" in renew.README.read_text(encoding="utf-8")


WAYS = [report.HERE, report.USUAL, report.USUAL_WITHOUT_AUGMENTATION]


@pytest.mark.parametrize("way", WAYS)
def test_an_epoch_takes_some_time(way):
    assert 0 < benchmark.measure(way, count=256) < 60


@pytest.mark.parametrize("way", WAYS)
def test_what_counts_is_an_epoch_on_all_training_images_after_a_short_one(way):
    def seconds(*arguments):
        return 2.0 if benchmark.WARM_UP in arguments else 30.0

    with (
        patch.object(benchmark, "epoch_here", side_effect=seconds) as epoch_here,
        patch.object(benchmark, "epoch_usual", side_effect=seconds) as epoch_usual,
    ):
        assert benchmark.measure(way) == 30.0
    counts = [call.args[2] for call in epoch_here.call_args_list]
    counts += [call.args[1] for call in epoch_usual.call_args_list]
    assert counts == [benchmark.WARM_UP, 60_000]


def threads_instead_of_processes(workers, context, max_tasks_per_child):
    """Return an executor that measures here."""
    assert (workers, max_tasks_per_child) == (1, 1)  # one at a time, each in a new process
    return ThreadPoolExecutor(workers)


def test_every_measurement_is_recorded_under_its_name_with_all_that_it_depends_on(
    notebook, empty_records, monkeypatch
):
    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", threads_instead_of_processes)
    monkeypatch.setattr(benchmark, "count_operators", lambda: (900, 1))
    benchmark.main([], dict(zip(WAYS, [10, 30, 20], strict=True)).get)
    rows = recording.read("benchmark.csv")
    assert rows["measure"].tolist() == [*WAYS * benchmark.ROUNDS, report.CALLS, report.READS]
    assert rows["value"].tolist() == [*[10, 30, 20] * benchmark.ROUNDS, 900, 1]
    assert not report.is_earlier(rows, notebook)
    assert report.is_earlier(rows.assign(code="other"), notebook)
    assert report.is_earlier(rows.assign(benchmark="other"), notebook)


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
