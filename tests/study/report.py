"""Write all generated tables and sentences, from the records and the templates.

A text is generated between <!-- name --> and <!-- end -->, and in the notebook's code
between "# Generated: name" and "# End of what is generated".
"""

import re
import textwrap
from itertools import combinations
from math import inf
from pathlib import Path

import jinja2
import pandas as pd
from torch import nn

from tests.study import plans, recording, results, stats, variants
from tests.tools import cells

EARLIER = "These runs were made with an earlier version of this notebook's code."
# In benchmark.csv:
HERE, USUAL, THIRD = "this notebook", "the usual way", "the third version's network"
BENCHMARK = cells.ROOT / "tests" / "tools" / "benchmark.py"
LEFT_ALIGNED = {"Variant", "Instead", "Machine", "Notebook", "Network", "Channels", ""}
WIDTH = 90  # of a line in the notebook
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(EARLIER=EARLIER)


def render(template, **values):
    """Return what a template makes of values, with one empty line between paragraphs."""
    text = TEMPLATES.get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def table(rows):
    """Return a Markdown table of rows, dictionaries with the same keys; numbers at the right."""
    alignment = ["left" if name in LEFT_ALIGNED else "right" for name in rows[0]]
    frame = pd.DataFrame(rows)
    return frame.to_markdown(index=False, colalign=alignment, disable_numparse=True)


def format_number(value, digits):
    """Return value with so many digits, or nothing where there is no value."""
    return "" if pd.isna(value) else f"{value:.{digits}f}"


def format_change(change, digits):
    """Return a Change with so many digits, in bold type if it is beyond chance."""
    uncertainty = "?" if change.uncertainty == inf else f"{change.uncertainty:.{digits}f}"
    text = f"{change.mean:+.{digits}f} ± {uncertainty}"
    return f"**{text}**" if change.is_beyond_chance else text


def in_epochs(number):
    """Return a number of epochs, a median perhaps, as the tables say it."""
    return "never" if number == inf else f"{number:g}"


def in_seeds(seeds):
    """Return in words which seeds these numbers are."""
    first, last, count = min(seeds), max(seeds), len(seeds)
    if count == 1:
        return f"seed {first}"
    if count == last - first + 1:
        return f"the {count} seeds {first} to {last}"
    return f"{count} of the seeds {first} to {last}"


def machines(rows):
    """Return how many of the rows each machine made, by the machine in words."""
    found = {}
    for row in rows.to_dict("records"):
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        name = f"{row['processor']}, {threads}, torch {row['torch']}"
        found[name] = found.get(name, 0) + 1
    return found


def headline(notebook):
    """Return what the recipe's seeds reached, and the saved run."""
    outcome = results.outcome(notebook)
    runs = outcome.recipe.runs
    passed = int(runs["passed"].sum())
    return {
        "outcome": outcome,
        "saved": saved_run(notebook),
        "count": len(runs),
        "seeds": in_seeds(runs["seed"]),
        "processors": runs["processor"].unique(),
        "passed": passed,
        "most_that_fail": stats.most_that_fail(len(runs) - passed, len(runs)),
        "mean": runs["accuracy"].mean(),
        "worst": runs["accuracy"].min(),
        "worst_of_last_four": runs["last_four"].min(),
        "standard_deviation": runs["accuracy"].std(),
        "parameters": runs["parameters"].iloc[0],
    }


def title(notebook):
    """Return in a few sentences what the seeds reached, and the saved run's figures."""
    return render("title.md.j2", **headline(notebook))


def result(notebook):
    """Return the requirements, what the seeds reached, and the saved run's figures."""
    return render("result.md.j2", **headline(notebook))


def change_of(outcome, group):
    """Return how much one group's accuracy differs from the recipe's, for a table."""
    if group.failed:
        return f"{group.failed} of {len(group.runs)} did not learn"
    if group.variant.name == variants.RECIPE:
        return ""
    return format_change(outcome.changes[group.variant.name], 3)


