"""Search for the network's plan (see plans.py), on training images that are held out.

`python -m tests.study.search list` draws plans at random; in a file, a line a plan:
`python -m tests.study.search time FILE` measures a step of the training with each, which takes
some minutes and a quiet machine, and
`python -m tests.study.search train FILE --seeds 0 1 --epochs 5` trains what the records lack.
Both add rows to tests/study/records/: steps.csv and plans.csv.
"""

import argparse
import copy
import random
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from tests.study import plans, recording, study
from tests.tools import cells

PARAMETERS = 15_938
STEP_COLUMNS = [
    "measurement",  # a process, in which the plans take turns
    "plan",
    "milliseconds",
    "threads",
    "processor",
    "torch",
]
PLAN_COLUMNS = [
    "plan",
    "seed",
    "epochs",
    "loss",  # of the averaged network on the held-out images, after the last epoch
    "correct",  # of 10,000
    "seconds",  # of an epoch's training, the median
    "threads",
    "processor",
    "torch",
]
PROCESSES = 5  # of a measurement of time: in some, a step takes a fifth longer
ROUNDS, STEPS = 10, 20  # in each process
WARM_UP = 5  # steps at the start of each round that do not count


def random_plan(generator):
    """Return a random plan of exactly 15,938 parameters, or None: most draws do not fit.

    The first convolution has 8 channels and pools; the first four expand and squeeze.
    """
    pools = generator.choice([(1, 4, 8), (1, 5, 8), (1, 6, 8)])
    ones = [generator.choice([2, 2, 2, 0]), generator.choice([0, 4, 5, 6, 7, 8])]
    layers = []
    for number in range(1, 9):
        channels = 8 if number == 1 else generator.choice(range(8, 33, 4))
        kernel_size = 1 if number in ones else 3
        padded = kernel_size == 3 and (number == 1 or number >= pools[1])
        layers.append(plans.Convolution(channels, kernel_size, padded, number in pools))
    widths = [layer.channels for layer in layers[:4]]
    neighbours = list(zip(widths, widths[1:], strict=False))
    expands = any(before < after for before, after in neighbours)
    squeezes = any(before > after for before, after in neighbours)
    fits = plans.parameters(layers) == PARAMETERS
    return plans.write(layers) if fits and expands and squeezes else None


def draw(number):
    """Return so many different plans, the same ones each time."""
    generator = random.Random(0)
    found = {}  # a dictionary keeps their order
    while len(found) < number:
        plan = random_plan(generator)
        if plan is not None:
            found[plan] = None
    return list(found)


def make_step(plan):
    """Return a function without arguments that makes one step of the training."""
    names = cells.definitions(plans.with_plan(cells.read(), plan))
    torch.manual_seed(0)
    model = names["Net"]().to(memory_format=torch.channels_last)
    averaged_model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), names["LEARNING_RATE"], names["MOMENTUM"])
    images = torch.randn(names["BATCH_SIZE"], 1, 28, 28)
    labels = torch.randint(10, (len(images),))

    def step():
        loss = torch.nn.functional.nll_loss(model(names["random_affine"](images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        names["update_average"](averaged_model, model, 1)
        loss.item()

    return step


def step_times(chosen):
    """Return the milliseconds of a step with each plan: the lower quartile, measured in turns."""
    steps = {plan: make_step(plan) for plan in chosen}
    milliseconds = {plan: [] for plan in chosen}
    for _ in tqdm(range(ROUNDS)):
        for plan, step in steps.items():
            for number in range(STEPS):
                start = time.perf_counter()
                step()
                if number >= WARM_UP:
                    milliseconds[plan].append(1000 * (time.perf_counter() - start))
    return {plan: statistics.quantiles(times, n=4)[0] for plan, times in milliseconds.items()}


def conditions(threads):
    """Return what a measurement depends on beside the plan, by column."""
    here = recording.processor_and_versions()
    return {"threads": threads, "processor": here["processor"], "torch": here["torch"]}


def record_times(chosen):
    """Measure the plans in several processes, and add a row for each process and plan."""
    here = conditions(torch.get_num_threads())
    done = recording.read("steps.csv", STEP_COLUMNS)["measurement"].nunique()
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        measurements = pool.map(step_times, PROCESSES * [chosen])
        for number, times in enumerate(measurements, start=done + 1):
            rows = [
                {"measurement": number, "plan": plan, "milliseconds": f"{times[plan]:.2f}", **here}
                for plan in chosen
            ]
            recording.append_rows(recording.FOLDER / "steps.csv", STEP_COLUMNS, rows)


def train(plan, seed, epochs):
    """Train plan with seed on 50,000 images, test it on the others; return the row of plans.csv.

    Only the averaged network is tested, and only after the last epoch: this saves a fifth of
    the time, and changes nothing in the training.
    """
    notebook = plans.with_plan(cells.read(), plan)
    names = study.namespace(notebook, {"SEED": seed, "EPOCHS": epochs})
    study.hold_out(names, seed)
    evaluate = names["evaluate"]
    names["evaluate"] = lambda model, images, labels: (0.0, 0)
    study.run_silently(notebook, names, "train")
    loss, correct = evaluate(names["averaged_model"], names["test_images"], names["test_labels"])
    return {
        "plan": plan,
        "seed": seed,
        "epochs": epochs,
        "loss": f"{loss:.5f}",
        "correct": correct,
        "seconds": round(statistics.median(row["seconds"] for row in names["history"]), 1),
        **conditions(torch.get_num_threads()),
    }


def missing(chosen, seeds, epochs):
    """Return what plans.csv lacks from this processor: (plan, seed, epochs), seed by seed."""
    here = conditions(threads=1)
    rows = recording.read("plans.csv", PLAN_COLUMNS)
    for name, value in here.items():
        rows = rows[rows[name] == value]
    done = set(zip(rows["plan"], rows["seed"], rows["epochs"], strict=True))
    jobs = [(plan, seed, epochs) for seed in seeds for plan in chosen]
    return [job for job in jobs if job not in done]


def main(arguments=None):
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["list", "time", "train"])
    parser.add_argument("file", nargs="?", help="a line a plan")
    parser.add_argument("--number", type=int, default=100, metavar="N", help="plans to list")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    options = parser.parse_args(arguments)
    if options.command == "list":
        print("\n".join(draw(options.number)))
        return
    if options.file is None:
        parser.error("A file with plans is needed.")
    chosen = Path(options.file).read_text(encoding="utf-8").splitlines()
    if options.command == "time":
        record_times(chosen)
        return
    jobs = missing(chosen, options.seeds, options.epochs)
    with ProcessPoolExecutor(2, get_context("spawn"), study.start_worker) as pool:
        futures = [pool.submit(train, *job) for job in jobs]
        for future in tqdm(as_completed(futures), total=len(jobs), unit="run"):
            recording.append_rows(recording.FOLDER / "plans.csv", PLAN_COLUMNS, [future.result()])


if __name__ == "__main__":
    sys.exit(main())
