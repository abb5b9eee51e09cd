"""Sentences name numbers: they are those of the code, the saved run and the records."""

import re
from itertools import combinations
from math import ceil
from statistics import median

import numpy as np
import pytest
import torch
from torch import nn

from tests import cells, renew
from tests.study import recording, report, variants

WORDS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
ORDINALS = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
SAME_ANSWER = 1_135  # right, if every image is taken for a one: so many test images are ones


def word(number):
    """Return how the prose writes a number: up to ten as a word."""
    return WORDS[number] if number < len(WORDS) else str(number)


def ordinal(number):
    """Return how the prose writes a number in order: up to eight as a word."""
    return ORDINALS[number] if number < len(ORDINALS) else f"{number}th"


def listed(parts):
    """Return how the prose lists parts: a, b and c."""
    *first, last = [str(part) for part in parts]
    return f"{', '.join(first)} and {last}"


def text_of(notebook, place):
    """Return what a reader sees of README.md or a cell: its text, or its picture's text."""
    if place == "README.md":
        return renew.README.read_text(encoding="utf-8")
    cell = cells.cell(notebook, place)
    return cell.metadata["alt"] if cell.cell_type == "code" else cell.source


def parameters(network, kind=nn.Module):
    """Return the number of parameters in the network's layers of a kind."""
    layers = [layer for layer in network if isinstance(layer, kind)]
    return sum(parameter.numel() for parameter in nn.ModuleList(layers).parameters())


@pytest.fixture(scope="module")
def facts(notebook):
    """What the prose says, by name, as code, records and saved run have it."""
    names = cells.definitions(notebook)
    rows = report.rows()
    recipe = rows[variants.RECIPE].runs
    return names | of_the_network(names) | of_the_study(rows) | of_the_runs(recipe)


def of_the_network(names):
    """Return what the prose says about network and settings."""
    network = names["Net"]()
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    linear = network[-2]
    steps = names["EPOCHS"] * ceil(60_000 / names["BATCH_SIZE"])
    third = convolutions[2]
    channels = [layer.out_channels for layer in convolutions]
    normalisations = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    parts = [type(layer) for layer in network]
    pooled = [parts[:i].count(nn.Conv2d) for i, part in enumerate(parts) if part is nn.MaxPool2d]
    small = [i for i, layer in enumerate(convolutions, 1) if layer.kernel_size == (1, 1)]
    blocks = nn.Sequential(*list(network)[:-4]).eval()  # all before global average pooling
    return {
        "parameters": parameters(network),
        "third": f"{third.in_channels} x {third.out_channels} x {third.weight[0, 0].numel()}",
        "third_weights": third.weight.numel(),
        "convolution_weights": parameters(network, nn.Conv2d),
        "normalised_channels": sum(layer.num_features for layer in normalisations),
        "normalisation_parameters": parameters(network, nn.BatchNorm2d),
        "linear_inputs": linear.in_features,
        "linear_parameters": parameters(network, nn.Linear),
        "blocks": word(len(convolutions)),
        "channels": listed(channels),
        "pooled": listed([ordinal(number) for number in pooled]),
        "poolings": word(parts.count(nn.MaxPool2d)),
        "pooled_first": ordinal(pooled[0]),
        "first_four": ", ".join(str(number) for number in channels[:4]),
        "small": [ordinal(number) for number in small],
        "filters": word(channels[0]),
        "side": blocks(torch.zeros(1, 1, 28, 28)).shape[-1],
        "one_channel_in": round(1 / names["DROPOUT"]),
        "dropout": 100 * names["DROPOUT"],
        "scale": 100 * names["SCALE"],
        "longest_step": word(round(1 / (1 - names["MOMENTUM"]))),
        "effective_rate": names["LEARNING_RATE"] / (1 - names["MOMENTUM"]),
        "remembered": ordinal(round(1 / names["AVERAGE_SHARE"])),
        "remembered_share": 100 * names["AVERAGE_SHARE"],
        "steps": steps,
        "last_part": round(1 + names["AVERAGE_SHARE"] * (steps - 1)),
    }


def gain(row):
    """Return what a part of the recipe adds, from the row of the study without it."""
    if row.change.is_beyond_chance:
        passed = f"{row.passed} of {len(row.runs)}"
        return f"**{-row.change.mean:+.2f}** points; without it, {passed} pass"
    return report.verdict(row)


