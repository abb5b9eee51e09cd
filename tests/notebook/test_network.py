"""The network: its layers, its size, and what stands beside its layers and in its pictures."""

import re

import pytest
import torch
from torch import nn

from tests.notebook.stand_ins import PARAMETERS
from tests.tools import cells

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


def parts(network):
    """Return, for each line of the cell, a network of all layers up to the end of the line."""
    found, layers = [], []
    for layer in network:
        layers.append(layer)
        if isinstance(layer, LAST_IN_A_LINE):
            found.append(nn.Sequential(*layers))
    return found


def test_it_has_as_many_parameters_as_the_published_answer_s_and_trains_all(names):
    parameters = list(names["Net"]().parameters())
    assert sum(parameter.numel() for parameter in parameters) == PARAMETERS
    assert all(parameter.requires_grad for parameter in parameters)


def test_the_layers_stand_in_the_order_that_the_text_tells(names):
    """Each convolution is followed by pooling, where there is one, BN, ReLU and dropout."""
    layers = " ".join(type(layer).__name__ for layer in names["Net"]())
    block = "Conv2d (MaxPool2d )?BatchNorm2d ReLU Dropout2d "
    assert re.fullmatch(f"({block})+AdaptiveAvgPool2d Flatten Linear LogSoftmax", layers)


def test_the_sizes_beside_the_layers_are_those_of_an_image_that_passes(notebook, names):
    images = torch.zeros(2, 1, 28, 28)
    sizes = [list(part(images).shape[1:]) for part in parts(names["Net"]())]
    assert sizes == [shape for shape, _ in comments(notebook)]


def without_maxima(layers):
    """Return layers with the same connections, in which every input adds to the output.

    So a pixel's gradient is above 0 if the output depends on it, and else exactly 0.
    """
    changed = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
        elif isinstance(layer, nn.MaxPool2d):
            layer = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
        elif isinstance(layer, nn.ReLU):
            layer = nn.Identity()
        changed.append(layer)
    return nn.Sequential(*changed).double().eval()


def side_of_the_visible_square(layers, outputs=1, image=128):
    """Return how many pixels high and wide the square is that inner outputs can see.

    outputs is the side of the square of outputs, image that of the image: an image of 128
    pixels is so large that none of them sees its edge.
    """
    image = torch.zeros(1, 1, image, image, dtype=torch.float64, requires_grad=True)
    output = without_maxima(layers)(image)
    middle = output.shape[-1] // 2
    output[0, 0, middle : middle + outputs, middle : middle + outputs].sum().backward()
    rows, columns = image.grad[0, 0].nonzero().unbind(dim=1)
    height = rows.max() - rows.min() + 1
    width = columns.max() - columns.min() + 1
    assert height == width and len(rows) == height * width  # a full square
    return height.item()


def test_the_receptive_fields_beside_the_layers_are_the_pixels_with_a_gradient(notebook, names):
    """That of global pooling is what all its inputs see."""
    *blocks, pooling = parts(names["Net"]())[:9]
    fields = [side_of_the_visible_square(block) for block in blocks]
    (_, height, _), _ = comments(notebook)[7]
    fields.append(side_of_the_visible_square(blocks[-1], outputs=height))
    assert isinstance(pooling[-1], nn.AdaptiveAvgPool2d)
    assert fields == [receptive_field for _, receptive_field in comments(notebook)[:9]]


def test_the_picture_of_the_receptive_fields_shows_what_an_output_sees(notebook, names, shown):
    cells.run(notebook, names, "look", "receptive-fields")
    titles = [axis.get_title() for axis in shown[0].axes]
    expected = []
    for number, block in enumerate(parts(names["Net"]())[:8], start=1):
        side = side_of_the_visible_square(block, image=28)
        expected.append(f"block {number}\n{side} x {side}")
    assert titles == expected


def test_in_the_picture_of_the_network_bars_are_as_wide_and_high_as_outputs(notebook, names, shown):
    names["train_images"] = torch.zeros(1, 1, 28, 28)
    cells.run(notebook, names, "look", "layer-outputs", "network-picture")
    bars = [[bar.get_width(), bar.get_height()] for bar in shown[0].axes[0].patches]
    sizes = [[1, 28, 28]] + [shape for shape, _ in comments(notebook)[:9]] + [[10, 1, 1]]
    assert bars == [[channels, height] for channels, height, _ in sizes]
    texts = [text.get_text() for text in shown[0].axes[0].texts]
    assert texts[1::2] == [f"{channels} x {high} x {wide}" for channels, high, wide in sizes]


def test_the_setting_is_the_share_of_channels_that_each_dropout_blanks_in_training_alone(define):
    network, images = define(DROPOUT=0.37)["Net"](), torch.randn(8, 1, 28, 28)
    shares = [layer.p for layer in network if isinstance(layer, nn.Dropout2d)]
    assert shares == [0.37] * 8
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_the_ten_probabilities_of_an_image_add_up_to_one(names):
    output = names["Net"]()(torch.randn(8, 1, 28, 28))
    assert output.shape == (8, 10)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(8))


def test_an_image_is_read_alone_as_among_others(names):
    network, images = names["Net"](), torch.randn(8, 1, 28, 28)
    together = names["predict"](network, images)
    alone = torch.cat([names["predict"](network, image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "kernel_size, padding, pool, side", [(3, 0, False, 6), (1, 0, False, 8), (3, 1, True, 4)]
)
def test_a_block_has_the_size_that_it_is_told(names, kernel_size, padding, pool, side):
    layers = names["block"](2, 5, kernel_size=kernel_size, padding=padding, pool=pool)
    assert nn.Sequential(*layers)(torch.zeros(3, 2, 8, 8)).shape == (3, 5, side, side)


def test_each_number_that_global_pooling_averages_sees_nearly_the_whole_image(names):
    """So says the text on global average pooling: 27 rows and columns."""
    network = without_maxima(list(names["Net"]())[:-4])
    images = torch.zeros(1, 1, 28, 28, dtype=torch.float64, requires_grad=True)
    output = network(images)
    for row in range(output.shape[2]):
        for column in range(output.shape[3]):
            (gradient,) = torch.autograd.grad(output[0, 0, row, column], images, retain_graph=True)
            rows, columns = gradient[0, 0].nonzero().unbind(dim=1)
            assert len(rows.unique()) == len(columns.unique()) == 27
            assert len(rows) == 27 * 27  # a full square
