"""Write all generated tables and sentences, from the records and the templates.

A text is generated between <!-- name --> and <!-- end -->, and in the notebook's code
between "# Generated: name" and "# End of what is generated".
"""

import re
import textwrap
from math import inf
from pathlib import Path

import cells
import jinja2
import pandas as pd
import recording
import results
import stats
import variants

EARLIER = "These runs were made with an earlier version of this notebook's code."
HERE, USUAL = "this notebook", "the usual way"  # in benchmark.csv
USUAL_WITHOUT_AUGMENTATION = "the usual way without augmentation"
CALLS, READS = "operator calls", "reads"
BENCHMARK = Path(__file__).with_name("benchmark.py")
DIGITS = {"accuracy": 3, "loss": 4, "early_loss": 4}  # of a change
LEFT_ALIGNED = {"Variant", "Instead", "Version", "Processors", "Machine", "Notebook"}
WIDTH = 90  # of a line in the notebook
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals.update(EARLIER=EARLIER, WITHOUT_FC=variants.WITHOUT_FC, inf=inf)


def render(template, **values):
    """Return what a template makes of values, with one empty line between paragraphs."""
    text = TEMPLATES.get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def table(rows):
    """Return a Markdown table of rows, dictionaries with the same keys; numbers at the right."""
    alignment = ["left" if name in LEFT_ALIGNED else "right" for name in rows[0]]
    frame = pd.DataFrame(rows)
    return frame.to_markdown(index=False, colalign=alignment, disable_numparse=True)


def in_epochs(number):
    """Return a number of epochs, a median perhaps, as the tables say it."""
    return "never" if number == inf else f"{number:g}"


def format_number(value, digits):
    """Return value with so many digits, or nothing where there is no value."""
    return "" if pd.isna(value) else f"{value:.{digits}f}"


def in_threads(number):
    """Return a number of threads in words."""
    return "1 thread" if number == 1 else f"{number} threads"


def machines(rows):
    """Return how many of the rows each machine made, by its description with all versions."""
    found = {}
    for row in rows.to_dict("records"):
        name = (
            f"{row['processor']}, {in_threads(row['threads'])}, Python {row['python']}, "
            f"torch {row['torch']}, torchvision {row['torchvision']}"
        )
        found[name] = found.get(name, 0) + 1
    return found


def format_change(change, digits):
    """Return a Change with so many digits, in bold type if it is beyond chance."""
    uncertainty = "?" if change.uncertainty == inf else f"{change.uncertainty:.{digits}f}"
    text = f"{change.mean:+.{digits}f} ± {uncertainty}"
    return f"**{text}**" if change.beyond_chance else text


def changes_of(outcome, group):
    """Return the changes of one group as the tables show them, by measure."""
    shown = dict.fromkeys(results.MEASURES, "")
    if group.failed:
        shown["accuracy"] = f"{group.failed} of {len(group.runs)} did not learn"
    for measure, change in outcome.changes.get(group.variant.name, {}).items():
        shown[measure] = format_change(change, DIGITS[measure])
    return shown


def brief_row(outcome, group):
    """Return the row of one group in the table of what each part is worth."""
    return {
        "Variant": group.variant.name,
        "Instead": group.variant.instead,
        "Seeds": len(group.runs),
        "Mean %": format_number(group.learnt["accuracy"].mean(), 2),
        "Worst %": format_number(group.runs["accuracy"].min(), 2),
        "Change, points": changes_of(outcome, group)["accuracy"],
    }


