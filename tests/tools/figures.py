"""The pictures: their alternative texts in the notebook, and the README's files in images/."""

import base64
import re

from tests.tools import cells


def pictures(notebook):
    """Return (cell, output) for each output of the notebook that holds a PNG, in order."""
    found = []
    for cell in cells.code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                found.append((cell, output))
    return found


def describe(notebook):
    """Give each picture its alternative text; return sentences on what is missing.

    The text stands under the key alt in the metadata of the cell that draws.
    """
    problems = []
    for cell, output in pictures(notebook):
        if "alt" in cell.metadata:
            output.metadata["image/png"] = {"alt": cell.metadata["alt"]}
        else:
            problems.append(f"The cell {cell.id} draws a picture: its metadata needs a text alt.")
    return problems


def shown_in(readme):
    """Return the alternative text of each picture in the text of the README, by its name."""
    found = re.findall(r"!\[([^]]+)\]\(images/([\w-]+)\.png\)", readme)
    return {name: text for text, name in found}


def files(notebook):
    """Return the PNG that each cell has drawn (the last, if it drew several), by the cell's id."""
    return {
        cell.id: base64.b64decode(output.data["image/png"]) for cell, output in pictures(notebook)
    }


def write(notebook, readme, folder):
    """Write the pictures that the README shows into folder, from the saved outputs.

    Returns sentences on the pictures that the notebook does not have.
    """
    problems = []
    drawn = files(notebook)
    for name in shown_in(readme):
        if name in drawn:
            (folder / f"{name}.png").write_bytes(drawn[name])
        else:
            problems.append(f"README.md shows images/{name}.png, but no cell draws it.")
    return problems
