"""Train the notebook's network for many seeds, whole and with one part taken away.

`python tests/study.py` runs what tests/records/study.csv still lacks and prints the table;
`python tests/study.py --validation` does the same for the settings that were tried on held-out
training images (tests/records/settings.csv). Stop it with Ctrl-C and start it again at any time:
every finished run is kept.
"""

import argparse
import contextlib
import csv
import io
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cells
from tqdm import tqdm

RECORDS = Path(__file__).resolve().parent / "records"
STUDY = RECORDS / "study.csv"
TRIED = RECORDS / "settings.csv"
FULL = "full recipe"
PLAIN = "no one-cycle, no averaging"
REQUIRED = 9_940
COLUMNS = [
    "variant",
    "seed",
    "parameters",
    "correct",
    "loss",
    "first_epoch",
    "seconds_per_epoch",
    "python",
    "torch",
    "torchvision",
    "processor",
]

CONSTANT_RATE = ("        scheduler.step()\n", "")
NOT_AVERAGED = ("evaluate(averaged_model, test", "evaluate(model, test")
# What is changed in the notebook for each variant: (settings, edits of the code).
VARIANTS = {
    FULL: ({}, []),
    "no batch normalisation": (
        {},
        [
            ("        nn.BatchNorm2d(out_channels),\n", ""),
            ("padding=padding, bias=False", "padding=padding"),
        ],
    ),
    "no dropout": ({"DROPOUT": 0}, []),
    "no global average pooling": (
        {},
        [
            ("            nn.AdaptiveAvgPool2d(1),", "            #"),
            ("nn.Linear(24, 10)", "nn.Linear(96, 10)"),
        ],
    ),
    "no fully connected layer": (
        {},
        [
            ("nn.AdaptiveAvgPool2d(1),", "nn.Conv2d(24, 10, 1), nn.AdaptiveAvgPool2d(1),"),
            ("            nn.Linear(24, 10),", "            #"),
        ],
    ),
    "no augmentation": ({"ROTATION": 0, "SHIFT": 0, "SCALE": 0, "SHEAR": 0}, []),
    "no one-cycle schedule": ({}, [CONSTANT_RATE]),
    "no weight averaging": ({}, [NOT_AVERAGED]),
    PLAIN: ({}, [CONSTANT_RATE, NOT_AVERAGED]),
    "no expand and squeeze": (
        {},
        [
            ("*block(1, 8),", "*block(1, 4),"),
            ("*block(8, 16, pool", "*block(4, 10, pool"),
            ("*block(16, 12),", "*block(10, 12),"),
            ("*block(12, 32, pool", "*block(12, 16, pool"),
            ("*block(32, 20, kernel", "*block(16, 18, kernel"),
            ("*block(20, 20,", "*block(18, 20,"),
            ("*block(20, 12,", "*block(20, 22,"),
            ("*block(12, 24,", "*block(22, 24,"),
        ],
    ),
}
# The settings that were tried on held-out training images, each beside the recipe's own.
SETTINGS = {
    FULL: ({}, []),
    "peak rate 0.05": ({"PEAK_LEARNING_RATE": 0.05}, []),
    "peak rate 0.1": ({"PEAK_LEARNING_RATE": 0.1}, []),
    "peak 0.1, average 1/5": ({"PEAK_LEARNING_RATE": 0.1, "AVERAGE_SHARE": 0.2}, []),
    "peak 0.1, all padded": (
        {"PEAK_LEARNING_RATE": 0.1},
        [
            ("*block(1, 8),", "*block(1, 8, padding=1),"),
            ("*block(8, 16, pool", "*block(8, 16, padding=1, pool"),
            ("*block(16, 12),", "*block(16, 12, padding=1),"),
            ("*block(12, 32, pool", "*block(12, 32, padding=1, pool"),
        ],
    ),
    "weight decay 1e-4": ({"WEIGHT_DECAY": 1e-4}, []),
    "dropout 0": ({"DROPOUT": 0.0}, []),
    "dropout 0.05": ({"DROPOUT": 0.05}, []),
    "batch size 64": ({"BATCH_SIZE": 64}, []),
    "no shear": ({"SHEAR": 0}, []),
    "no clean epochs": ({"CLEAN_EPOCHS": 0}, []),
    "weaker augmentation": ({"ROTATION": 5, "SHIFT": 1, "SCALE": 0.05, "SHEAR": 0.1}, []),
    "no Nesterov": ({}, [(", nesterov=True", "")]),
    "label smoothing 0.05": (
        {},
        [
            (
                "loss = F.nll_loss(output, labels[batch])",
                "loss = F.cross_entropy(output, labels[batch], label_smoothing=0.05)",
            )
        ],
    ),
    "BN statistics measured anew": (
        {},
        [
            (
                "test_loss, correct = evaluate(averaged",
                "torch.optim.swa_utils.update_bn(train_images.split(1000), averaged_model)\n"
                "        test_loss, correct = evaluate(averaged",
            )
        ],
    ),
    # Not a candidate, with 62,522 parameters: it shows what the number of parameters holds back.
    "twice the channels": (
        {},
        [
            ("*block(1, 8),", "*block(1, 16),"),
            ("*block(8, 16, pool", "*block(16, 32, pool"),
            ("*block(16, 12),", "*block(32, 24),"),
            ("*block(12, 32, pool", "*block(24, 64, pool"),
            ("*block(32, 20, kernel", "*block(64, 40, kernel"),
            ("*block(20, 20,", "*block(40, 40,"),
            ("*block(20, 12,", "*block(40, 24,"),
            ("*block(12, 24,", "*block(24, 48,"),
            ("nn.Linear(24, 10)", "nn.Linear(48, 10)"),
        ],
    ),
}


