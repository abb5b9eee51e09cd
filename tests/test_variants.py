"""The variants: each fits the notebook, and differs from it in what it says."""

from dataclasses import replace

import cells
import pytest
import report
import torch
import variants
from cells import Edit
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from variants import HELD_OUT, TEST, Variant

WITH_RUNS = [
    pytest.param(study, variant, id=f"{study.name}: {variant.name}")
    for study in variants.STUDIES.values()
    for variant in study.variants
    if not variant.runs_of
]


def size(network):
    """Return the number of parameters of network."""
    return sum(parameter.numel() for parameter in network.parameters())


def network_of(notebook, study, variant):
    """Return the network that this variant trains."""
    edited = cells.edited(notebook, study.edits + variant.edits)
    return cells.definitions(edited, variant.settings)["Net"]()


@pytest.mark.parametrize(("study", "variant"), WITH_RUNS)
def test_every_variant_fits_the_notebook(notebook, study, variant):
    network = network_of(notebook, study, variant)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(("study", "variant"), WITH_RUNS)
def test_only_two_variants_have_another_number_of_parameters(notebook, names, study, variant):
    recipe = names["Net"]()
    expected = size(recipe)
    if variant.name == "no batch normalisation":
        scales = [layer.weight for layer in recipe if isinstance(layer, nn.BatchNorm2d)]
        expected -= sum(len(scale) for scale in scales)  # a bias instead of a scale and an offset
    if variant.name == "no global average pooling":
        (linear,) = [layer for layer in recipe if isinstance(layer, nn.Linear)]
        expected += 3 * linear.weight.numel()  # four outputs of a channel instead of their mean
    assert size(network_of(notebook, study, variant)) == expected


def multiplications(network):
    """Return how many multiplications network makes for one image."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops() / 2  # a multiplication comes with an addition


def test_the_text_names_what_the_later_pooling_costs(notebook, names):
    earlier = network_of(notebook, TEST, TEST.variant(variants.POOLS_AFTER_2_4_8.name))
    more = multiplications(names["Net"]()) / multiplications(earlier) - 1
    assert f"{100 * more:.0f} % more multiplications" in report.where(notebook)


def test_without_the_fully_connected_layer_the_same_function_is_computed(notebook, names):
    torch.manual_seed(0)
    recipe = names["Net"]().eval()
    torch.manual_seed(0)
    variant = network_of(notebook, TEST, TEST.variant("no fully connected layer")).eval()
    values = [parameter.data for parameter in recipe.parameters()]
    for parameter, value in zip(variant.parameters(), values, strict=True):
        parameter.data = value.reshape(parameter.shape)
    images = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(variant(images), recipe(images))


def test_the_poolings_of_the_second_version_come_after_convolutions_2_4_and_8(notebook):
    network = network_of(notebook, TEST, TEST.variant("pools after 2, 4, 8"))
    convolutions = 0
    places = []
    for layer in network:
        convolutions += isinstance(layer, nn.Conv2d)
        if isinstance(layer, nn.MaxPool2d):
            places.append(convolutions)
    assert places == [2, 4, 8]


def test_every_setting_of_a_variant_changes_the_notebook_s(names):
    settings = []
    for study in variants.STUDIES.values():
        for variant in study.variants:
            settings += variant.settings.items()
    assert len(settings) > 0
    for name, value in settings:
        assert names[name] != value


@pytest.mark.parametrize(("study", "variant"), WITH_RUNS)
def test_every_variant_has_the_notebook_s_seeds_and_epochs(study, variant):
    assert not {"SEED", "EPOCHS"} & variant.settings.keys()


@pytest.mark.parametrize("name", ["no augmentation", variants.ANSWERS_RECIPE])
def test_without_augmentation_the_images_stay_as_they_are(define, mnist, name):
    names = define(**TEST.variant(name).settings)
    torch.testing.assert_close(names["random_affine"](mnist[0][:5]), mnist[0][:5])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (variants.WITHOUT_BN, nn.BatchNorm2d),
        ("no global average pooling", nn.AdaptiveAvgPool2d),
        (variants.WITHOUT_FC, nn.Linear),
    ],
)
def test_what_a_variant_leaves_out_is_gone(notebook, names, name, kind):
    assert any(isinstance(layer, kind) for layer in names["Net"]())
    network = network_of(notebook, TEST, TEST.variant(name))
    assert not any(isinstance(layer, kind) for layer in network)


def test_without_batch_normalisation_each_convolution_has_a_bias(notebook):
    network = network_of(notebook, TEST, TEST.variant(variants.WITHOUT_BN))
    biases = [layer.bias for layer in network if isinstance(layer, nn.Conv2d)]
    assert len(biases) == 8
    assert all(bias is not None for bias in biases)


def test_without_dropout_nothing_is_blanked(notebook):
    network = network_of(notebook, TEST, TEST.variant("no dropout"))
    shares = [layer.p for layer in network if isinstance(layer, nn.Dropout2d)]
    assert shares == [0] * 8


@pytest.mark.parametrize("study", variants.STUDIES.values(), ids=variants.STUDIES)
def test_the_recipe_is_the_notebook_as_it_is_and_stands_first(study):
    recipe = study.variants[0]
    assert recipe == Variant(variants.RECIPE, "", seeds=recipe.seeds)


@pytest.mark.parametrize("study", variants.STUDIES.values(), ids=variants.STUDIES)
def test_no_two_variants_have_one_name(study):
    names = [variant.name for variant in study.variants]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"DROPOUT": 0.5}},
        {"edits": (Edit("net", "GAP", "FC"),)},
        {"edits": (Edit("block", "GAP", "FC"), Edit("net", "BN", ""))},
    ],
)
def test_an_edited_variant_has_another_hash(changed):
    variant = Variant("no dropout", "nothing", {"DROPOUT": 0}, (Edit("block", "GAP", "FC"),))
    assert TEST.variant_hash(replace(variant, **changed)) != TEST.variant_hash(variant)


def test_what_is_only_said_or_read_differently_keeps_the_hash():
    variant = Variant("no dropout", "nothing", {"DROPOUT": 0})
    other = Variant("without", "else", {"DROPOUT": 0}, seeds=3, judged=variants.UNAVERAGED)
    assert TEST.variant_hash(other) == TEST.variant_hash(variant)


def test_other_data_change_the_hash_of_every_variant():
    other = replace(TEST, name="other digits", edits=(Edit("load", "MNIST", "OTHER"),))
    recipe = TEST.variant(variants.RECIPE)
    assert other.variant_hash(recipe) != TEST.variant_hash(recipe)


def test_the_second_version_s_poolings_are_compared_in_both_studies():
    name = "pools after 2, 4, 8"
    assert TEST.variant(name).edits == HELD_OUT.variant(name).edits


@pytest.mark.parametrize(("old", "times"), [("no such text", 0), ("layers.append", 4)])
def test_an_edit_must_fit_exactly_once(notebook, old, times):
    with pytest.raises(ValueError, match=f"block must have this text once, not {times} times"):
        cells.edited(notebook, [Edit("block", old, "")])


def test_edits_leave_the_notebook_itself_alone(notebook):
    before = cells.cell(notebook, "block").source
    edited = cells.edited(notebook, [Edit("block", "nn.ReLU()", "nn.GELU()")])
    assert "nn.GELU()" in cells.cell(edited, "block").source
    assert cells.cell(notebook, "block").source == before
