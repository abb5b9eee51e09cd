"""The prose names numbers of the network and of the settings: they are those of the code."""

import re

import pytest
import torch
from torch import nn

from tests.tools import cells

WORDS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
ORDINALS = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]


def word(number):
    """Return how the prose writes a number: up to ten as a word."""
    return WORDS[number] if number < len(WORDS) else str(number)


def ordinal(number):
    """Return how the prose writes a number in order: up to eight as a word."""
    return ORDINALS[number] if number < len(ORDINALS) else f"{number}th"


def prose(notebook, identifier):
    """Return what a reader sees of a cell: its text, or the alternative text of its figure."""
    cell = cells.cell(notebook, identifier)
    if cell.cell_type == "code":
        return cell.metadata["alt"]
    return re.sub(r"[*`]", "", cell.source)


def paragraph(notebook, identifier, words):
    """Return the only paragraph of a cell, or item of its list, that holds these words."""
    found = [each for each in prose(notebook, identifier).splitlines() if words in each]
    assert len(found) == 1, f"{len(found)} paragraphs of {identifier} have the words {words!r}"
    return found[0]


def names_it(text, number):
    """Return whether number stands in text, and not as a part of a longer one."""
    return re.search(rf"(?<![\w.,]){re.escape(number)}(?!\w|[.,]\d)", text, re.I) is not None


def parameters(network, kind=nn.Module):
    """Return the number of parameters in the network's layers of a kind."""
    layers = [layer for layer in network if isinstance(layer, kind)]
    return sum(parameter.numel() for parameter in nn.ModuleList(layers).parameters())


@pytest.fixture(scope="module")
def names(notebook):
    """The namespace of the notebook's definitions: no test may change it."""
    return cells.definitions(notebook)


@pytest.fixture(scope="module")
def network(names):
    return names["Net"]()


@pytest.fixture(scope="module")
def convolutions(network):
    return [layer for layer in network if isinstance(layer, nn.Conv2d)]


@pytest.fixture(scope="module")
def facts(names, network, convolutions):
    """What the prose says about network and settings, by name, as the code has it."""
    linear = network[-2]
    normalisations = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    parts = [type(layer) for layer in network]
    blocks = nn.Sequential(*list(network)[:-4]).eval()  # all before global average pooling
    return names | {
        "parameters": parameters(network),
        "convolution_weights": parameters(network, nn.Conv2d),
        "normalised_channels": sum(layer.num_features for layer in normalisations),
        "normalisation_parameters": parameters(network, nn.BatchNorm2d),
        "linear_inputs": linear.in_features,
        "linear_parameters": parameters(network, nn.Linear),
        "blocks": word(len(convolutions)),
        "poolings": word(parts.count(nn.MaxPool2d)),
        "pooled_first": ordinal(parts[: parts.index(nn.MaxPool2d)].count(nn.Conv2d)),
        "padded": word(sum(layer.padding != (0, 0) for layer in convolutions)),
        "first_four": ", ".join(str(layer.out_channels) for layer in convolutions[:4]),
        "filters": word(convolutions[0].out_channels),
        "side": blocks(torch.zeros(1, 1, 28, 28)).shape[-1],
        "one_channel_in": round(1 / names["DROPOUT"]),
        "longest_step": word(round(1 / (1 - names["MOMENTUM"]))),
        "effective_rate": names["LEARNING_RATE"] / (1 - names["MOMENTUM"]),
        "remembered": ordinal(round(1 / names["AVERAGE_SHARE"])),
    }


