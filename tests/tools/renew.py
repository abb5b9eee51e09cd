"""Write the study's records into the notebook, run it, save its outputs, fill the README.

`python tests/renew.py` after any change to a code cell; needs `.ci/requirements.txt`.
`python tests/renew.py --readme` writes the README's numbers alone.
`python tests/renew.py --record FILE` runs the notebook in another environment, leaves it as it is,
and keeps what it printed in FILE, for the README's table of versions.
"""

import argparse
import json
import re
from pathlib import Path

import benchmark
import cells
import study

README = cells.ROOT / "README.md"
OTHER_RUNS = [study.RECORDS / "colab-versions.json"]


def printed(notebook):
    """Return what each code cell printed in the saved run, by the cell's id."""
    return {
        cell.id: "".join(part.text for part in cell.outputs if part.output_type == "stream")
        for cell in cells.code_cells(notebook)
    }


def figures(texts):
    """Return the numbers of the run that printed texts, each as the README shows it."""
    log, times = texts["train"], texts["time"]
    device, versions = texts["device"].splitlines()
    correct = [int(count) for count in re.findall(r"Accuracy: (\d+)/", log)]
    return {
        "accuracy": f"{correct[-1] / 100:.2f}",
        "mistakes": str(10_000 - correct[-1]),
        "last_four": f"{min(correct[-4:]) / 100:.2f}",
        "loss": re.findall(r"Average loss: ([\d.]+)", log)[-1],
        "first": re.search(r"first reached in epoch: (\d+)", times)[1],
        "total": re.search(r"Training: (\d+) s", times)[1],
        "per_epoch": re.search(r"([\d.]+) s per epoch", times)[1],
        "machine": re.search(r"\((.*)\)", device)[1],
        "versions": versions,
    }


def blocks(notebook):
    """Return the README's generated blocks by name."""
    texts = printed(notebook)
    run = figures(texts)
    log = re.sub(r"\n+", "\n", texts["train"]).strip()
    records = study.read_records(study.STUDY)
    settings = study.read_records(study.TRIED)
    times = study.read_records(benchmark.RECORD)
    others = [figures(json.loads(path.read_text())) for path in OTHER_RUNS]
    rows = [
        f"| {other['versions']} | {other['machine']} | {other['accuracy']} % | {other['loss']} |"
        for other in (run, *others)
    ]
    return {
        "run": (
            f"The run saved in the notebook (seed 0, one uninterrupted run) ends at "
            f"**{run['accuracy']} %**, {run['mistakes']} mistakes, with a test loss of "
            f"{run['loss']}. It reaches 99.40 % in epoch {run['first']}, and the worst of its last "
            f"four epochs is {run['last_four']} %. Training took {run['total']} s, "
            f"{run['per_epoch']} s per epoch, on {run['machine']}; {run['versions']}."
        ),
        "seeds": study.sentences(records),
        "study": "\n".join(study.table(records, study.VARIANTS)),
        "settings": "\n".join(study.table(settings, study.SETTINGS)),
        "ratios": benchmark.sentences(times, records),
        "contestants": "\n".join(benchmark.contestants_table(times)),
        "growth": "\n".join(benchmark.growth_table(times)),
        "log": f"```text\n{log}\n```",
        "versions": "\n".join(
            [
                "| Versions | Machine | Accuracy, last epoch | Test loss |",
                "|:--|:--|--:|--:|",
                *rows,
            ]
        ),
    }


def filled(text, notebook):
    """Return text with everything between <!-- name --> and <!-- end --> made anew."""
    for name, content in blocks(notebook).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        if len(re.findall(pattern, text, re.DOTALL)) != 1:
            raise ValueError(f"The README needs one block <!-- {name} --> … <!-- end -->.")
        text = re.sub(pattern, rf"\g<1>{content}\n\g<2>", text, flags=re.DOTALL)
    return text


def execute(notebook):
    """Run every cell of notebook in its folder and keep the outputs in notebook."""
    import nbclient

    nbclient.NotebookClient(
        notebook,
        coalesce_streams=True,  # folds a progress bar into its last line
        record_timing=False,
        resources={"metadata": {"path": cells.ROOT}},
    ).execute()


def main():
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readme", action="store_true", help="write the README's numbers alone")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep what a run prints")
    options = parser.parse_args()
    notebook = cells.read()
    if options.record:
        execute(notebook)
        options.record.write_text(json.dumps(printed(notebook), indent=1) + "\n")
        return
    if not options.readme:
        cells.cell(notebook, "study").source = study.mistakes(study.read_records(study.STUDY))
        execute(notebook)
        cells.write(notebook)
    README.write_text(filled(README.read_text(), notebook))


if __name__ == "__main__":
    main()
