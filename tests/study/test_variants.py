"""The variants: each fits the notebook, and differs from it in what it says."""

import pytest
import torch
from torch import nn

from tests import cells
from tests.study import variants
from tests.study.variants import RECIPE, VARIANTS

NAMES = [variant.name for variant in VARIANTS]


def network_of(notebook, name):
    """Return the network that the variant of this name trains."""
    return cells.definitions(variants.variant(name).applied_to(notebook))["Net"]()


def count(network, kind):
    """Return how many layers of this kind network has."""
    return sum(isinstance(layer, kind) for layer in network)


def test_each_step_of_the_ladder_is_compared_with_the_one_before_all_else_with_the_recipe():
    before = [None, *[variant.name for variant in variants.LADDER[:-1]]]
    assert [variant.compared_with for variant in variants.LADDER] == before
    assert {variant.compared_with for variant in variants.LEFT_OUT} == {RECIPE}


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_fits_the_notebook(notebook, name):
    assert network_of(notebook, name)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_names_and_settings_are_good_for_a_comparison(names):
    assert len(set(NAMES)) == len(NAMES)
    recipe = variants.variant(RECIPE)
    assert not recipe.settings and not recipe.edits and recipe.is_averaged
    for variant in VARIANTS:
        assert "EPOCHS" not in variant.settings  # the last epochs are compared
        assert all(names[name] != value for name, value in variant.settings.items())


def test_what_is_left_out_is_gone(notebook, define):
    without_bn = network_of(notebook, variants.WITHOUT_BN)
    assert count(without_bn, nn.BatchNorm2d) == 0
    assert all(layer.bias is not None for layer in without_bn if isinstance(layer, nn.Conv2d))
    without_gap = network_of(notebook, variants.WITHOUT_GAP)
    assert count(without_gap, nn.AdaptiveAvgPool2d) == 0
    without_dropout = network_of(notebook, variants.WITHOUT_DROPOUT)
    assert [layer.p for layer in without_dropout if isinstance(layer, nn.Dropout2d)] == [0] * 8
    settings = variants.variant(variants.WITHOUT_AUGMENTATION).settings
    images = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(define(**settings)["random_affine"](images), images)


def test_a_setting_or_text_that_is_not_there_is_refused(notebook):
    with pytest.raises(ValueError, match="must set NO_SUCH once, not 0 times"):
        cells.with_settings(notebook, {"NO_SUCH": 1})
    with pytest.raises(ValueError, match="must have this text once, not 0 times: 'no such'"):
        cells.edited(notebook, [cells.Edit("train", "no such", "")])