def full_row(outcome, group):
    """Return the row of one group with everything that is compared."""
    changes = changes_of(outcome, group)
    return {
        "Variant": group.variant.name,
        "Seeds": len(group.runs),
        "Pairs": "" if group.variant.name == variants.RECIPE else len(group.pairs),
        "Mean %": format_number(group.learnt["accuracy"].mean(), 2),
        "Worst %": format_number(group.runs["accuracy"].min(), 2),
        "Change, points": changes["accuracy"],
        "Mean loss": format_number(group.learnt["loss"].mean(), 4),
        "Change of loss": changes["loss"],
        "Loss after epoch 5": format_number(group.learnt["early_loss"].mean(), 4),
        "Change of that": changes["early_loss"],
        "Standard deviation, points": format_number(group.learnt["accuracy"].std(), 3),
        "Worst of last four %": format_number(group.runs["last_four"].min(), 2),
        "99.40 % first in epoch, median": in_epochs(group.runs["first_epoch"].median()),
        "99.40 % first in epoch, latest": in_epochs(group.runs["first_epoch"].max()),
        "Parameters": f"{group.runs['parameters'].iloc[0]:,}",
    }


def verdicts(outcome):
    """Return the names of the variants that end less accurate, more so, or neither."""
    found = {"lower": [], "higher": [], "not_shown": []}
    for name, changes in outcome.changes.items():
        change = changes["accuracy"]
        if not change.beyond_chance:
            found["not_shown"].append(name)
        elif change.mean < 0:
            found["lower"].append(name)
        else:
            found["higher"].append(name)
    return found


def study_text(study, notebook, is_full=True):
    """Return the table of a study, brief or with all that is compared, and what follows from it."""
    outcome = results.outcome(study, notebook)
    groups = outcome.groups.values()
    row = full_row if is_full else brief_row
    return render(
        "study.md.j2",
        outcome=outcome,
        is_full=is_full,
        table=table([row(outcome, group) for group in groups]),
        failed=sum(group.failed for group in groups),
        machines=machines(pd.concat(group.runs for group in groups)),
        verdicts=verdicts(outcome),
        missing=[each.name for each in study.variants if each.name not in outcome.groups],
        tests=outcome.comparisons * stats.TESTS,
        fewest_pairs=results.FEWEST_PAIRS,
    )


def headline(outcome):
    """Return what the recipe's seeds reached."""
    runs = outcome.recipe.runs
    last_four = runs["last_four"]
    failed = int((~runs["passed"]).sum())
    standard_deviation = last_four.std()
    margin = last_four.mean() - results.REQUIRED / 100
    return {
        "seeds": len(runs),
        "passed": len(runs) - failed,
        "most_that_fail": stats.most_that_fail(failed, len(runs)),
        "mean": runs["accuracy"].mean(),
        "worst": runs["accuracy"].min(),
        "worst_of_last_four": last_four.min(),
        "mean_of_last_four": last_four.mean(),
        "standard_deviation": standard_deviation,
        "margin": margin / standard_deviation if standard_deviation > 0 else None,
        "parameters": runs["parameters"].iloc[0],
    }


def title(notebook):
    """Return the requirements, what the study's seeds reached, and the saved run's figures."""
    outcome = results.outcome(variants.TEST, notebook)
    return render(
        "title.md.j2",
        outcome=outcome,
        epochs=epochs_of(notebook),
        saved=saved_run(notebook),
        **headline(outcome),
    )


def baseline(notebook):
    """Return how the recipe of the published answer ends."""
    outcome = results.outcome(variants.TEST, notebook)
    if variants.ANSWERS_RECIPE not in outcome.groups:
        return "The recipe of the published answer was not measured with this code."
    runs = outcome.groups[variants.ANSWERS_RECIPE].runs
    return render(
        "baseline.md.j2",
        outcome=outcome,
        seeds=len(runs),
        mean=runs["accuracy"].mean(),
        best=runs["accuracy"].max(),
        worst=runs["accuracy"].min(),
        enough=int((runs["correct"] >= results.REQUIRED).sum()),
        passed=int(runs["passed"].sum()),
        # Of ten seeds the fifth: that of half of them. The median lies between two seeds.
        epoch_of_half=in_epochs(runs["first_epoch"].quantile(interpolation="lower")),
        never=int((runs["first_epoch"] == inf).sum()),
    )