def study(notebook):
    """Return what each part is worth, for readers."""
    outcome = results.outcome(notebook)
    groups = outcome.groups.values()
    rows = [
        {
            "Variant": group.variant.name,
            "Instead": group.variant.instead,
            "Pairs": "" if group.variant.name == variants.RECIPE else len(group.pairs),
            "Mean %": format_number(group.learnt["accuracy"].mean(), 2),
            "Worst %": format_number(group.runs["accuracy"].min(), 2),
            "Change, points": change_of(outcome, group),
        }
        for group in groups
    ]
    verdicts = {"lower": [], "higher": [], "not shown": []}
    for name, change in outcome.changes.items():
        if not change.is_beyond_chance:
            verdicts["not shown"].append(name)
        else:
            verdicts["lower" if change.mean < 0 else "higher"].append(name)
    return render(
        "study.md.j2",
        outcome=outcome,
        table=table(rows),
        failed=sum(group.failed for group in groups),
        seeds=in_seeds(outcome.recipe.runs["seed"]),
        verdicts=verdicts,
        missing=[name for name in results.shown(notebook)[0] if name not in outcome.groups],
        fewest_pairs=results.FEWEST_PAIRS,
    )


def study_full(notebook):
    """Return what else the runs of each variant ended with, and the machines that made them."""
    outcome = results.outcome(notebook)
    groups = outcome.groups.values()
    rows = [
        {
            "Variant": group.variant.name,
            "Seeds": len(group.runs),
            "Mean %": format_number(group.learnt["accuracy"].mean(), 2),
            "Standard deviation, points": format_number(group.learnt["accuracy"].std(), 3),
            "Worst %": format_number(group.runs["accuracy"].min(), 2),
            "Worst of last four %": format_number(group.runs["last_four"].min(), 2),
            "Mean loss": format_number(group.learnt["loss"].mean(), 4),
            "99.40 % first in epoch, median": in_epochs(group.runs["first_epoch"].median()),
            "99.40 % first in epoch, latest": in_epochs(group.runs["first_epoch"].max()),
            "Parameters": f"{group.runs['parameters'].iloc[0]:,}",
        }
        for group in groups
    ]
    shown, _ = results.shown(notebook)
    runs = pd.concat(shown.values()).drop_duplicates("run")  # without averaging: the recipe's own
    return render("study-full.md.j2", outcome=outcome, table=table(rows), machines=machines(runs))