def of_the_study(rows):
    """Return what the prose says about the runs in the records."""
    recipe = rows[variants.RECIPE]
    count = len(recipe.runs)
    unaveraged = rows[variants.WITHOUT_AVERAGING]
    accuracies = recipe.runs["accuracy"]
    share = accuracies.mean() / 100
    differences = [abs(one - other) for one, other in combinations(accuracies, 2)]
    without_bn = rows[variants.WITHOUT_BN].runs
    stuck = [SAME_ANSWER in right for right in without_bn["unaveraged_correct"]]
    return {
        "mean": accuracies.mean(),
        "worst": accuracies.min(),
        "epochs": len(recipe.runs["correct"].iloc[0]),
        "first_epoch": recipe.runs["first_epoch"].median(),
        "passed": recipe.passed,
        "count": count,
        "last_seed": max(recipe.runs["seed"]),
        "processors": ", ".join(recipe.runs["processor"].unique()),
        "torch": recording.version(recipe.runs["torch"].iloc[0]),
        "failing": 100 * report.most_that_fail(count - recipe.passed, count),
        "interval": 100 * 1.96 * (share * (1 - share) / 10_000) ** 0.5,
        "half_differ": median(differences),
        "most_differ": np.quantile(differences, 0.95),
        "wrong_of_seed_0": recipe.runs.set_index("seed")["wrong"][0],
        "reached_unaveraged": (unaveraged.runs["wrong"] <= 60).sum(),
        "passed_unaveraged": unaveraged.passed,
        "steps_of_the_ladder": word(len(variants.LADDER)),
        "beyond_the_line": (recipe.runs["wrong"] < 60).sum(),
        "other_count": len(rows[variants.PUBLISHED].runs),
        "stuck": sum(stuck),
        "bn": gain(rows[variants.WITHOUT_BN]),
        "no_dropout": gain(rows[variants.WITHOUT_DROPOUT]),
        "no_gap": gain(rows[variants.WITHOUT_GAP]),
        "augmentation": gain(rows[variants.WITHOUT_AUGMENTATION]),
        "averaging": gain(unaveraged),
    }


def of_the_runs(recipe):
    """Return what the prose says about the saved run and the benchmarks."""
    first_epoch = recipe["first_epoch"].median()
    benchmarks = recording.read(recording.BENCHMARKS)
    here, usual = benchmarks["here"].map(median), benchmarks["usual"].map(median)
    return {
        "wrong_of_saved_run": 10_000 - renew.read_saved_run()["history"][-1]["test_correct"],
        "benchmarks": word(len(benchmarks)),
        "fastest": here.min(),
        "slowest": here.max(),
        "soonest": first_epoch * here.min(),
        "latest": first_epoch * here.max(),
        "least_times": (usual / here).min(),
        "most_times": (usual / here).max(),
    }