def batch_normalisation(notebook):
    """Return how the training without batch normalisation starts, and how it ends."""
    outcome = results.outcome(variants.TEST, notebook)
    if variants.WITHOUT_BN not in outcome.groups:
        return "Training without batch normalisation was not measured with this code."
    group = outcome.groups[variants.WITHOUT_BN]
    stuck = group.runs["stuck"]
    latest = int(group.learnt["stuck"].max()) if len(group.learnt) else 0
    return render(
        "batch-normalisation.md.j2",
        outcome=outcome,
        runs=len(group.runs),
        failed=group.failed,
        stuck=int((stuck > 0).sum()),
        latest=latest,
        slowest=int((group.learnt["stuck"] == latest).sum()),
        same_answer=results.SAME_ANSWER,
        mean=group.learnt["accuracy"].mean(),
        mean_with=outcome.recipe.runs["accuracy"].mean(),
    )


def where(notebook):
    """Return what the place of the poolings is worth, in each study that has it."""
    name = variants.POOLS_AFTER_2_4_8.name
    found = []
    for study in (variants.HELD_OUT, variants.TEST):
        outcome = results.outcome(study, notebook)
        if name in outcome.changes:
            pairs = outcome.groups[name].pairs
            values = {
                "outcome": outcome,
                "pairs": len(pairs),
                "below": int((pairs["accuracy"] < pairs["accuracy_recipe"]).sum()),
                "above": int((pairs["accuracy"] > pairs["accuracy_recipe"]).sum()),
            }
            found.append(values | outcome.changes[name])
    return render("where.md.j2", found=found)


def speed(notebook):
    """Return how long an epoch takes, here and in the usual way, and the time to 99.40 %."""
    rows = recording.read("benchmark.csv")
    seconds = rows.groupby("measure")["value"].median()
    outcome = results.outcome(variants.TEST, notebook)
    values = {
        "rounds": int((rows["measure"] == HERE).sum()),
        "here": seconds[HERE],
        "usual": seconds[USUAL],
        "machines": machines(rows),
        "seeds": len(outcome.recipe.runs),
        "first_epoch": outcome.recipe.runs["first_epoch"].median(),
        "epochs": epochs_of(notebook),
        "answers_recipe_seeds": 0,
    }
    if variants.ANSWERS_RECIPE in outcome.groups:
        first_epochs = outcome.groups[variants.ANSWERS_RECIPE].runs["first_epoch"]
        values["answers_recipe_seeds"] = len(first_epochs)
        values["answers_recipe_first_epoch"] = first_epochs.median()
        values["answers_recipe_reached"] = int((first_epochs < inf).sum())
        values["usual_without_augmentation"] = seconds[USUAL_WITHOUT_AUGMENTATION]
    return render("speed.md.j2", outcome=outcome, is_earlier=is_earlier(rows, notebook), **values)


def epochs_of(notebook):
    """Return how many epochs the notebook trains."""
    names = {}
    cells.run(notebook, names, "parameters")
    return names["EPOCHS"]


def operators(notebook):
    """Return what one step of the training asks of the device."""
    rows = recording.read("benchmark.csv")
    values = rows.set_index("measure")["value"]
    return render(
        "operators.md.j2",
        is_earlier=is_earlier(rows, notebook),
        calls=values[CALLS],
        reads=values[READS],
    )


def is_earlier(rows, notebook):
    """Return whether rows of benchmark.csv were made by other code, the notebook's or its own."""
    of_notebook = set(rows["code"]) == {cells.fingerprint(notebook, cells.TRAINING)}
    of_benchmark = set(rows["benchmark"]) == {cells.fingerprint_of_file(BENCHMARK)}
    return not (of_notebook and of_benchmark)


def saved_run(notebook):
    """Return the machine, versions, code and results of the run that notebook holds.

    Raises ValueError where it holds no whole run.
    """
    printed = cells.printed(notebook)
    if "saved_run" not in notebook.metadata or not printed.get("time"):
        raise ValueError("The notebook has no outputs of a whole run: run renew.py.")
    loss = re.search(r"loss ([\d.]+), \d+ correct", printed["reload"])
    accuracy = re.search(r"last epoch: ([\d.]+ %)", printed["time"])
    time = re.search(r"Training: (\d+ s), ", printed["time"])
    if None in (accuracy, loss, time):
        raise ValueError("The cells reload and time print other words than are sought here.")
    results_of_run = {"accuracy": accuracy[1], "loss": loss[1], "time": time[1]}
    return notebook.metadata["saved_run"] | results_of_run