@pytest.mark.parametrize(
    ("cell", "words", "number"),
    [
        ("title", "Classify", "{parameters:,} parameters"),
        ("augment-text", "batch", "{BATCH_SIZE} images"),
        ("parts", "chain", "{blocks}"),
        ("parts", "Max pooling", "{poolings}"),
        ("parts", "Dropout", "one channel in {one_channel_in}"),
        ("parts", "Global average pooling", "{side} x {side}"),
        ("net-text", "Pooling", "after the {pooled_first} convolution"),
        ("net-text", "expand", "{first_four}"),
        ("net-text", "padded", "{padded}"),
        ("where-text", "Where", "{parameters:,}"),
        ("where-text", "biases", "all {blocks}"),
        ("where-text", "biases", "{convolution_weights:,}"),
        ("where-text", "biases", "{normalised_channels} channels"),
        ("where-text", "biases", "{normalisation_parameters}"),
        ("where-text", "biases", "{linear_inputs} x 10"),
        ("where-text", "biases", "{linear_parameters}"),
        ("where-text", "biases", "{parameters:,}"),
        ("receptive-fields", "", "{blocks} blocks"),
        ("one-step-see", "Momentum", "{MOMENTUM}"),
        ("one-step-see", "Momentum", "{longest_step} times"),
        ("one-step-see", "Momentum", "{LEARNING_RATE}"),
        ("one-step-see", "Momentum", "{effective_rate:.2g}"),
        ("gradients", "", "{blocks} convolutions"),
        ("average-text", "average", "last {remembered}"),
        ("average-text", "average", "AVERAGE_SHARE = {AVERAGE_SHARE}"),
        ("filters-text", "filters", "{filters} filters"),
        ("filters", "", "{filters} filters"),
    ],
)
def test_a_cell_names_a_number_as_the_code_has_it(notebook, facts, cell, words, number):
    expected = number.format(**facts)
    found = names_it(paragraph(notebook, cell, words), expected)
    assert found, f"The cell {cell} must name {expected!r}: {number}"


def test_the_convolution_that_is_worked_out_has_these_weights(notebook, convolutions):
    text = paragraph(notebook, "where-text", " = ")
    sentence = re.search(r"(\w+) convolution has ([\d x]+ = [\d,]+) weights", text)
    assert sentence, "The cell where-text works out no convolution."
    layer = convolutions[ORDINALS.index(sentence[1]) - 1]
    size = layer.kernel_size[0] * layer.kernel_size[1]
    expected = f"{layer.in_channels} x {layer.out_channels} x {size} = {layer.weight.numel():,}"
    assert sentence[2] == expected


def test_the_text_names_the_1_x_1_convolutions(notebook, convolutions):
    expected = [i for i, layer in enumerate(convolutions, 1) if layer.kernel_size == (1, 1)]
    text = paragraph(notebook, "net-text", "1 x 1").partition("1 x 1")[0]
    named = [number for number in range(1, 9) if ORDINALS[number] in text]
    if "last" in text:
        named.append(len(convolutions))
    assert named == expected, f"The cell net-text names {named} as 1 x 1."


def test_the_readme_s_heading_names_the_parameters(facts):
    text = (cells.ROOT / "README.md").read_text(encoding="utf-8")
    assert names_it(text.splitlines()[0], f"{facts['parameters']:,} parameters")


def test_two_thirds_of_the_average_come_from_the_last_steps(notebook, names):
    """The averaged weight starts from steps in which the weight was 0; then it is 1."""
    model, averaged_model = nn.Linear(1, 1), nn.Linear(1, 1)
    steps = 1000
    for step in range(steps):
        is_recent = step >= (1 - names["AVERAGE_SHARE"]) * steps
        model.weight.data.fill_(float(is_recent))
        names["update_average"](averaged_model, model, step)
    assert averaged_model.weight.item() == pytest.approx(2 / 3, abs=0.02)
    assert "two thirds" in prose(notebook, "average-text")


@pytest.mark.parametrize(
    ("cell", "code", "text"),
    [
        ("receptive-fields", r"randn\((\d+)", "fields-text"),
        ("one-step", r"train_images\[:(\d+)\]", "train-text"),
    ],
)
def test_the_text_counts_the_images_that_the_cell_below_uses(notebook, cell, code, text):
    number = re.search(code, cells.cell(notebook, cell).source)[1]
    found = names_it(prose(notebook, text), number)
    assert found, f"The cell {text} must name {number} images."


def texts(notebook):
    """Return all prose of the notebook."""
    return "\n".join(each.source for each in notebook.cells if each.cell_type == "markdown")


def test_every_setting_that_the_text_names_is_there(notebook, names):
    settings = set(re.findall(r"`([A-Z][A-Z_]+)\b", texts(notebook)))
    assert settings
    assert settings <= names.keys()


def test_each_reference_is_in_the_list_and_each_in_the_list_is_named(notebook):
    listed = re.findall(r"^(\d+)\.", cells.cell(notebook, "references").source, re.MULTILINE)
    assert set(re.findall(r"\[(\d+)\]", texts(notebook))) == set(listed)
