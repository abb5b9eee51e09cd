"""The notebook on a simulated graphics processor: every tensor is where it should be."""

from unittest.mock import patch

import matplotlib.pyplot as plt
import pytest
import torch

from tests.notebook.simulated_gpu import GpuTensor, SimulatedGpu
from tests.tools import cells


def draw_and_close():
    """Stand in for plt.show: only what is drawn shows whether matplotlib can read it."""
    plt.gcf().canvas.draw()
    plt.close()


@pytest.fixture
def gpu():
    with SimulatedGpu() as gpu:
        yield gpu


def test_the_simulation_refuses_to_mix_devices(gpu):
    with pytest.raises(RuntimeError, match="same device"):
        torch.rand(3, device="cuda") + torch.rand(3)


def test_the_simulation_refuses_numpy(gpu):
    with pytest.raises(RuntimeError, match="not supported"):
        torch.rand(3).to("cuda").numpy()


def test_the_simulation_counts_each_read(gpu):
    numbers = torch.ones(3, device="cuda")
    assert numbers.sum().item() == 3
    assert numbers.cpu().tolist() == [1, 1, 1]
    assert gpu.reads == 2


def test_a_graphics_processor_is_used_if_there_is_one(notebook, names):
    with patch.object(torch.cuda, "is_available", return_value=True):
        cells.run(notebook, names, "device")
    assert names["device"] == torch.device("cuda")


def test_all_four_tensors_are_loaded_to_the_device(names, gpu):
    loaded = names["load_mnist"](cells.ROOT / "data", torch.device("cuda"))
    assert all(isinstance(tensor, GpuTensor) for tensor in loaded)


def test_augmentation_draws_where_the_images_are(names, gpu):
    assert names["random_affine"](torch.rand(5, 1, 28, 28, device="cuda")).is_cuda


@pytest.fixture
def ready(names, mnist, gpu):
    """The namespace before the training, with 40 images of each set on the device."""
    names["device"] = torch.device("cuda")
    few = [values[:40] for values in mnist]
    names["load_mnist"] = lambda folder=None, device="cpu": [each.to(device) for each in few]
    return names


def test_a_step_of_the_training_reads_one_number(ready, gpu):
    ready["BATCH_SIZE"] = 4
    model = ready["Net"]().to("cuda")
    images, labels = ready["load_mnist"](device="cuda")[:2]
    optimizer = torch.optim.SGD(model.parameters())
    gpu.reads = 0
    ready["train_one_epoch"](model, ready["Net"]().to("cuda"), images, labels, optimizer, 1)
    steps = 40 / 4
    assert gpu.reads == steps + 1  # the last one is the number of right answers


def test_an_evaluation_reads_two_numbers(ready, gpu):
    model = ready["Net"]().to("cuda")
    images, labels = ready["load_mnist"](device="cuda")[:2]
    gpu.reads = 0
    ready["evaluate"](model, images, labels)
    assert gpu.reads == 2


def test_every_cell_runs_with_its_tensors_on_the_device(notebook, ready, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", draw_and_close)
    ready["EPOCHS"] = 4
    for cell in cells.code_cells(notebook):
        if cell.id in cells.DEFINITIONS or cell.id == "device":
            continue  # they are executed already, and the device is chosen
        if cell.id == "gate":  # forty images are not enough
            with pytest.raises(AssertionError, match="Not met: 40 test images"):
                cells.run(notebook, ready, cell.id)
        else:
            cells.run(notebook, ready, cell.id)
    networks = [ready["model"], ready["averaged_model"], ready["trained_model"]]
    weights = [weight for network in networks for weight in network.parameters()]
    assert all(weight.is_cuda for weight in weights)
    assert len(ready["history"]) == 4
