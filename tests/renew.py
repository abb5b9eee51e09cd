"""Run the notebook, save its outputs in it, and write its numbers into the README.

`pip install nbclient && python tests/renew.py` after any change to a code cell;
`python tests/renew.py --readme` writes the README's numbers alone.
"""

import re
import sys

import cells

README = cells.ROOT / "README.md"


def output(notebook, identifier):
    """Return what the cell with this id printed in the saved run."""
    printed = cells.cell(notebook, identifier).outputs
    return "".join(part.text for part in printed if part.output_type == "stream")


def figures(notebook):
    """Return the numbers of the saved run, each as the text that the README shows."""
    find = re.search
    log, times = output(notebook, "train"), output(notebook, "time")
    device, versions = output(notebook, "device").splitlines()
    correct = [int(count) for count in re.findall(r"Accuracy: (\d+)/", log)]
    return {
        "accuracy": f"{correct[-1] / 100:.2f}",
        "mistakes": str(10_000 - correct[-1]),
        "last_four": f"{min(correct[-4:]) / 100:.2f}",
        "loss": re.findall(r"Average loss: ([\d.]+)", log)[-1],
        "epochs": str(len(correct)),
        "first": find(r"first reached in epoch: (\d+)", times)[1],
        "total": find(r"Training: (\d+) s", times)[1],
        "per_epoch": find(r"([\d.]+) s per epoch", times)[1],
        "machine": find(r"\((.*)\)", device)[1],
        "versions": versions,
    }


def blocks(notebook):
    """Return the README's generated blocks by name."""
    run = figures(notebook)
    log = re.sub(r"\n+", "\n", output(notebook, "train")).strip()
    return {
        "run": (
            f"The run saved in the notebook (seed 0, one uninterrupted run) ends at "
            f"**{run['accuracy']} %**, {run['mistakes']} mistakes, with a test loss of "
            f"{run['loss']}. It reaches 99.40 % in epoch {run['first']}, and the worst of its last "
            f"four epochs is {run['last_four']} %. Training took {run['total']} s, "
            f"{run['per_epoch']} s per epoch, on {run['machine']}; {run['versions']}."
        ),
        "log": f"```text\n{log}\n```",
    }


def filled(text, notebook):
    """Return text with everything between <!-- name --> and <!-- end --> made anew."""
    for name, content in blocks(notebook).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        if len(re.findall(pattern, text, re.DOTALL)) != 1:
            raise ValueError(f"The README needs one block <!-- {name} --> … <!-- end -->.")
        text = re.sub(pattern, rf"\g<1>{content}\n\g<2>", text, flags=re.DOTALL)
    return text


def main():
    """Run and save the notebook unless only the README is asked for, then fill the README."""
    notebook = cells.read()
    if sys.argv[1:] != ["--readme"]:
        import nbclient
        import nbformat

        client = nbclient.NotebookClient(
            notebook,
            coalesce_streams=True,  # folds a progress bar into its last line
            record_timing=False,
            resources={"metadata": {"path": cells.ROOT}},
        )
        client.execute()
        nbformat.write(notebook, cells.NOTEBOOK)
    README.write_text(filled(README.read_text(), notebook))


if __name__ == "__main__":
    main()
