"""Run the notebook, save its outputs, fill in all generated text and draw all pictures.

`--text` runs nothing and renews text and pictures alone; `--record` runs the notebook, leaves
it as it is, and adds a row to records/versions.csv, for the table of versions.
"""

import argparse
import base64
import re

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
    "mistakes": "Every misclassified test digit with label, answer and probability.",
    "confusions": "A grid of true against predicted digits that counts the mistakes.",
    "filters": "The eight filters of the first convolution above their responses.",
}


def execute(notebook):
    """Run every cell in the notebook's folder; keep in it outputs and what made them."""
    import nbclient  # of .ci/requirements.txt: filling in text and tests do without

    options = {"record_timing": False, "resources": {"metadata": {"path": cells.ROOT}}}
    options["coalesce_streams"] = True  # folds a progress bar into its last line
    options["on_cell_start"] = lambda cell, cell_index: print(f"Cell {cell_index}: {cell.id}")
    nbclient.NotebookClient(notebook, **options).execute()
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
    """Draw the study: a row for each variant, a dot for each seed."""
    rows, earlier = report.records(notebook, "study.csv")
    groups = report.summaries(rows)
    _, axis = plt.subplots(figsize=(9, 0.4 * len(groups) + 0.9))
    axis.axvline(99.4, color=names["GREY"], linestyle="--")
    axis.text(99.4, -0.7, " 99.40 %, required", color=names["GREY"], va="center")
    for row, group in enumerate(groups.values()):
        for place, accuracy in enumerate(group["by_seed"]["accuracy"].values()):
            axis.plot(accuracy, row + place % 3 / 8 - 1 / 8, "o", color=names["BLUE"], alpha=0.5)
        axis.plot(group["accuracy"], row, "k|", markersize=16, markeredgewidth=2)
    failed = [f" ({g['failed']} did not learn)" * bool(g["failed"]) for g in groups.values()]
    axis.set_yticks(range(len(groups)), map("".join, zip(groups, failed)))
    axis.set(title=earlier, ylim=(len(groups) - 0.5, -1))
    axis.set_xlabel("accuracy (%), a dot for each seed, a bar for the mean")


def draw_network(notebook, names):
    """Draw the network by the comments beside its layers: a bar for each output."""
    pattern = r"(\w+\(.*\)),  # +(\d+)(?: x +(\d+) x +\d+ +(RF \d+))?"
    layers = re.findall(pattern, cells.cell(notebook, "net").source)
    _, axis = plt.subplots(figsize=(9, 5.2))
    for row, (_, channels, side, field) in enumerate(layers):
        width, height = int(channels), 0.2 + int(side or 1) / 40
        axis.barh(row, width, height, left=-width / 2, color=names["BLUE"])
        shape = f"{channels} x {side} x {side}" if side else channels
        axis.text(18, row, f"{shape:14}{field}", va="center", family="monospace")
    axis.set_yticks(range(len(layers)), [layer[0] for layer in layers], family="monospace")
    axis.text(0, -1, "width: channels, height: side of the output", ha="center")
    axis.set(xlim=(-17, 34), xticks=[])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.invert_yaxis()


def write_pictures(notebook, folder):
    """Write the README's pictures into folder: drawn anew, or from the saved outputs."""
    matplotlib.use("agg")
    names = cells.definitions()
    study.run_silently(names, "device")  # the notebook's own style
    for draw in (draw_study, draw_network):
        draw(notebook, names)
        plt.savefig(folder / f"{draw.__name__.removeprefix('draw_')}.png")
    for name in ("curves", "mistakes"):
        data = pictures(notebook)[name].data["image/png"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(data))


def main():
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", action="store_true", help="renew text and pictures alone")
    parser.add_argument("--record", action="store_true", help="keep only the run's results")
    options, notebook = parser.parse_args(), cells.read()
    if not options.text:
        execute(notebook)
    if options.record:
        study.append_record(cells.RECORDS / "versions.csv", report.run(notebook))
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
