"""The variants: each fits the notebook, and differs from it in what it says."""

import pytest
import torch
from torch import nn

from tests.study import plans, report, variants
from tests.study.variants import RECIPE, THIRD, VARIANTS, WITHOUT_BN, Variant
from tests.tools import cells
from tests.tools.cells import Edit

NAMES = [variant.name for variant in VARIANTS]
WITHOUT_GAP = "no global average pooling"


def network_of(notebook, name):
    """Return the network that the variant of this name trains."""
    variant = variants.variant(name)
    return cells.definitions(variant.edited(notebook), variant.settings)["Net"]()


def count(network, kind):
    """Return how many layers of this kind network has."""
    return sum(isinstance(layer, kind) for layer in network)


def size(network):
    """Return the number of parameters of network."""
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_fits_the_notebook(notebook, name):
    assert network_of(notebook, name)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_names_and_settings_are_good_for_a_comparison(names):
    assert VARIANTS[0] == Variant(RECIPE, "", seeds=100)  # the notebook as it is
    assert len(set(NAMES)) == len(NAMES)
    for variant in VARIANTS:
        assert not {"SEED", "EPOCHS"} & variant.settings.keys()
        assert all(names[name] != value for name, value in variant.settings.items())


def test_what_a_variant_leaves_out_is_gone(notebook, names):
    recipe = names["Net"]()
    without_bn = network_of(notebook, WITHOUT_BN)
    assert count(recipe, nn.BatchNorm2d) == 8
    assert count(without_bn, nn.BatchNorm2d) == 0
    assert all(layer.bias is not None for layer in without_bn if isinstance(layer, nn.Conv2d))
    assert count(network_of(notebook, WITHOUT_GAP), nn.AdaptiveAvgPool2d) == 0
    dropouts = [layer for layer in network_of(notebook, "no dropout") if hasattr(layer, "p")]
    assert [layer.p for layer in dropouts] == [0] * 8


@pytest.mark.parametrize("plan", [plans.THIRD_VERSION, "8+p 16k1 12 20 16 20+p 28+ 20k1p"])
def test_without_global_average_pooling_four_outputs_of_each_channel_count(notebook, plan):
    notebook = plans.with_plan(notebook, plan)  # whatever the network is
    with_gap, without_gap = network_of(notebook, RECIPE), network_of(notebook, WITHOUT_GAP)
    weights = 10 * plans.parse(plan)[-1].channels
    assert size(without_gap) - size(with_gap) == 3 * weights


def test_without_augmentation_the_images_stay_as_they_are(define):
    settings = variants.variant("no augmentation").settings
    images = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(define(**settings)["random_affine"](images), images)


def test_the_third_version_s_network_has_its_plan(notebook):
    assert report.plan_of(variants.variant(THIRD).edited(notebook)) == plans.THIRD_VERSION


def test_only_what_is_trained_counts_and_not_how_it_is_written(notebook, names):
    by_setting = Variant("no dropout", "nothing", {"DROPOUT": 0})
    edit = Edit("parameters", f"DROPOUT = {names['DROPOUT']}", "DROPOUT = 0")
    by_edit = Variant("without dropout", "", edits=(edit,))
    assert by_edit.fingerprint(notebook) == by_setting.fingerprint(notebook)


def test_what_is_trained_differs_where_it_is_recorded_under_another_name(notebook):
    found = {}
    for variant in VARIANTS:
        if variant.plan == report.plan_of(notebook):
            continue  # nothing would differ: see results.shown
        found.setdefault(variant.fingerprint(notebook), set()).add(variant.recorded_as)
    assert found[cells.fingerprint(notebook)] == {RECIPE}
    assert all(len(recorded_as) == 1 for recorded_as in found.values())
    assert len(found) >= len(VARIANTS) - 2  # without averaging, the recipe is trained
