"""The network: its layers, its size, and what stands beside its layers and in its pictures."""

import re

import numpy as np
import torch
from torch import nn

from tests import cells

PARAMETERS = 15_938  # of the network: no other test names the number
# The layers that end a line of the cell, and so have a comment beside them.
LAST_IN_A_LINE = (nn.Dropout2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear, nn.LogSoftmax)


def comments(notebook):
    """Return the numbers of each comment beside a layer: ([channels, height, width], RF).

    Layers without a place in the image have no height, no width, and None for an RF.
    """
    found = []
    for text in re.findall(r",  #(.*)", cells.cell(notebook, "net").source):
        size, _, receptive_field = text.partition("RF")
        shape = [int(number) for number in size.split(" x ")]
        found.append((shape, int(receptive_field) if receptive_field else None))
    return found


def test_it_has_as_many_parameters_as_the_published_solution_and_trains_all(names):
    parameters = list(names["Net"]().parameters())
    assert sum(parameter.numel() for parameter in parameters) == PARAMETERS
    assert all(parameter.requires_grad for parameter in parameters)


def test_the_layers_stand_in_the_order_that_the_text_tells(names):
    """Each convolution is followed by pooling, where there is one, BN, ReLU and dropout."""
    layers = " ".join(type(layer).__name__ for layer in names["Net"]())
    block = "Conv2d (MaxPool2d )?BatchNorm2d ReLU Dropout2d "
    assert re.fullmatch(f"({block})+AdaptiveAvgPool2d Flatten Linear LogSoftmax", layers)


def test_the_sizes_beside_the_layers_are_those_of_an_image_that_passes(notebook, names):
    output, sizes = torch.zeros(2, 1, 28, 28), []
    for layer in names["Net"]():
        output = layer(output)
        if isinstance(layer, LAST_IN_A_LINE):
            sizes.append(list(output.shape[1:]))
    assert sizes == [shape for shape, _ in comments(notebook)]


def receptive_fields(network):
    """Return the side of what an output sees, and the step from one output to the next, by block.

    Both are in pixels, as if the image went on beyond its edges.
    """
    fields, side, step = [], 1, 1
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel_size, stride = np.atleast_1d(layer.kernel_size), np.atleast_1d(layer.stride)
            side += (kernel_size[0] - 1) * step
            step *= stride[0]
        elif isinstance(layer, nn.Dropout2d):  # the end of a block
            fields.append((side, step))
    return fields


def test_the_receptive_fields_beside_the_layers_grow_as_kernels_and_strides_say(notebook, names):
    *named, of_pooling = [receptive_field for _, receptive_field in comments(notebook)[:9]]
    fields = receptive_fields(names["Net"]())
    assert named == [side for side, _ in fields]
    (_, height, _), _ = comments(notebook)[7]
    side, step = fields[-1]
    assert of_pooling == side + (height - 1) * step  # all that it averages


def test_the_picture_shows_the_receptive_fields_up_to_the_image_s_edge(notebook, names, shown):
    cells.run(notebook, names, "look", "receptive-fields")
    fields = [side for side, _ in receptive_fields(names["Net"]())]
    titles = [axis.get_title().partition("\n")[2] for axis in shown[0].axes]
    assert titles[:6] == [f"{field} x {field}" for field in fields[:6]]  # later ones are cut off
    seen = titles[-1].partition(" ")[0]
    assert f"sees {seen} of the image's 28 rows" in cells.cell(notebook, "parts").source


def test_the_parts_in_the_picture_have_the_sizes_and_parameters_of_the_network(notebook, names):
    names["train_images"] = torch.zeros(1, 1, 28, 28)
    cells.run(notebook, names, "part-sizes")
    shapes = [tuple(shape) for shape, _ in comments(notebook)[:9]]
    assert names["part_shapes"] == [(1, 28, 28), *shapes, (10, 1, 1)]
    assert sum(names["part_parameters"]) == PARAMETERS
