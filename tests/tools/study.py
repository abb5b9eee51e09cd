"""Train the notebook's network for many seeds: the full recipe, and variants of it.

`python tests/tools/study.py` runs what the records lack of the study on the test set, and
`python tests/tools/study.py --held-out` of that on held-out training images. It can be stopped
at any time and started again.
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
from typing import NamedTuple

import cells
import recording
import torch
import variants
from tqdm import tqdm


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
    """Put a block of 10,000 training images, by seed, in the test set's place; train on the rest.

    Raises ValueError for seeds above 9: seed 10 would hold out the block of seed 0 again.
    """
    if seed > 9:
        raise ValueError("Held-out images are there for the seeds 0 to 9 only.")
    for kind in ("images", "labels"):
        data = names[f"train_{kind}"].roll(6_000 * seed, dims=0)
        names[f"train_{kind}"], names[f"test_{kind}"] = data.split(50_000)


def train(notebook, study, variant, seed):
    """Train one variant with one seed; return its row of the runs and those of its epochs.

    If a loss is not finite, the training ends, and the epochs from there on are missing.
    """
    code = cells.fingerprint(notebook, cells.TRAINING)
    notebook = cells.edited(notebook, study.edits + variant.edits)
    names = namespace(notebook, {"SEED": seed, **variant.settings})
    if study.held_out:
        hold_out(names, seed)
    with contextlib.suppress(FloatingPointError):
        run_silently(notebook, names, "train")
    history = names["history"]
    run = {
        "study": study.name,
        "variant": variant.name,
        "variant_hash": study.variant_hash(variant),
        "seed": seed,
        "code": code,
        "parameters": sum(p.numel() for p in names["model"].parameters()),
        "seconds": round(statistics.median([result.seconds for result in history] or [0]), 1),
        "threads": torch.get_num_threads(),
        **recording.processor_and_versions(),
    }
    epochs = [
        {
            "epoch": epoch,
            "loss": f"{result.test_loss:.5f}",
            "correct": result.test_correct,
            "unaveraged_loss": f"{result.unaveraged_loss:.5f}",
            "unaveraged_correct": result.unaveraged_correct,
        }
        for epoch, result in enumerate(history, start=1)
    ]
    return run, epochs


class Run(NamedTuple):
    """A training that the records hold."""

    variant: str  # its name
    seed: int
    machine: tuple  # the values of recording.SAME_IN_A_PAIR


class Schedule:
    """Which trainings the records lack: pairs first, then the recipe's other seeds.

    A variant's run is compared with the recipe's run of the same seed on the same machine.
    So both are run here, unless such a pair is there already, from whatever machine.
    """

    def __init__(self, study, runs, code, machine):
        self.study = study
        self.machine = tuple(machine)
        self.done = set()
        hashes = {each.name: study.variant_hash(each) for each in study.variants}
        for row in runs[(runs["study"] == study.name) & (runs["code"] == code)].to_dict("records"):
            if row["variant_hash"] == hashes.get(row["variant"]):
                values = tuple(row[column] for column in recording.SAME_IN_A_PAIR)
                self.done.add(Run(row["variant"], row["seed"], values))

    def seeds(self):
        """Return the seeds of the study."""
        return range(self.study.variant(variants.RECIPE).seeds)

    def runs(self, name, seed):
        """Return the runs of this variant with this seed, on whatever machine."""
        return [run for run in self.done if run.variant == name and run.seed == seed]

    def is_done_here(self, name, seed):
        """Return whether this variant was trained with this seed on this machine."""
        return Run(name, seed, self.machine) in self.done

    def is_paired(self, name, seed):
        """Return whether one machine trained both this variant and the recipe with this seed."""
        recipe = [run.machine for run in self.runs(variants.RECIPE, seed)]
        return any(run.machine in recipe for run in self.runs(name, seed))

    def seeds_for_pairs(self, others):
        """Return all seeds, those first for which least is left to do."""

        def left_to_do(seed):
            unpaired = [variant for variant in others if not self.is_paired(variant.name, seed)]
            recipe_is_missing = not self.is_done_here(variants.RECIPE, seed)
            return len(unpaired), recipe_is_missing

        return sorted(self.seeds(), key=left_to_do)

    def jobs_for_pairs(self, others, seeds=None):
        """Return what to train for the pairs of these variants that are missing, seed by seed."""
        wanted = {}  # how many more pairs, by the variant's name
        for variant in others:
            paired = [seed for seed in self.seeds() if self.is_paired(variant.name, seed)]
            wanted[variant.name] = len(seeds) if seeds else variant.seeds - len(paired)
        jobs = []
        for seed in seeds or self.seeds_for_pairs(others):
            names = [name for name in wanted if wanted[name] > 0 and not self.is_paired(name, seed)]
            if names and not self.is_done_here(variants.RECIPE, seed):
                jobs.append((variants.RECIPE, seed))
            for name in names:
                wanted[name] -= 1
                if not self.is_done_here(name, seed):
                    jobs.append((name, seed))
        return jobs

    def jobs(self, names=None, seeds=None):
        """Return what to train, in order: (name of the variant, seed).

        names and seeds choose variants and seeds; without them the study's own are used. With
        a variant comes the recipe's run of its pair, where it is missing.
        """
        names = names or [variant.name for variant in self.study.variants]
        chosen = [self.study.variant(name) for name in names]
        others = [each for each in chosen if each.name != variants.RECIPE and not each.runs_of]
        jobs = self.jobs_for_pairs(others, seeds)
        if variants.RECIPE in names:
            for seed in seeds or self.seeds():
                job = (variants.RECIPE, seed)
                if job not in jobs and not self.runs(*job):
                    jobs.append(job)
        return jobs


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--study", choices=variants.STUDIES, default=variants.TEST.name, help="test by default"
    )
    parser.add_argument(
        "--held-out",
        action="store_const",
        dest="study",
        const=variants.HELD_OUT.name,
        help="short for --study held-out",
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        metavar="NAME",
        help="all by default; the recipe's runs of their pairs are added",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="N", help="by default, those that are missing"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), metavar="N", help="runs at the same time"
    )
    options = parser.parse_args(arguments)
    known = [variant.name for variant in variants.STUDIES[options.study].variants]
    for name in options.variants or []:
        if name not in known:
            parser.error(f"There is no variant {name!r} in {known}.")
    return options


def main(arguments=None, work=train):
    """Run what the records lack, one run a core; return how many runs failed.

    work makes one run, as train does; tests put something else in its place.
    """
    options = parse(arguments)
    study = variants.STUDIES[options.study]
    notebook = cells.read()  # once: it may change while the study runs
    code = cells.fingerprint(notebook, cells.TRAINING)
    conditions = recording.processor_and_versions() | {"threads": 1}
    machine = [conditions[column] for column in recording.SAME_IN_A_PAIR]
    schedule = Schedule(study, recording.read_runs(), code, machine)
    jobs = schedule.jobs(options.variants, options.seeds)
    print(f"{len(jobs)} runs to do for the study {study.name!r} of the code {code}.")
    namespace(cells.edited(notebook, study.edits), {})  # data: once, before several want it
    failures = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context, start_worker) as pool:
        futures = {
            pool.submit(work, notebook, study, study.variant(name), seed): (name, seed)
            for name, seed in jobs
        }
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