# What is said, with names of facts, and where.
SAID = [
    ("README.md", "# MNIST with {parameters:,} parameters\n"),
    ("title", "# Classify MNIST with {parameters:,} parameters\n"),
    ("title", "| **{mean:.2f} %** on average, {worst:.2f} % at worst |"),
    ("title", "| with **{passed} of {count}** seeds |"),
    ("title", "| {parameters:,} |"),
    ("title", "| {epochs}; 99.40 % is reached in epoch {first_epoch:g} (median) |"),
    ("title", "| dropout | after each of {blocks} convolutions |"),
    ("title", "with the seeds 0 to {last_seed}, each time"),
    ("title", "that is named {processors} (its model is not known), and torch {torch}."),
    ("title", "at most {failing:.1f} % of all seeds"),
    ("recipe", "| {blocks} convolutions with {channels} channels;"),
    ("recipe", "max pooling after the {pooled} |"),
    ("recipe", "hundreds of times larger than without it | {bn} |"),
    ("recipe", "| Dropout | {dropout:.0f} % of the channels,"),
    ("recipe", "| asked for, so kept small | {no_dropout} |"),
    ("recipe", "| asked for; needs no parameters | {no_gap} |"),
    ("recipe", "moved by up to {SHIFT} pixels along each axis, turned by up to {ROTATION} degrees"),
    ("recipe", "resized by up to {scale:.0f} % | harder to learn by heart | {augmentation} |"),
    (
        "recipe",
        "constant learning rate {LEARNING_RATE}, momentum {MOMENTUM}, batches of {BATCH_SIZE},",
    ),
    ("recipe", "{EPOCHS} epochs |"),
    ("recipe", "in which the last {remembered_share:.0f} % of the steps"),
    ("recipe", "the average stays in the middle | {averaging} |"),
    ("recipe", "in the last of {steps:,} steps 1/{last_part:,} of it."),
    ("recipe", "Without it, {reached_unaveraged} of the same {count} trainings end at 99.40 %"),
    ("recipe", "only {passed_unaveraged} stay above it"),
    ("load-text", "the {BATCH_SIZE} images of one training step"),
    ("parts", "a chain of {blocks} *blocks*"),
    ("parts", "**Max pooling**, in {poolings} of the blocks"),
    ("parts", "only one channel in {one_channel_in} is blanked"),
    ("parts", "of {side} x {side} numbers here"),
    ("net-text", "after the {pooled_first} convolution."),
    ("net-text", "**expand and squeeze**: {first_four} channels."),
    ("net-text", "- The {small[0]} and the last convolution are **1 x 1**"),
    ("where-text", "### Where {parameters:,} comes from"),
    ("where-text", "the third convolution has {third} = {third_weights:,} weights"),
    ("where-text", "all {blocks} together have {convolution_weights:,}."),
    ("where-text", "each of {normalised_channels} channels: {normalisation_parameters}."),
    ("where-text", "has {linear_inputs} x 10 weights and 10 biases: {linear_parameters}."),
    ("where-text", "Together they are {parameters:,}."),
    ("receptive-fields", "each of the {blocks} blocks"),
    ("one-step", "the rate of the training, {LEARNING_RATE}."),
    ("one-step-see", "adds to each step {MOMENTUM} of the step before."),
    ("one-step-see", "add up to {longest_step} times the length of one"),
    ("one-step-see", "a learning rate of {LEARNING_RATE} acts like {effective_rate:.2g},"),
    ("one-step-see", "why is the rate of the training {LEARNING_RATE}, and not 1?"),
    ("average-text", "come from the last {remembered} of all steps"),
    ("average-text", "(`AVERAGE_SHARE = {AVERAGE_SHARE}`)"),
    ("study", "the recipe with {count} seeds"),
    ("study", "everything else with the {other_count} seeds 0 to"),
    ("study", "The upper {steps_of_the_ladder} rows are a ladder."),
    ("study-picture", "Of the recipe, all {beyond_the_line} dots are beyond the line."),
    ("study-see", "and {wrong_of_saved_run} wrong answers;"),
    ("study-see", "seed 0 has {wrong_of_seed_0}."),
    ("gradients", "each of the {blocks} convolutions"),
    ("gradients-see", "{stuck} of these {other_count} networks"),
    ("filters-text", "The {filters} filters"),
    ("filters", "the {filters} filters"),
    ("summary-text", "none that {other_count} seeds show"),
    ("exercises", "differ by at most {half_differ:.2f} points"),
    ("exercises", "95 % by at most {most_differ:.2f}."),
    ("exercises", "without averaging, {passed_unaveraged} of {count} trainings pass"),
    ("README.md", "took {fastest:.1f} to {slowest:.1f} s on two cores"),
    ("README.md", "in {benchmarks} benchmarks;"),
    ("README.md", "took {least_times:.1f} to {most_times:.1f} times as long."),
    ("README.md", "in epoch {first_epoch:g} (median), after {soonest:.0f} to {latest:.0f} s of"),
    ("limits", "an accuracy near {mean:.2f} % only to about ±{interval:.2f} points"),
]


@pytest.mark.parametrize(("place", "said"), SAID)
def test_what_is_said_is_what_code_and_records_say(notebook, facts, place, said):
    expected = said.format(**facts)
    if expected not in text_of(notebook, place):
        pytest.fail(f"{place} must say {expected!r}", pytrace=False)


@pytest.mark.parametrize(
    ("cell", "start"),
    [("title", "|"), ("title", "A *"), ("recipe", "|"), ("recipe", "*Averaging"), ("limits", "- ")],
)
def test_readme_and_notebook_say_the_same(notebook, cell, start):
    lines = text_of(notebook, cell).splitlines()
    shared = [line for line in lines if line.startswith(start)]
    assert shared
    missing = [line for line in shared if line not in text_of(notebook, "README.md")]
    assert not missing


def texts(notebook):
    """Return all prose of the notebook."""
    return "\n".join(each.source for each in notebook.cells if each.cell_type == "markdown")


def test_every_setting_that_the_text_names_is_there(notebook, names):
    settings = set(re.findall(r"`([A-Z][A-Z_]+)\b", texts(notebook)))
    assert settings
    assert settings <= names.keys()


def test_each_reference_is_in_the_list_and_each_in_the_list_is_named(notebook):
    references = cells.cell(notebook, "references").source
    listed = re.findall(r"^(\d+)\.", references, re.MULTILINE)
    prose_alone = re.sub("`[^`]*`", "", texts(notebook))
    assert set(re.findall(r"\[(\d+)\]", prose_alone)) == set(listed)