def study_data(notebook):
    """Return code for the notebook: each variant's wrong answers in the last epoch, by seed."""
    lines = ["STUDY = {"]
    for name, group in results.outcome(notebook).groups.items():
        wrong = 10_000 - group.runs.sort_values("seed")["correct"]
        entry = f'"{name}": {wrong.tolist()},'
        lines += textwrap.wrap(entry, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
    lines.append("}  # fmt: skip")
    return "\n".join(lines)


def batch_normalisation(notebook):
    """Return how the training without batch normalisation starts, and how it ends."""
    outcome = results.outcome(notebook)
    if variants.WITHOUT_BN not in outcome.groups:
        return "Training without batch normalisation was not measured with this code."
    group = outcome.groups[variants.WITHOUT_BN]
    return render(
        "batch-normalisation.md.j2",
        outcome=outcome,
        runs=len(group.runs),
        failed=group.failed,
        stuck=int((group.runs["stuck"] > 0).sum()),
        latest=max(group.learnt["stuck"], default=0),
        same_answer=results.SAME_ANSWER,
        mean=group.learnt["accuracy"].mean(),
        mean_with=outcome.recipe.runs["accuracy"].mean(),
    )


def try_this(notebook):
    """Return what to expect of the changes that the notebook suggests."""
    outcome = results.outcome(notebook)
    runs = outcome.groups[variants.WITHOUT_AVERAGING].runs
    accuracy = outcome.recipe.runs["accuracy"]
    pairs = pd.Series([abs(one - other) for one, other in combinations(accuracy, 2)])
    return render(
        "try.md.j2",
        median=pairs.median(),
        most=pairs.quantile(0.95),
        passed=int(runs["passed"].sum()),
        count=len(runs),
    )


def plan_of(notebook):
    """Return the plan of the notebook's own network, a text: see plans.py."""
    convolutions = []
    for layer in cells.definitions(notebook)["Net"]():
        if isinstance(layer, nn.Conv2d):
            is_padded = layer.padding != (0, 0)
            size = layer.kernel_size[0]
            convolutions.append(plans.Convolution(layer.out_channels, size, is_padded, False))
        elif isinstance(layer, nn.MaxPool2d):
            convolutions[-1] = convolutions[-1]._replace(pooled=True)
    return plans.write(convolutions)


def epoch_seconds(rows):
    """Return the median seconds of an epoch by way to train, from benchmark.csv's rows."""
    return rows.groupby("measure")["value"].median()


def epoch_share(seconds):
    """Return what share of the third version's seconds an epoch takes, from epoch_seconds.

    Returns None where the third version's network was not measured: it is the notebook's own.
    """
    return seconds[HERE] / seconds[THIRD] if THIRD in seconds else None


def plan(notebook):
    """Return how the network's plan was chosen, and what the judging seeds say."""
    runs, steps = recording.read("plans.csv"), recording.read("steps.csv")
    epochs = recording.read("benchmark.csv")
    judged = results.judged_plans(runs)
    held = set(results.judging(runs)["plan"]) - {plans.THIRD_VERSION}
    changes = results.changes(
        {name: pairs for name, pairs in judged.items() if name != plans.THIRD_VERSION}, "correct"
    )
    times = steps.pivot(index="measurement", columns="plan", values="milliseconds")
    shares = times.div(times[plans.THIRD_VERSION], axis=0).median()
    own = plan_of(notebook)
    names = {plans.THIRD_VERSION: "the third version's", own: "**this notebook's**"}
    if own == plans.THIRD_VERSION:
        names[own] = "**this notebook's**, as the third version's"
    rows = []
    for name, pairs in judged.items():
        convolutions = plans.parse(name)
        channels = [
            f"{each.channels} (1 x 1)" if each.kernel_size == 1 else str(each.channels)
            for each in convolutions
        ]
        pools = [str(i) for i, each in enumerate(convolutions, start=1) if each.pooled]
        rows.append(
            {
                "Network": names.get(name, "another"),
                "Channels": ", ".join(channels),
                "Pools after": ", ".join(pools),
                "Time of a step": f"{shares[name]:.2f}",
                "Right of 10,000": f"{pairs['correct'].mean():.1f}",
                "Loss": f"{pairs['loss'].mean():.4f}",
                "Change": format_change(changes[name], 1) if name in changes else "",
            }
        )
    return render(
        "plan.md.j2",
        table=table(rows),
        tried=runs["plan"].nunique(),
        held=len(held),
        given_up=len(held - judged.keys()),
        judges=in_seeds(results.JUDGES),
        share=shares.get(own),
        epoch_share=None if is_earlier(epochs, notebook) else epoch_share(epoch_seconds(epochs)),
        change=changes.get(own),
        machines=machines(steps),
    )


def speed(notebook):
    """Return how long an epoch takes, here and elsewhere, and when 99.40 % is first reached."""
    rows = recording.read("benchmark.csv")
    seconds = epoch_seconds(rows)
    outcome = results.outcome(notebook)

    def row(way, name):
        """Return the row of a way to train; name is that of its variant in the study."""
        group = outcome.groups.get(name)
        return {
            "": way,
            "Seconds an epoch": format_number(seconds.get(way), 1),
            "Epochs to 99.40 %": in_epochs(group.runs["first_epoch"].median()) if group else "",
            "Seeds": len(group.runs) if group else "",
        }

    rows_shown = [row(HERE, variants.RECIPE), row(USUAL, None), row(variants.PLAIN, variants.PLAIN)]
    if THIRD in seconds:
        rows_shown.insert(1, row(THIRD, variants.THIRD))
    return render(
        "speed.md.j2",
        outcome=outcome,
        is_earlier=is_earlier(rows, notebook),
        table=table(rows_shown),
        usual=seconds[USUAL] / seconds[HERE],
        share=epoch_share(seconds),
        rounds=int((rows["measure"] == HERE).sum()),
        machines=machines(rows),
    )


def benchmark_code():
    """Return the fingerprint of benchmark.py, in which the usual way is written."""
    return cells.digest(cells.essence(BENCHMARK.read_text(encoding="utf-8")))


def is_earlier(rows, notebook):
    """Return whether rows of benchmark.csv were made by other code, the notebook's or its own."""
    of_notebook = set(rows["code"]) == {cells.fingerprint(notebook)}
    of_benchmark = set(rows["benchmark"]) == {benchmark_code()}
    return not (of_notebook and of_benchmark)


def saved_run(notebook):
    """Return the machine, versions, code and results of the run that notebook holds.

    Raises ValueError where it holds no whole run.
    """
    printed = "".join(cells.printed(notebook).values())
    loss = re.search(r"loss ([\d.]+), \d+ correct", printed)
    accuracy = re.search(r"last epoch: ([\d.]+) ?%", printed)
    time = re.search(r"Training: (\d+ s), ", printed)
    if "saved_run" not in notebook.metadata or None in (loss, accuracy, time):
        raise ValueError("The notebook has no outputs of a whole run: run renew.py.")
    results_of_run = {"loss": loss[1], "accuracy": f"{accuracy[1]} %", "time": time[1]}
    return notebook.metadata["saved_run"] | results_of_run


def versions(notebook):
    """Return the environments in which the notebook was run whole, the newest run of each."""
    runs = {}
    for run in [*recording.read("versions.csv").to_dict("records"), saved_run(notebook)]:
        runs[run["python"], run["torch"], run["machine"]] = run
    present = cells.fingerprint(notebook)
    rows = [
        {
            "Python": run["python"],
            "torch": run["torch"],
            "torchvision": run["torchvision"],
            "Machine": run["machine"],
            "Accuracy": run["accuracy"],
            "Loss": f"{float(run['loss']):.4f}",
            "Training": run["time"],
            "Notebook": "this one" if run["code"] == present else "an earlier one",
        }
        for run in reversed(runs.values())
    ]
    return render("versions.md.j2", table=table(rows))


BLOCKS = {
    "title": title,
    "result": result,
    "study": study,
    "study-full": study_full,
    "study-data": study_data,
    "batch-normalisation": batch_normalisation,
    "try": try_this,
    "plan": plan,
    "speed": speed,
    "versions": versions,
}

# What stands before and after a generated text, in Markdown and in code, and what looks like it.
MARKERS = (
    (r"<!-- ([\w-]+) -->", "<!-- end -->", "<!--"),
    (r"# Generated: ([\w-]+)", "# End of what is generated", "# (?:Generated|End of what)"),
)


def fill(text, notebook):
    """Return text, Markdown or code, with all that is generated in it made anew.

    Raises ValueError where a marker is indented, damaged or without its other half, because
    what stands there would never be renewed, or where nothing is generated under its name.
    """

    def made_anew(match):
        start, name, end = match.groups()
        if name not in BLOCKS:
            raise ValueError(f"Nothing generates a text of the name {name!r}.")
        return f"{start}{BLOCKS[name](notebook)}\n{end}"

    for start, end, like_a_marker in MARKERS:
        between = f"(?:(?!{like_a_marker}).)*"
        whole = re.compile(f"^({start}\n){between}^({end})$", re.DOTALL | re.MULTILINE)
        damaged = re.search(f".*{like_a_marker}.*", whole.sub("", text))
        if damaged:
            raise ValueError(f"A generated text must stand between two whole lines: {damaged[0]!r}")
        text = whole.sub(made_anew, text)
    return text
