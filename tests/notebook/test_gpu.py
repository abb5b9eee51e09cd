"""The notebook on a simulated graphics processor: every tensor is where it should be."""

from unittest.mock import patch

import matplotlib.pyplot as plt
import pytest
import torch

from tests import cells
from tests.notebook.simulated_gpu import GpuTensor, SimulatedGpu


def draw_and_close():
    """Stand in for plt.show: only what is drawn shows whether matplotlib can read it."""
    plt.gcf().canvas.draw()
    plt.close()


@pytest.fixture
def gpu():
    with SimulatedGpu() as gpu:
        yield gpu


def test_the_simulation_refuses_what_a_graphics_processor_refuses(gpu):
    with pytest.raises(RuntimeError, match="same device"):
        torch.rand(3, device="cuda") + torch.rand(3)
    with pytest.raises(RuntimeError, match="not supported"):
        torch.rand(3).to("cuda").numpy()


def test_a_graphics_processor_is_used_if_there_is_one(notebook, names, gpu):
    assert names["choose_device"]() == torch.device("cpu")
    with patch.object(torch.cuda, "is_available", return_value=True):
        cells.run(notebook, names, "device-run")
    assert names["device"] == torch.device("cuda")


def test_a_graphics_processor_that_is_too_old_is_told_and_not_used(names, capsys):
    too_old = RuntimeError("CUDA error: no kernel image is available\nmore lines")
    with (
        patch.object(torch.cuda, "is_available", return_value=True),
        patch.object(torch, "ones", side_effect=too_old),
    ):
        assert names["choose_device"]() == torch.device("cpu")
    expected = "The GPU cannot be used, so the CPU is: "
    assert capsys.readouterr().out == f"{expected}CUDA error: no kernel image is available\n"


def test_all_four_tensors_are_loaded_to_the_device(names, gpu):
    loaded = names["load_mnist"](cells.ROOT / "data", torch.device("cuda"))
    assert all(isinstance(tensor, GpuTensor) for tensor in loaded)


@pytest.fixture
def ready(names, mnist, gpu):
    """The namespace before the training, with 100 images of each set on the device."""
    names["device"] = torch.device("cuda")
    few = [values[:100] for values in mnist]
    names["load_mnist"] = lambda folder=None, device="cpu": [each.to(device) for each in few]
    return names


def test_a_step_of_the_training_waits_once_for_the_device(ready, gpu):
    ready["BATCH_SIZE"] = 10
    model = ready["Net"]().to("cuda")
    images, labels = ready["load_mnist"](device="cuda")[:2]
    optimizer = torch.optim.SGD(model.parameters())
    gpu.reads = 0
    ready["train_one_epoch"](model, ready["Net"]().to("cuda"), images, labels, optimizer, 1)
    steps = 100 / 10
    assert gpu.reads == steps + 1  # the last one is the number of right answers


def test_every_cell_runs_with_its_tensors_on_the_device(notebook, ready, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", draw_and_close)
    ready["EPOCHS"] = 4
    for cell in cells.code_cells(notebook):
        if cells.DEFINITION in cell.metadata.get("tags", []) or cell.id == "device-run":
            continue  # they are executed already, and the device is chosen
        if cell.id == "gate":  # a hundred images are not enough
            with pytest.raises(AssertionError, match="Not met: .*100 test images"):
                cells.run(notebook, ready, cell.id)
        else:
            cells.run(notebook, ready, cell.id)
    networks = [ready["model"], ready["averaged_model"], ready["trained_model"]]
    weights = [weight for network in networks for weight in network.parameters()]
    assert all(weight.is_cuda for weight in weights)
    assert len(ready["history"]) == 4
