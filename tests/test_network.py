"""The network: its parts, their order, and what the text says of each of them."""

import re

import cells
import torch
from torch import nn


def test_its_parts_and_their_order_are_the_assignment_s(names):
    network, kinds = names["Net"](), ""
    for pool in (False, True, False, True, False, False, False, True):
        kinds += f"Conv2d {'MaxPool2d ' * pool}BatchNorm2d ReLU Dropout2d "
    kinds += "AdaptiveAvgPool2d Flatten Linear LogSoftmax"
    assert [type(layer).__name__ for layer in network] == kinds.split()
    assert sum(each.numel() for each in network.parameters() if each.requires_grad) == 15_938
    assert all(layer.bias is None for layer in network if isinstance(layer, nn.Conv2d))


def test_shapes_and_receptive_fields_beside_the_layers_are_true(notebook, names):
    measured, images, field, step = [], torch.zeros(2, 1, 28, 28), 1, 1
    for layer in names["Net"]():
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * step
        elif isinstance(layer, nn.MaxPool2d):
            field, step = field + step, step * 2
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            field += (images.shape[-1] - 1) * step
        images = layer(images)
        if isinstance(layer, nn.Dropout2d | nn.AdaptiveAvgPool2d):
            measured.append([*images.shape[1:], field])
        elif isinstance(layer, nn.Flatten | nn.Linear | nn.LogSoftmax):
            measured.append([*images.shape[1:]])
    comments = re.findall(r",  #(.*)", cells.cell(notebook, "net").source)
    assert [[*map(int, re.findall(r"\d+", each))] for each in comments] == measured


def test_it_predicts_log_probabilities_and_drops_out_as_set_in_training_alone(notebook):
    names = cells.definitions(notebook, DROPOUT=0.37)
    network, predict, images = names["Net"](), names["predict"], torch.randn(8, 1, 28, 28)
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout2d)] == [0.37] * 8
    assert not torch.equal(network(images), network(images))
    output = predict(network, images)
    assert torch.equal(predict(network, images), output) and output.shape == (8, 10)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(8))
    alone = torch.cat([predict(network, image[None]) for image in images])
    torch.testing.assert_close(output, alone, atol=1e-5, rtol=0)