def run(variant, seed, settings, edits, validation):
    """Train one variant with one seed; return its row of the records."""
    import torch

    torch.set_num_threads(1)
    notebook = cells.edited(cells.read(), edits)
    data = str(cells.ROOT / "data")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        names = cells.train(
            notebook,
            validation,
            SEED=seed,
            DATA_FOLDER=data,
            WEIGHTS_FILE=f"{folder}/weights.pt",
            **settings,
        )
    correct = [epoch["test_correct"] for epoch in names["history"]]
    if len(correct) != names["EPOCHS"]:
        raise RuntimeError("interrupted")
    values = (
        variant,
        seed,
        sum(parameter.numel() for parameter in names["model"].parameters()),
        " ".join(map(str, correct)),
        " ".join(f"{epoch['test_loss']:.5f}" for epoch in names["history"]),
        next((epoch for epoch, count in enumerate(correct, start=1) if count >= REQUIRED), ""),
        f"{statistics.median(epoch['seconds'] for epoch in names['history']):.1f}",
        names["platform"].python_version(),
        torch.__version__,
        names["torchvision"].__version__,
        names["processor"],
    )
    return dict(zip(COLUMNS, values, strict=True))


def read_records(path):
    """Return the rows of the CSV at path, none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_record(path, row):
    """Add row to the CSV at path and make sure that it is on the disk."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        os.fsync(file.fileno())


def runs(records, variant):
    """Return the rows of variant, by seed."""
    rows = [row for row in records if row["variant"] == variant]
    return sorted(rows, key=lambda row: int(row["seed"]))


def results(records, variant):
    """Return what the records say of variant, by name; accuracies are in per cent."""
    rows = runs(records, variant)
    counts = [[int(count) for count in row["correct"].split()] for row in rows]
    accuracies = [count[-1] / 100 for count in counts]
    first = [int(row["first_epoch"] or len(counts[0]) + 1) for row in rows]
    return {
        "seeds": len(rows),
        "parameters": int(rows[0]["parameters"]),
        "mean": statistics.mean(accuracies),
        "variance": statistics.variance(accuracies) if len(rows) > 1 else math.nan,
        "worst": min(accuracies),
        "loss": statistics.mean(float(row["loss"].split()[-1]) for row in rows),
        "last_four": min(min(count[-4:]) for count in counts) / 100,
        "first": statistics.median(first),
        "latest_first": max(first) if all(row["first_epoch"] for row in rows) else "never",
    }


def noise(*results):
    """Return twice the standard error of the difference between two results' means."""
    return 2 * math.sqrt(sum(result["variance"] / result["seeds"] for result in results))


