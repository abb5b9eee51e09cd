"""Plans of the network: how its parameters are spread over eight convolutions.

A plan is a text such as "8+p 16k1 12 20 16 20+p 28+ 20k1p": the channels of each convolution,
k1 where it is 1 x 1 instead of 3 x 3, + where it is padded, p where pooling follows.
"""

import copy
import re
from typing import NamedTuple

from tests.tools import cells

THIRD_VERSION = "8 16p 12 32 20k1 20+p 12+ 24+p"  # the network of the third version


class Convolution(NamedTuple):
    """One convolution of a plan."""

    channels: int
    kernel_size: int
    padded: bool
    pooled: bool


def parse(plan):
    """Return the convolutions of a plan, a text; raise ValueError where a word is none."""
    convolutions = []
    for word in plan.split():
        match = re.fullmatch(r"(\d+)(k1)?(\+)?(p)?", word)
        if match is None:
            raise ValueError(f"{word!r} is no convolution of a plan.")
        channels, is_1x1, padded, pooled = match.groups()
        kernel_size = 1 if is_1x1 else 3
        convolutions.append(Convolution(int(channels), kernel_size, bool(padded), bool(pooled)))
    return convolutions


def write(convolutions):
    """Return the text of a plan."""
    words = []
    for each in convolutions:
        word = str(each.channels)
        if each.kernel_size == 1:
            word += "k1"
        if each.padded:
            word += "+"
        if each.pooled:
            word += "p"
        words.append(word)
    return " ".join(words)


def sizes(convolutions):
    """Return the side of the square of outputs of each convolution, before it is pooled."""
    side, found = 28, []
    for each in convolutions:
        if not each.padded:
            side = side - each.kernel_size + 1
        found.append(side)
        if each.pooled:
            side = side // 2
    return found


def parameters(convolutions):
    """Return how many parameters a network with these convolutions has."""
    count, before = 0, 1
    for each in convolutions:
        weights = before * each.channels * each.kernel_size**2
        count += weights + 2 * each.channels  # BN has a scale and an offset for each channel
        before = each.channels
    return count + 10 * before + 10  # the fully connected layer


def multiplications(convolutions):
    """Return how many multiplications the convolutions need for one image."""
    count, before = 0, 1
    for each, side in zip(convolutions, sizes(convolutions), strict=True):
        count += side**2 * before * each.channels * each.kernel_size**2
        before = each.channels
    return count


def with_plan(notebook, plan):
    """Return a copy of notebook in which Net has this plan, written as the notebook writes it."""
    lines, before = [], 1
    for each in parse(plan):
        arguments = [str(before), str(each.channels)]
        if each.kernel_size != 3:
            arguments.append(f"kernel_size={each.kernel_size}")
        if each.padded:
            arguments.append("padding=1")
        if each.pooled:
            arguments.append("pool=True")
        lines.append(f"*block({', '.join(arguments)}),")
        before = each.channels
    lines += [
        "nn.AdaptiveAvgPool2d(1),",
        "nn.Flatten(),",
        f"nn.Linear({before}, 10),",
        "nn.LogSoftmax(dim=1),",
    ]
    body = "\n            ".join(lines)
    notebook = copy.deepcopy(notebook)
    cells.cell(notebook, "net").source = (
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        f"        super().__init__(\n            {body}\n        )\n"
    )
    return notebook
