"""The README: its numbers are the saved run's, its table is the network's, its images are there."""

import re

import benchmark
import cells
import pytest
import renew
from torch import nn

TEXT = renew.README.read_text()


def test_its_numbers_are_those_of_the_saved_run(notebook):
    assert renew.filled(TEXT, notebook) == TEXT, "run `python tests/renew.py --readme`"


def test_a_changed_number_would_be_noticed(notebook):
    accuracy = renew.figures(renew.printed(notebook))["accuracy"]
    changed = TEXT.replace(f"**{accuracy} %**", "**99.99 %**")
    assert changed != TEXT and renew.filled(changed, notebook) != changed


def test_every_image_is_there_and_has_alternative_text():
    images = re.findall(r"!\[(.*?)\]\((.*?)\)", TEXT)
    assert images
    for description, path in images:
        assert len(description) > 20
        assert (cells.ROOT / path).read_bytes().startswith(b"\x89PNG")


def test_every_image_is_written_by_the_notebook_or_the_benchmark(notebook):
    written = {benchmark.CHART.stem}
    for cell in cells.code_cells(notebook):
        written |= set(re.findall(r'show\(\s*figure,\s*"(\w+)"', cell.source))
    assert {path.stem for path in (cells.ROOT / "images").iterdir()} == written


def test_its_network_table_is_the_network(names):
    table = TEXT.split("## The network")[1].split("## ")[0]
    rows = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) \|$", table, re.M)]
    network = names["Net"]()
    parameters = []
    for layer in network.layers:
        size = sum(parameter.numel() for parameter in layer.parameters())
        if isinstance(layer, nn.BatchNorm2d):
            parameters[-1] += size
        elif isinstance(layer, nn.Conv2d | nn.AdaptiveAvgPool2d | nn.Linear):
            parameters.append(size)
    assert rows == parameters
    assert f"**{sum(parameters):,}**" in table


def test_its_table_and_the_notebook_name_the_same_shapes(notebook):
    comments = re.findall(r"(\d+) x +(\d+) x +(\d+) +RF (\d+)", cells.cell(notebook, "net").source)
    table = re.findall(r"\| (\d+) x (\d+) x (\d+) \| (\d+) \|", TEXT)
    assert table == comments[:8] and len(table) == 8


@pytest.mark.parametrize("command", ["ipython EVA_Assignment3b.ipynb", "pytest --nbval-lax"])
def test_its_commands_name_what_exists(command):
    assert f"pip install -r requirements.txt && {command}\n" in TEXT
