"""The cells that explain: they show what they name, and the text names things as they are."""

import copy
import math
from unittest.mock import Mock

import cells
import pytest
import torch
from torch import nn

from stand_ins import epoch


def test_each_line_of_the_gap_measures_the_images_that_it_names(notebook, scripted):
    names = scripted([epoch()]).train()
    names["trained_model"] = "network"
    names["random_affine"] = lambda images: images + 1
    names["evaluate"] = Mock(return_value=(0.1, 9_000))
    cells.run(notebook, names, "gap")
    augmented, training, test = [call.args[1] for call in names["evaluate"].call_args_list]
    assert augmented.equal(names["train_images"] + 1)
    assert training is names["train_images"]
    assert test is names["test_images"]


def test_one_step_does_most_at_a_rate_of_1_and_harm_at_10(notebook, names, mnist, shown):
    names.update(device="cpu", train_images=mnist[0], train_labels=mnist[1])
    cells.run(notebook, names, "style", "one-step")
    assert min(names["losses"]) == names["losses"][names["rates"].index(1)]
    assert names["losses"][-1] > names["before"].item()


def test_without_batch_normalisation_every_gradient_is_hundreds_of_times_smaller(
    notebook, names, mnist, shown
):
    names.update(device="cpu", train_images=mnist[0], train_labels=mnist[1])
    cells.run(notebook, names, "style", "gradients")
    with_bn, without_bn = [line.get_ydata() for line in shown[0].axes[0].lines]
    assert len(with_bn) == len(without_bn) == 8
    assert min(large / small for large, small in zip(with_bn, without_bn, strict=True)) > 200


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("one-step-see", "adds to each step {MOMENTUM} of the step before"),
        ("one-step-see", "a learning rate of {LEARNING_RATE} acts like {effective_rate:.2g}"),
        ("augment-text", "the {BATCH_SIZE} images of one training step"),
        ("picture-see", "{channels} channels"),
        ("average-text", "`AVERAGE_SHARE = {AVERAGE_SHARE}`"),
        ("parts", "only one channel in {one_in} is blanked"),
        ("loop-text", "{batches} is the number of batches in an epoch"),
        ("loop-text", "60,000 divided by {BATCH_SIZE}, rounded up"),
    ],
)
def test_the_text_names_settings_and_network_as_they_are(notebook, names, cell, words):
    names["effective_rate"] = names["LEARNING_RATE"] / (1 - names["MOMENTUM"])
    names["one_in"] = round(1 / names["DROPOUT"])
    names["batches"] = math.ceil(60_000 / names["BATCH_SIZE"])
    layers = [layer for layer in names["Net"]() if isinstance(layer, nn.Conv2d)]
    names["channels"] = ", ".join(str(layer.out_channels) for layer in layers[:4])
    assert words.format(**names) in cells.cell(notebook, cell).source


def test_the_text_adds_up_the_parameters_of_each_kind_of_layer(notebook, names):
    layers = list(names["Net"]().modules())

    def parameters(kind):
        of_kind = nn.ModuleList(layer for layer in layers if isinstance(layer, kind))
        return sum(p.numel() for p in of_kind.parameters())

    second = [each for each in layers if isinstance(each, nn.Conv2d)][1]
    text = cells.cell(notebook, "where-text").source
    assert f"8 x 16 x 9 = {second.weight.numel():,} weights" in text
    assert f"all eight together have {parameters(nn.Conv2d):,}" in text
    assert f"for each of 144 channels: {parameters(nn.BatchNorm2d)}" in text
    assert f"24 x 10 weights and 10 biases: {parameters(nn.Linear)}" in text


def test_in_the_picture_of_the_study_a_dot_is_a_run_and_a_bar_the_mean_of_those_that_learnt(
    notebook, names, shown
):
    names["STUDY"] = {"whole": [40, 38, 45], "part": [60, 8_865]}
    cells.run(notebook, names, "style", "study-picture")
    (axis,) = shown[0].axes
    rows = [list(line.get_xdata()) for line in axis.lines]
    whole, whole_mean, part, part_mean, required = rows
    assert whole == pytest.approx([99.62, 99.6, 99.55])
    assert whole_mean == pytest.approx([99.59])
    assert part == part_mean == pytest.approx([99.4])
    assert required == [99.4, 99.4]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["whole", "part (1 did not learn)"]


def test_a_linear_model_has_as_many_mistakes_as_the_title_says(notebook, names, mnist):
    train_images, train_labels, test_images, test_labels = mnist
    names["random_affine"] = lambda images: images
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))
    averaged_model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), names["LEARNING_RATE"], names["MOMENTUM"])
    for epoch_number in range(1, names["EPOCHS"] + 1):
        names["train_one_epoch"](
            model, averaged_model, train_images, train_labels, optimizer, epoch_number
        )
    _, correct = names["evaluate"](averaged_model, test_images, test_labels)
    assert 700 < 10_000 - correct < 800
    assert "between 700 and 800" in cells.cell(notebook, "title").source
