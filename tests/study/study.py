"""Train the notebook's network for many seeds: the full recipe, and variants of it.

`python -m tests.study.study` runs what the records lack. It can be stopped at any time and
started again: every run that has ended is kept.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch
from tqdm import tqdm

from tests.study import plans, recording, variants
from tests.tools import cells


def namespace(notebook, settings, device="cpu"):
    """Return what the cell of training needs: definitions with settings, data on device."""
    settings = {"DATA_FOLDER": str(cells.ROOT / "data")} | settings
    names = cells.definitions(notebook, settings)
    names["device"] = torch.device(device)
    run_silently(notebook, names, "load-run")
    return names


def run_silently(notebook, names, identifier):
    """Execute the cell with this id in an empty working directory; print nothing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        cells.run(notebook, names, identifier)


def hold_out(names, seed):
    """Put 10,000 training images, others with each seed, in the test set's place; keep the rest.

    Raises ValueError for seeds above 9: seed 10 would hold out the images of seed 0 again.
    """
    if seed > 9:
        raise ValueError("Held-out images are there for the seeds 0 to 9 only.")
    for kind in ("images", "labels"):
        data = names[f"train_{kind}"].roll(6_000 * seed, dims=0)
        names[f"train_{kind}"], names[f"test_{kind}"] = data.split(50_000)


def train(notebook, variant, seed):
    """Train one variant with one seed; return its row of the runs and those of its epochs.

    If a loss is not finite, the training ends, and the epochs from there on are missing.
    """
    edited = variant.edited(notebook)
    names = namespace(edited, {"SEED": seed, **variant.settings})
    with contextlib.suppress(FloatingPointError):
        run_silently(edited, names, "train")
    history = names["history"]
    run = {
        "variant": variant.name,
        "seed": seed,
        "code": cells.fingerprint(notebook),
        "trained": variant.fingerprint(notebook),
        "parameters": sum(p.numel() for p in names["model"].parameters()),
        "seconds": round(statistics.median([row["seconds"] for row in history] or [0]), 1),
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
    }
    epochs = [
        {
            "epoch": epoch,
            "loss": f"{row['test_loss']:.5f}",
            "correct": row["test_correct"],
            "unaveraged_loss": f"{row['unaveraged_loss']:.5f}",
            "unaveraged_correct": row["unaveraged_correct"],
        }
        for epoch, row in enumerate(history, start=1)
    ]
    return run, epochs


def machine_of(run):
    """Return the machine that made a run, a row of the records."""
    return tuple(run[column] for column in recording.MACHINE)


def schedule(notebook, runs, here, chosen, seeds=None):
    """Return what is still to be trained, in order: (name of the variant, seed).

    runs are those of the records, here is this machine, chosen are variants; seeds take the
    place of the variants' own. A pair is one seed on one machine, so what it lacks is run here:
    the variant, the recipe, or both.
    """
    code = cells.fingerprint(notebook)
    machines = {}  # those that trained something with a seed
    for run in runs[runs["code"] == code].to_dict("records"):
        machines.setdefault((run["trained"], run["seed"]), set()).add(machine_of(run))
    jobs = []
    for variant in chosen:
        trained = variant.fingerprint(notebook)  # the recipe's own is code
        for seed in seeds or range(variant.seeds):
            of_recipe = machines.get((code, seed), set())
            of_variant = machines.get((trained, seed), set())
            if not of_recipe & of_variant:
                if here not in of_recipe:
                    jobs.append((variants.RECIPE, seed))
                if trained != code and here not in of_variant:
                    jobs.append((variant.name, seed))

    def rank(job):
        """Put the seeds of the pairs first, and there the recipe."""
        name, seed = job
        return seed >= variants.PAIRS, name != variants.RECIPE, seed

    return sorted(dict.fromkeys(jobs), key=rank)


def start_worker():
    """Use one thread; end when the parent ends, however that came, and only then."""
    # Control-C reaches every process, and the notebook would take a half run for a finished one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end():
        multiprocessing.parent_process().join()
        os._exit(1)

    torch.set_num_threads(1)
    threading.Thread(target=end, daemon=True).start()


def parse(arguments):
    """Return the options of the command line."""
    names = [variant.name for variant in variants.VARIANTS]
    parser = argparse.ArgumentParser(prog="python -m tests.study.study", description=__doc__)
    parser.add_argument(
        "--variants", nargs="+", metavar="NAME", choices=names, default=names, help="default: all"
    )
    parser.add_argument("--plan", help="of the network, before the notebook has it: see plans.py")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="default: all")
    parser.add_argument("--workers", type=int, metavar="N", help="runs at the same time")
    return parser.parse_args(arguments)


def main(arguments=None, work=train):
    """Run what the records lack, one run a core; return how many runs failed.

    work makes one run, as train does; tests put something else in its place.
    """
    options = parse(arguments)
    notebook = cells.read()  # once: it may change while the study runs
    if options.plan:
        notebook = plans.with_plan(notebook, options.plan)
    here = machine_of(recording.processor_and_versions() | {"threads": 1})
    chosen = [variants.variant(name) for name in options.variants]
    jobs = schedule(notebook, recording.read("runs.csv"), here, chosen, options.seeds)
    print(f"{len(jobs)} runs to do.")
    namespace(notebook, {})  # data: once, before several want it
    failures = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context, start_worker) as pool:
        futures = {}
        for name, seed in jobs:
            future = pool.submit(work, notebook, variants.variant(name), seed)
            futures[future] = f"{name}, seed {seed}"
        for future in tqdm(as_completed(futures), total=len(jobs), unit="run"):
            try:
                recording.append_run(*future.result())
            except Exception as error:  # the other runs go on
                failures += 1
                tqdm.write(f"Failed: {futures[future]}: {error!r}")
    return failures


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once: every finished run is kept
    sys.exit(bool(main()))
