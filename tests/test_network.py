"""The network's structure, counted in the live modules, and the comments that describe it."""

import re

import cells
import pytest
import torch
from torch import nn


@pytest.fixture
def network(names):
    return names["Net"]()


def layers(network):
    return list(network.layers)


def count(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


def test_it_has_exactly_15938_trainable_parameters(network):
    assert sum(parameter.numel() for parameter in network.parameters()) == 15_938
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_it_has_the_layers_that_the_assignment_counts(network):
    assert count(network, nn.Conv2d) == 8
    assert count(network, nn.Linear) == 1
    assert count(network, nn.MaxPool2d) == 3
    assert count(network, nn.AdaptiveAvgPool2d) == 1


def test_batch_norm_relu_and_dropout_follow_every_convolution(network):
    kinds = [type(layer) for layer in layers(network) if not isinstance(layer, nn.MaxPool2d)]
    for start in range(0, 32, 4):
        assert kinds[start : start + 4] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout2d]
    assert kinds[32:] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear, nn.LogSoftmax]
    assert all(layer.p > 0 for layer in layers(network) if isinstance(layer, nn.Dropout2d))


def test_the_first_four_convolutions_expand_and_squeeze_between_8_and_32(network):
    channels = [layer.out_channels for layer in layers(network) if isinstance(layer, nn.Conv2d)]
    assert min(channels) == 8 and max(channels) == 32
    assert channels[0] < channels[1] > channels[2] < channels[3]


def test_it_returns_log_probabilities(network):
    output = network.eval()(torch.randn(5, 1, 28, 28))
    assert output.shape == (5, 10)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(5))


def test_the_comments_beside_the_layers_are_true(notebook, network):
    """Every shape and receptive field written beside a layer is computed again from the modules."""
    measured, field, step = [], 1, 1
    images = torch.zeros(2, 1, 28, 28)
    for layer in layers(network):
        size = images.shape[-1]
        images = layer(images)
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * step
        elif isinstance(layer, nn.MaxPool2d):
            field, step = field + step, step * 2
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            field += (size - 1) * step
        if isinstance(layer, nn.Dropout2d | nn.AdaptiveAvgPool2d):
            measured.append((*images.shape[1:], field))
        elif isinstance(layer, nn.Flatten | nn.Linear | nn.LogSoftmax):
            measured.append((images.shape[1],))
    comments = re.findall(
        r",  #(.*)", cells.cell(notebook, "net").source.split("nn.Sequential(")[1]
    )
    assert [tuple(map(int, re.findall(r"\d+", comment))) for comment in comments] == measured
