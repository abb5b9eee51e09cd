"""The pictures: their alternative texts in the notebook, and the README's files in images/."""

import base64
import re

import cells


def pictures(notebook):
    """Return the outputs that hold a PNG, a list for each cell that has any, by the cell's id."""
    found = {}
    for cell in cells.code_cells(notebook):
        outputs = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        if outputs:
            found[cell.id] = outputs
    return found


def describe(notebook):
    """Give each picture its alternative text; return sentences on what is missing.

    The texts stand in the metadata of the cell that draws: a list `alt`, a text a picture.
    """
    problems = []
    for name, outputs in pictures(notebook).items():
        texts = cells.cell(notebook, name).metadata.get("alt", [])
        if len(texts) != len(outputs):
            problems.append(
                f"The cell {name} draws {len(outputs)} pictures, but its metadata has "
                f"{len(texts)} alternative texts (a list under the key alt)."
            )
        # Not strict: a picture without a text is reported, and the others get theirs.
        for output, text in zip(outputs, texts, strict=False):
            output.metadata["image/png"] = {"alt": text}
    return problems


def shown_in(readme):
    """Return the names of the pictures in the text of the README."""
    return re.findall(r"\(images/([\w-]+)\.png\)", readme)


def files(notebook):
    """Return the PNG of each picture in the saved outputs, by the name of its file.

    This is the id of the cell that draws it, followed by -2 for the cell's second, and so on.
    """
    found = {}
    for identifier, outputs in pictures(notebook).items():
        for number, output in enumerate(outputs, start=1):
            name = identifier if number == 1 else f"{identifier}-{number}"
            found[name] = base64.b64decode(output.data["image/png"])
    return found


def write(notebook, readme, folder):
    """Write the pictures that the README shows into folder, from the saved outputs.

    Returns sentences on the pictures that the notebook does not have.
    """
    problems = []
    found = files(notebook)
    for name in shown_in(readme):
        if name in found:
            (folder / f"{name}.png").write_bytes(found[name])
        else:
            problems.append(f"README.md shows images/{name}.png, but no cell draws it.")
    return problems
