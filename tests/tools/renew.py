"""Run the notebook, save its outputs, fill in all generated text and draw all pictures.

`--text` runs nothing and renews text and pictures alone; `--record FILE` runs the notebook,
leaves it as it is, and keeps in FILE what it printed, for the table of versions.
"""

import argparse
import base64
import json
import re
import statistics
import sys
from pathlib import Path

import cells
import matplotlib
import matplotlib.pyplot as plt
import nbformat
import report
import study
import torch

READMES = [cells.ROOT / "README.md", cells.ROOT / "tests" / "README.md"]
# The alternative texts of the notebook's figures, by the ids of their cells.
ALTERNATIVES = {
    "digits": "Ten training digits, and below each three augmented copies of it.",
    "curves": "Loss and accuracy after each epoch, for training and test images.",
    "mistakes": "Every misclassified test digit with label, answer and confidence.",
    "confusions": "A grid of true against predicted digits that counts the mistakes.",
    "filters": "The eight filters of the first convolution above their responses.",
}


def execute(notebook):
    """Run every cell in the notebook's folder; keep in it outputs and what made them."""
    import nbclient  # of .ci/requirements.txt: filling in text and tests do without

    client = nbclient.NotebookClient(
        notebook,
        timeout=None,
        coalesce_streams=True,  # folds a progress bar into its last line
        record_timing=False,
        resources={"metadata": {"path": cells.ROOT}},
        on_cell_start=lambda cell, cell_index: print(f"Cell {cell_index}: {cell.id}"),
    )
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        sys.exit(f"{error}\nThe notebook on the disk is as it was.")
    for name, output in pictures(notebook).items():
        output.metadata["image/png"] = {"alt": ALTERNATIVES[name]}
    threads = re.search(r"\d+ threads", cells.printed(notebook)["device"])[0]
    graphics = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    saved = study.machine()
    saved["machine"] = ", ".join([saved.pop("processor"), *graphics, threads])
    notebook.metadata["saved_run"] = saved | {"code": cells.fingerprint(notebook)}


def pictures(notebook):
    """Return the outputs of notebook that hold a PNG, by the ids of their cells."""
    outputs = [(cell.id, out) for cell in cells.code_cells(notebook) for out in cell.outputs]
    return {name: out for name, out in outputs if "image/png" in out.get("data", {})}


def draw_study(notebook, names):
    """Draw the study: a row for each variant of the code with most, a dot for each seed."""
    shown = report.records(notebook, "study.csv")
    rows, earlier = max(shown, key=lambda pair: len(report.summaries(pair[0])))
    groups = report.summaries(rows)
    _, axis = plt.subplots(figsize=(9, 0.4 * len(groups) + 0.9))
    axis.axvline(99.4, color=names["GREY"], linestyle="--")
    axis.text(99.4, -0.7, " 99.40 %, required", color=names["GREY"], va="center")
    for row, group in enumerate(groups.values()):
        values = list(group["accuracies"].values())
        heights = [row + 0.12 * (i % 3 - 1) for i in range(len(values))]
        axis.plot(values, heights, "o", color=names["BLUE"], alpha=0.5, markersize=5)
        axis.plot(group["mean"], row, "k|", markersize=16, markeredgewidth=2)
    failed = [f" ({g['failed']} did not learn)" * bool(g["failed"]) for g in groups.values()]
    axis.set_yticks(range(len(groups)), map("".join, zip(groups, failed)))
    axis.set(title=earlier, ylim=(len(groups) - 0.5, -1))
    axis.set_xlabel("accuracy (%), a dot for each seed, a bar for the mean")


def draw_benchmark(notebook, names):
    """Draw the seconds per epoch as bars."""
    values, ways = report.times(notebook)[0], [report.HERE, report.USUAL]
    medians = [statistics.median(values[way]) for way in ways]
    _, axis = plt.subplots(figsize=(9, 1.6))
    bars = axis.barh(ways, medians, color=[names["BLUE"], names["GREY"]])
    axis.bar_label(bars, [f"{median:.1f} s" for median in medians], padding=4)
    axis.set(xlabel="seconds per epoch of 60,000 images", xlim=(0, 1.1 * max(medians)))
    axis.invert_yaxis()


def draw_network(notebook, names):
    """Draw the network by the comments beside its layers, a bar for each output."""
    _, axis = plt.subplots(figsize=(9, 5.6))
    lines = [("Layer", "Width: channels, height: image side", "Output", "RF")]
    pattern = r"(\w+)\((.*)\), *# +(\d+)(?: x +(\d+) x +\d+ +RF (\d+))?\n"
    layers = re.findall(pattern, cells.cell(notebook, "net").source)
    for kind, options, channels, side, field in [("image", "", "1", "28", "1"), *layers]:
        convolution = f"convolution {'1 x 1' if 'kernel_size=1' in options else '3 x 3'}"
        what = {
            "image": "image",
            "block": convolution + ", max pooling" * ("pool=True" in options),
            "AdaptiveAvgPool2d": "global average pooling",
            "Linear": "fully connected, log-softmax",
        }
        if kind in what:
            width, height = int(channels) / 32, 0.25 + int(side or 1) / 40
            color = names["BLUE" if kind == "block" else "GREY"]
            axis.barh(len(lines), width, height, left=-width / 2, color=color)
            output = f"{channels} x {side} x {side}" if side else channels
            lines.append((what[kind], "", output, field))
    lines.append(("", "BN, ReLU and dropout follow each convolution (and its pooling)."))
    places = [(-0.56, "right"), (0, "center"), (0.56, "left"), (1, "right")]
    for row, line in enumerate(lines):
        for (x, place), text in zip(places, line):
            axis.text(x, row, text, ha=place, va="center", fontsize=11)
    axis.set(xlim=(-1.45, 1.05), ylim=(len(lines) - 0.6, -0.5))
    axis.axis("off")


def write_pictures(notebook, folder):
    """Write the README's pictures into folder: drawn anew, or from the saved outputs."""
    matplotlib.use("agg")
    names = cells.definitions()
    study.run_silently(names, "device")  # the notebook's own style
    for draw in (draw_study, draw_benchmark, draw_network):
        draw(notebook, names)
        plt.savefig(folder / f"{draw.__name__.removeprefix('draw_')}.png")
    for name in ("curves", "mistakes"):
        data = pictures(notebook)[name].data["image/png"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(data))


def main():
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", action="store_true", help="renew text and pictures alone")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep what it prints")
    options, notebook = parser.parse_args(), cells.read()
    if not options.text:
        execute(notebook)
    if options.record:
        kept = {"saved_run": notebook.metadata["saved_run"], "printed": cells.printed(notebook)}
        options.record.write_text(json.dumps(kept, indent=1) + "\n")
        return
    nbformat.write(notebook, cells.NOTEBOOK)  # minutes of work, whatever fails below
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = report.fill(cell.source, notebook, report.IN_NOTEBOOK)
    nbformat.write(notebook, cells.NOTEBOOK)
    for path in READMES:
        path.write_text(report.fill(path.read_text(), notebook))
    write_pictures(notebook, cells.ROOT / "images")


if __name__ == "__main__":
    main()
