"""How many networks fit the assignment's text: the notebook names the number."""

import re
from functools import cache

import cells

from stand_ins import PARAMETERS

WIDTHS = range(8, 33, 4)  # channels
CONVOLUTIONS = 8


def block_parameters(inputs, outputs, side):
    """Return the parameters of one block: convolution without bias, scale and offset of BN."""
    return side**2 * inputs * outputs + 2 * outputs


def sides(number, has_1_x_1):
    """Return the sides that the filters of this convolution may have."""
    if number < 3 or has_1_x_1:
        return [3]
    return [3, 1]


def widths(number, inputs):
    """Return the numbers of channels that this convolution may have: up, down and up, then any."""
    if number in (2, 4):
        return [width for width in WIDTHS if width > inputs]
    if number == 3:
        return [width for width in WIDTHS if width < inputs]
    return WIDTHS


@cache
def count_plans(number, inputs, has_1_x_1, parameters):
    """Return in how many ways the network can go on from this convolution to its end.

    inputs are the channels that it is given, has_1_x_1 is whether a convolution before it is
    1 x 1, and parameters are those that it and all that follows must have together.
    """
    if number > CONVOLUTIONS:
        fully_connected = 10 * inputs + 10
        return 1 if has_1_x_1 and parameters == fully_connected else 0
    count = 0
    for outputs in widths(number, inputs):
        for side in sides(number, has_1_x_1):
            left = parameters - block_parameters(inputs, outputs, side)
            count += count_plans(number + 1, outputs, has_1_x_1 or side == 1, left)
    return count


def test_the_notebook_names_the_number_of_plans(notebook):
    text = cells.cell(notebook, "where-text").source
    named = int(re.search(r"([\d,]+) (?:such )?plans", text)[1].replace(",", ""))
    plans = count_plans(number=1, inputs=1, has_1_x_1=False, parameters=PARAMETERS)
    assert named == plans