def table(records, variants):
    """Return the lines of a Markdown table of the variants that have records."""
    head = ["", "parameters", "seeds", "mean %", "std", "worst %", "change", "loss"]
    head += ["worst of last four %", "99.40 % in epoch, median to worst"]
    present = {row["variant"] for row in records}
    lines, full = [head, [":--", *["--:"] * (len(head) - 1)]], None
    for variant in [variant for variant in variants if variant in present]:
        result, change = results(records, variant), ""
        if full:
            change = f"{result['mean'] - full['mean']:+.3f} ± {noise(full, result):.3f}"
            change = change.replace(" ", "\N{NO-BREAK SPACE}")
        full = full or result
        lines.append(
            [
                variant,
                f"{result['parameters']:,}",
                f"{result['seeds']}",
                f"{result['mean']:.2f}",
                f"{math.sqrt(result['variance']):.3f}",
                f"{result['worst']:.2f}",
                change,
                f"{result['loss']:.4f}",
                f"{result['last_four']:.2f}",
                f"{result['first']:.0f} to {result['latest_first']}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "| " + " | ".join(f"{text:{width}}" for text, width in zip(line, widths)) + " |"
        for line in lines
    ]


def sentences(records):
    """Return what the README says of the full recipe."""
    rows, result = runs(records, FULL), results(records, FULL)
    one = rows[0]
    return (
        f"Over {result['seeds']} seeds ({one['seed']} to {rows[-1]['seed']}) the last epoch's "
        f"accuracy has a mean of **{result['mean']:.2f} %** (standard deviation "
        f"{math.sqrt(result['variance']):.2f}); the worst seed ends at "
        f"**{result['worst']:.2f} %**. The worst of the last four epochs of any seed is "
        f"{result['last_four']:.2f} %. The mean test loss is {result['loss']:.4f}. 99.40 % is "
        f"first reached in epoch {result['first']:.0f} (median), at the latest in epoch "
        f"{result['latest_first']}. Machine: {one['processor']}, one thread for each run; Python "
        f"{one['python']}, torch {one['torch']}, torchvision {one['torchvision']}."
    )


def mistakes(records):
    """Return the notebook's cell of records: parameters, and mistakes of the last epoch by seed."""
    lines = []
    for variant in VARIANTS:
        rows = runs(records, variant)
        counts = " ".join(str(10_000 - int(row["correct"].split()[-1])) for row in rows)
        if rows:
            lines.append(f'    "{variant}": ({int(rows[0]["parameters"]):_}, "{counts}"),')
    return "\n".join(["STUDY = {", *lines, "}"])


def stop_with_parent():
    """Let this process end when the one that started it ends, however that one was killed."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def execute(todo, path, processes, work):
    """Call work(*job) for each job, several at once, adding results to path; return failures."""
    failures = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, stop_with_parent) as pool:
        futures = {pool.submit(work, *job): job for job in todo}
        try:
            for future in tqdm(as_completed(futures), total=len(futures), unit="run"):
                try:
                    append_record(path, future.result())
                except Exception as error:
                    failures.append(f"{futures[future][:2]}: {type(error).__name__}: {error}")
                    tqdm.write(f"Failed: {failures[-1]}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failures


def main(arguments=None, work=run):
    """Run what the records lack, print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--validation", action="store_true", help="use held-out training images, try the settings"
    )
    parser.add_argument("--variants", nargs="+", help="only these variants")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="these seeds instead of the planned ones"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), help="runs at once, one thread each"
    )
    parser.add_argument(
        "--slice",
        default="0/1",
        help="I/N: only every N-th missing run, from the I-th (0 is the first)",
    )
    parser.add_argument("--output", type=Path, help="the CSV to read and extend")
    options = parser.parse_args(arguments)
    variants = SETTINGS if options.validation else VARIANTS
    path = options.output or (TRIED if options.validation else STUDY)
    seeds = dict.fromkeys(variants, range(3 if options.validation else 5))
    seeds[FULL] = range(3 if options.validation else 20)

    done = {(row["variant"], int(row["seed"])) for row in read_records(path)}
    planned = [
        (variant, seed, *variants[variant], options.validation)
        for variant in options.variants or variants
        for seed in options.seeds or seeds[variant]
    ]
    index, count = map(int, options.slice.split("/"))
    todo = [job for job in planned if job[:2] not in done][index::count]
    failures = []
    if todo:
        print(f"{len(planned) - len(todo)} of {len(planned)} runs are there; {len(todo)} to do.")
        # Once, before several processes want it.
        cells.definitions()["load_mnist"](cells.ROOT / "data")
        failures = execute(todo, path, options.processes, work)
    else:
        print(f"Nothing to do: all {len(planned)} runs are in {path}.")
    print("\n".join(table(read_records(path), variants)))
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. Every finished run is kept; the same command goes on from here.")
