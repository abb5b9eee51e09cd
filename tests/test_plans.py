"""How many networks fit the assignment's text: the notebook names the number."""

import re

import cells

WIDTHS = range(8, 33, 4)  # channels
PARAMETERS = 15_938


def parameters(inputs, outputs, side):
    """Return the parameters of one block: convolution without bias, scale and offset of BN."""
    return side**2 * inputs * outputs + 2 * outputs


def goes_up_down_and_up(number, inputs, outputs):
    """Return whether convolution number (of the first four) widens or narrows as demanded."""
    if number == 3:
        return outputs < inputs
    return outputs > inputs


def plans_by_parameters():
    """Return how many plans there are, by their number of parameters.

    A plan has eight convolutions, 3 x 3 but for one of the last six, which is 1 x 1. A state
    is (channels of the last convolution, whether the 1 x 1 was used, parameters so far).
    """
    states = {(width, False, parameters(1, width, side=3)): 1 for width in WIDTHS}
    for number in range(2, 9):
        longer = {}
        for (inputs, used, total), count in states.items():
            for outputs in WIDTHS:
                if number <= 4 and not goes_up_down_and_up(number, inputs, outputs):
                    continue
                sides = [3] if used or number == 2 else [3, 1]
                for side in sides:
                    state = (outputs, side == 1 or used, total + parameters(inputs, outputs, side))
                    longer[state] = longer.get(state, 0) + count
        states = longer
    plans = {}
    for (outputs, used, total), count in states.items():
        if used:
            total += 10 * outputs + 10  # the fully connected layer
            plans[total] = plans.get(total, 0) + count
    return plans


def test_the_notebook_names_the_number_of_plans(notebook):
    text = cells.cell(notebook, "where-text").source
    named = int(re.search(r"([\d,]+) (?:such )?plans", text)[1].replace(",", ""))
    assert named == plans_by_parameters()[PARAMETERS]
