"""The network: its parts, their order, and what the text says of each of them."""

import re

import cells
import torch
from torch import nn


def seen_by(layers, output):
    """Return the first and last input pixel of a side that its output-th output sees."""
    values = images = torch.zeros(1, 1, 28, 28, requires_grad=True)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            ones = torch.ones_like(layer.weight)
            values = nn.functional.conv2d(values, ones, padding=layer.padding)
        elif isinstance(layer, nn.MaxPool2d):
            values = nn.functional.avg_pool2d(values, layer.kernel_size)
    values[0, 0, output, output].backward()
    pixels = images.grad.sum(dim=(0, 1, 2)).nonzero()
    return pixels.min().item(), pixels.max().item()


def test_its_parts_and_their_order_are_the_assignment_s(names):
    network, kinds = names["Net"](), ""
    for pool in (False, True, False, True, False, False, False, True):
        kinds += f"Conv2d {'MaxPool2d ' * pool}BatchNorm2d ReLU Dropout2d "
    kinds += "AdaptiveAvgPool2d Flatten Linear LogSoftmax"
    assert [type(layer).__name__ for layer in network] == kinds.split()
    assert sum(each.numel() for each in network.parameters() if each.requires_grad) == 15_938
    assert all(layer.bias is None for layer in network if isinstance(layer, nn.Conv2d))


def test_shapes_and_fields_beside_the_layers_and_in_the_text_are_true(notebook, names):
    layers, measured, ends, field, step = list(names["Net"]()), [], [], 1, 1
    images = torch.zeros(2, 1, 28, 28)
    for i, layer in enumerate(layers, 1):
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * step
        elif isinstance(layer, nn.MaxPool2d):
            field, step = field + step, step * 2
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            field += (images.shape[-1] - 1) * step
        images = layer(images)
        if isinstance(layer, nn.Dropout2d | nn.AdaptiveAvgPool2d):
            measured.append([*images.shape[1:], field])
            ends.append(i)
        elif isinstance(layer, nn.Flatten | nn.Linear | nn.LogSoftmax):
            measured.append([*images.shape[1:]])
    comments = re.findall(r",  #(.*)", cells.cell(notebook, "net").source)
    assert [[*map(int, re.findall(r"\d+", each))] for each in comments] == measured
    text = cells.cell(notebook, "summary-text").source
    fields = re.search(r"seventh.*?RF (\d+)\).*?(\d+) and (\d+) reach", text).groups()
    assert [*map(int, fields)] == [row[3] for row in measured[6:9]]
    pixels = re.search(r"pixels (\d+) to (\d+), or (\d+) to (\d+)", text).groups()
    seventh, eighth = layers[: ends[6]], layers[: ends[7]]
    assert (*seen_by(seventh, 0), *seen_by(seventh, -1)) == (*map(int, pixels),)
    assert seen_by(eighth, 0) == seen_by(eighth, -1) == (0, 27)


def test_it_returns_log_probabilities_and_drops_out_as_set_in_training_alone(notebook):
    network = cells.definitions(notebook, DROPOUT=0.37)["Net"]()
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout2d)] == [0.37] * 8
    images = torch.randn(8, 1, 28, 28)
    assert not torch.equal(network(images), network(images))
    output = network.eval()(images)
    assert torch.equal(network(images), output) and output.shape == (8, 10)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(8))
