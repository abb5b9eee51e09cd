"""Train the notebook's network for many seeds: the recipe, and variants of it.

`python -m tests.study.study` runs what the records lack. It can be stopped at any time and
started again: every run that has ended is kept. `--restart` empties the records first, for other
training code; `--same` keeps them, if the present code trains seed 0 of each variant exactly as
recorded.
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

from tests import cells
from tests.study import recording, variants


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


def train(notebook, variant, seed):
    """Train one variant with one seed; return its row of the records."""
    applied = variant.applied_to(notebook)
    names = namespace(applied, {"SEED": seed})
    run_silently(applied, names, "train")
    history = names["history"]
    return {
        "variant": variant.name,
        "trained": variant.digest(notebook),
        "seed": seed,
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
        "parameters": sum(p.numel() for p in names["model"].parameters()),
        "seconds": round(statistics.median(row["seconds"] for row in history), 1),
        "loss": [round(row["test_loss"], 5) for row in history],
        "correct": [row["test_correct"] for row in history],
        "unaveraged_loss": [round(row["unaveraged_loss"], 5) for row in history],
        "unaveraged_correct": [row["unaveraged_correct"] for row in history],
    }


def machine_of(run):
    """Return the machine that made a run, a row of the records."""
    return tuple(run[column] for column in recording.MACHINE)


def schedule(notebook, runs, here, chosen):
    """Return what is still to be trained, in order: (name of the variant, seed).

    runs are those of the records, here is this machine, chosen are variants. A pair is one seed
    of a variant and of what it is compared with, on one machine: what it lacks is run here. Runs
    with another version of torch do not count.
    """
    machines = {}  # those that trained something with a seed
    for run in runs.to_dict("records"):
        if recording.version(run["torch"]) == recording.version(here[-1]):
            machines.setdefault((run["trained"], run["seed"]), set()).add(machine_of(run))
    digests = {variant.name: variant.digest(notebook) for variant in variants.VARIANTS}
    jobs = {}  # the variant's name by what is trained and the seed: nothing is trained twice
    for variant in chosen:
        partner = variant.compared_with
        for seed in range(variant.seeds):
            needed = [variant.name]
            if partner and seed < variants.variant(partner).seeds:
                needed.append(partner)
            trained_on = [machines.get((digests[name], seed), set()) for name in needed]
            if not set.intersection(*trained_on):
                for name, on_machines in zip(needed, trained_on, strict=True):
                    if here not in on_machines:
                        jobs.setdefault((digests[name], seed), name)
    return sorted(((name, seed) for (_, seed), name in jobs.items()), key=lambda job: job[1])


def start_worker():
    """Use one thread; end when the parent ends, however that came, and only then."""
    # Control-C reaches every process, and the notebook would take a half run for a finished one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end():
        multiprocessing.parent_process().join()
        os._exit(1)

    torch.set_num_threads(1)
    threading.Thread(target=end, daemon=True).start()


def train_all(notebook, jobs, keep, workers=None, work=train):
    """Train jobs, pairs of a variant's name and a seed, one on a core; return how many failed.

    Each run that has ended is given to keep. work makes one, as train does; tests put something
    else in its place.
    """
    namespace(notebook, {})  # data: once, before several want it
    failures = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, start_worker) as pool:
        futures = {}
        for name, seed in jobs:
            future = pool.submit(work, notebook, variants.variant(name), seed)
            futures[future] = f"{name}, seed {seed}"
        for future in tqdm(as_completed(futures), total=len(jobs), unit="run"):
            try:
                keep(future.result())
            except Exception as error:  # the other runs go on
                failures += 1
                tqdm.write(f"Failed: {futures[future]}: {error!r}")
    return failures


def keep_records(notebook, here, workers, work):
    """Let the records stand for the notebook's present code, if it trains as they say.

    Seed 0 of each variant is trained again. Runs of a variant that has no seed 0 of this machine
    are left out. Exits where a training fails, or a number differs from the recorded one.
    """
    rows = recording.read(recording.RUNS).to_dict("records")
    names = {variant.name for variant in variants.VARIANTS}
    recorded = {}  # the latest run of seed 0, by the variant's name
    for row in rows:
        if row["variant"] in names and row["seed"] == 0 and machine_of(row) == here:
            recorded[row["variant"]] = row
    if not recorded:
        sys.exit(f"The records hold no run of this machine to compare with: {here}")
    again = []
    failures = train_all(notebook, [(name, 0) for name in recorded], again.append, workers, work)
    results = ("loss", "correct", "unaveraged_loss", "unaveraged_correct")
    different = []
    for run in again:
        if any(run[name] != recorded[run["variant"]][name] for name in results):
            different.append(run["variant"])
    if failures or different:
        sys.exit(
            f"The records are left as they are. Trainings that failed: {failures}. "
            f"Trained otherwise than recorded: {different}"
        )
    digests = {recorded[run["variant"]]["trained"]: run["trained"] for run in again}
    kept = [row | {"trained": digests[row["trained"]]} for row in rows if row["trained"] in digests]
    recording.replace(cells.training_source(notebook), kept)


def parse(arguments):
    """Return the options of the command line."""
    names = [variant.name for variant in variants.VARIANTS]
    parser = argparse.ArgumentParser(prog="python -m tests.study.study", description=__doc__)
    parser.add_argument(
        "--variants", nargs="+", metavar="NAME", choices=names, default=names, help="default: all"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="runs at the same time")
    other_code = parser.add_mutually_exclusive_group()
    other_code.add_argument("--same", action="store_true", help="keep the records, see above")
    other_code.add_argument("--restart", action="store_true", help="empty the records, see above")
    return parser.parse_args(arguments)


def main(arguments=None, work=train):
    """Run what the records lack; return how many runs failed."""
    options = parse(arguments)
    notebook = cells.read()  # once: it may change while the study runs
    here = machine_of(recording.processor_and_versions() | {"threads": 1})
    if options.same:
        keep_records(notebook, here, options.workers, work)
    if options.restart:
        recording.replace(cells.training_source(notebook), [])
    if recording.trained_source() != cells.training_source(notebook):
        sys.exit(
            "The notebook's training is not the recorded one: --same or --restart? See --help."
        )
    chosen = [variants.variant(name) for name in options.variants]
    jobs = schedule(notebook, recording.read(recording.RUNS), here, chosen)
    print(f"{len(jobs)} runs to do.")
    return train_all(
        notebook, jobs, lambda run: recording.append(recording.RUNS, run), options.workers, work
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once: every finished run is kept
    sys.exit(bool(main()))