def versions(notebook):
    """Return the versions on which the notebook was run whole, the newest run of each."""
    saved = saved_run(notebook)
    runs = {}
    for run in [*recording.read("versions.csv").to_dict("records"), saved]:
        runs[run["python"], run["torch"]] = run
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


def history(notebook):
    """Return every named code's full recipe on the test set beside the one that is shown."""
    outcome = results.outcome(variants.TEST, notebook)
    runs, epochs = recording.read_runs(), recording.read_epochs()
    runs = runs[(runs["study"] == variants.TEST.name) & (runs["variant"] == variants.RECIPE)]
    groups = {}
    for code, name in recording.code_names().items():
        of_code = runs[runs["code"] == code]
        if code != outcome.code and len(of_code):
            ended = results.results(of_code, epochs[epochs["run"].isin(of_code["run"])])
            groups[name] = ended.drop_duplicates("seed")
    measures = ("accuracy", "loss")
    comparisons = len(groups) * len(measures)
    shown = outcome.recipe.runs
    name = recording.code_names().get(outcome.code, "this version")
    rows = [history_row(name, shown, dict.fromkeys(measures, ""))]
    for name, ended in groups.items():
        changes = {}
        for measure in measures:
            change = stats.unpaired(shown[measure], ended[measure], comparisons)
            changes[measure] = format_change(change, DIGITS[measure])
        rows.append(history_row(name, ended, changes))
    return render(
        "history.md.j2", outcome=outcome, table=table(rows), tests=comparisons * stats.TESTS
    )


def history_row(name, runs, changes):
    """Return the row of one version, with its changes in accuracy and loss."""
    return {
        "Version": name,
        "Seeds": len(runs),
        "Mean %": f"{runs['accuracy'].mean():.2f}",
        "Worst %": f"{runs['accuracy'].min():.2f}",
        "Change, points": changes["accuracy"],
        "Mean loss": f"{runs['loss'].mean():.4f}",
        "Change of loss": changes["loss"],
        "Processors": ", ".join(sorted(runs["processor"].unique())),
    }


def study_brief(notebook):
    """Return what each part is worth, for readers."""
    return study_text(variants.TEST, notebook, is_full=False)


def study_full(notebook):
    """Return the study on the test set, with everything that is compared."""
    return study_text(variants.TEST, notebook)


def held_out(notebook):
    """Return the study on held-out images."""
    return study_text(variants.HELD_OUT, notebook)


def other_studies(notebook):
    """Return all further studies, each with a heading and a table of its own."""
    texts = []
    for study in variants.STUDIES.values():
        if study not in (variants.TEST, variants.HELD_OUT):
            texts.append(f"### {study.name}\n\n{study_text(study, notebook)}")
    return "\n\n".join(texts) or "There is no further study."


def study_data(notebook):
    """Return code for the notebook: each variant's wrong answers in the last epoch, by seed."""
    lines = ["STUDY = {"]
    for name, group in results.outcome(variants.TEST, notebook).groups.items():
        wrong = 10_000 - group.runs.sort_values("seed")["correct"]
        entry = f'"{name}": {wrong.tolist()},'
        lines += textwrap.wrap(entry, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
    lines.append("}  # fmt: skip")
    return "\n".join(lines)


BLOCKS = {
    "title": title,
    "study": study_brief,
    "study-full": study_full,
    "held-out": held_out,
    "other-studies": other_studies,
    "versions": versions,
    "speed": speed,
    "operators": operators,
    "baseline": baseline,
    "batch-normalisation": batch_normalisation,
    "where": where,
    "history": history,
    "study-data": study_data,
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
