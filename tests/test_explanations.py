"""The cells that explain: they show what they name, and the text names things as they are."""

from unittest.mock import Mock

import cells
import pytest
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
    assert min(large / small for large, small in zip(with_bn, without_bn)) > 200


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("one-step-see", "adds to each step {MOMENTUM} of the step before"),
        ("one-step-see", "a learning rate of {LEARNING_RATE} acts like {effective_rate:.2g}"),
        ("augment-text", "the {BATCH_SIZE} images of one training step"),
        ("picture-see", "{channels} channels"),
    ],
)
def test_the_text_names_settings_and_network_as_they_are(notebook, names, cell, words):
    names["effective_rate"] = names["LEARNING_RATE"] / (1 - names["MOMENTUM"])
    layers = [layer for layer in names["Net"]() if isinstance(layer, nn.Conv2d)]
    names["channels"] = ", ".join(str(layer.out_channels) for layer in layers[:4])
    assert words.format(**names) in cells.cell(notebook, cell).source
