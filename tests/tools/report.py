"""Say what the records hold: all statistics, tables and generated sentences, once."""

import math
import re
import statistics

import cells
import numpy as np
import study

REQUIRED = 9_940  # correct answers of 10,000
LEARNT = 9_000  # a run that ends with fewer has not learnt
HERE, USUAL = "this notebook", "the usual way"
COLUMNS = "Variant|Seeds|Mean %|Worst %|Change|Mean loss|Change|Loss after epoch 5|Change|Standard "
COLUMNS += "deviation|Worst of last four %|99.40 % first in epoch, median|Latest|Parameters"
LINE = "{name}|{seeds}|{accuracy:.2f}|{worst:.2f}|{change[accuracy]}|{loss:.4f}|{change[loss]}|"
LINE += "{early:.4f}|{change[early]}|{deviation:.3f}|{last_four:.2f}|{first:g}|{latest:g}|"
LINE += "{parameters:,}"
CHANGE = "*Change* is from the full recipe{}, in points for accuracy. With 95 % confidence, every "
CHANGE += "true change lies within its ± (Student's t, Bonferroni over accuracy and losses); bold "
CHANGE += "ones exclude 0."
MEASURES = {"accuracy": 3, "loss": 4, "early": 4}  # what is compared, and its digits
EARLIER = "These runs were made with an earlier version of this notebook's code."


def quantile(probability, freedom):
    """Return Student's t with freedom degrees of freedom (at least 1) at probability."""
    # With t = sqrt(freedom) tan(angle), the density is a power of the angle's cosine.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 200_001)
    density = np.cos(angles).clip(0) ** (freedom - 1)
    share = np.cumsum(density) - density / 2
    return math.sqrt(freedom) * math.tan(np.interp(probability, share / share[-1], angles))


def interval(first, second, by_seed, comparisons):
    """Return how far the mean of second is above first's, and the uncertainty of that.

    Both have values by seed. Pairs by_seed are compared, or else independent samples (Welch);
    the intervals of all comparisons hold together with 95 % confidence.
    """
    samples = [list(first.values()), list(second.values())]
    if by_seed:
        samples = [[0, 0], [second[seed] - first[seed] for seed in first if seed in second]]
    parts = [statistics.variance(sample) / len(sample) for sample in samples if len(sample) > 1]
    change = statistics.mean(samples[1] or [math.nan]) - statistics.mean(samples[0])
    if len(parts) < 2 or not sum(parts):  # one value, or equal ones, do not show a spread
        return change, math.inf
    freedom = sum(parts) ** 2 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, samples))
    return change, quantile(1 - 0.025 / comparisons, freedom) * math.sqrt(sum(parts))


def summaries(rows):
    """Return the summary of each variant in rows, by name, the recipe first."""
    groups = {name: [] for name in study.VARIANTS}
    for row in rows:
        groups.setdefault(row["variant"], []).append(row)
    return {name: summary(group) for name, group in groups.items() if group}


def summary(rows):
    """Return what rows, all of one variant, ended with; accuracies in per cent."""
    counts = {row["seed"]: [int(n) for n in row["correct"].split()] for row in rows}
    learnt = {seed: count[-1] / 100 for seed, count in counts.items() if count[-1] >= LEARNT}
    losses = {row["seed"]: list(map(float, row["loss"].split())) for row in rows}
    by_seed = {"accuracy": learnt, "loss": {seed: losses[seed][-1] for seed in learnt}}
    by_seed["early"] = {seed: losses[seed][4] for seed in learnt}
    enough = [[e for e, n in enumerate(c, 1) if n >= REQUIRED] for c in counts.values()]
    firsts = [min(epochs, default=math.inf) for epochs in enough]
    group = {"parameters": int(rows[0]["parameters"]), "seeds": len(counts)}
    group |= {"by_seed": by_seed, "failed": len(counts) - len(learnt)}
    for name, values in by_seed.items():  # of those that learnt
        group[name] = statistics.mean(values.values() or [math.nan])
    group["deviation"] = statistics.stdev(learnt.values()) if len(learnt) > 1 else math.nan
    group["worst"] = min(count[-1] for count in counts.values()) / 100
    group["last_four"] = min(min(count[-4:]) for count in counts.values()) / 100
    return group | {"first": statistics.median(firsts), "latest": max(firsts)}


def records(notebook, file):
    """Return the present code's rows in a file and "", or an earlier code's rows and EARLIER.

    A code counts only if it has the recipe; of earlier ones, the newest.
    """
    rows = study.read_records(cells.RECORDS / file)
    current = cells.fingerprint(notebook, cells.TRAINING)
    codes = [row["code"] for row in rows if row.get("variant", study.RECIPE) == study.RECIPE]
    code = current if current in codes else codes[-1]
    return [row for row in rows if row["code"] == code], EARLIER * (code != current)


def note(rows):
    """Return a sentence on the machines and versions that made rows."""
    machines = dict.fromkeys(
        f"{row['processor']}, threads: {row.get('threads', 1)}, Python {row['python']}, "
        f"torch {row['torch']}, torchvision {row['torchvision']}"
        for row in rows
    )
    return f"Measured on {'several machines: ' * (len(machines) > 1)}{'; '.join(machines)}."


def table(*lines):
    """Return a Markdown table of lines, the first of which is its head."""
    lines = [lines[0], [":--", *["--:"] * (len(lines[0]) - 1)], *lines[1:]]
    return "\n".join(f"|{'|'.join(map(str, line))}|" for line in lines)


def comparison(rows, paired=False, columns=None):
    """Return a table of the variants in rows, compared with the recipe, with so many columns."""
    groups, lines = summaries(rows), [COLUMNS.split("|")]
    recipe = groups[study.RECIPE]["by_seed"]
    others = [n for n, group in groups.items() if n != study.RECIPE and not group["failed"]]
    count = len(MEASURES) * len(others)
    for name, group in groups.items():
        changes = dict.fromkeys(MEASURES, "")
        if group["failed"]:
            changes["accuracy"] = f"{group['failed']} of {group['seeds']} did not learn"
        elif name in others:
            for key, digits in MEASURES.items():
                value, error = interval(recipe[key], group["by_seed"][key], paired, count)
                bold = "**" * (abs(value) > error)
                changes[key] = f"{bold}{value:+.{digits}f}±{error:.{digits}f}{bold}"
        line = LINE.format(name=name, change=changes, **group)
        lines.append(line.replace("±inf", "±?").replace("inf", "never").split("|"))
    return table(*(line[:columns] for line in lines))


def variants(notebook, file, columns=None, brief=False):
    """Return a table of the variants in a file, with so many columns; no machines if brief."""
    rows, earlier = records(notebook, file)
    paired = file == "held-out.csv"
    parts = [earlier, comparison(rows, paired, columns), note(rows) * (not brief)]
    failed = " Means leave out what did not learn." * ("did not learn" in parts[1])
    parts.append(CHANGE.format(" with the same seeds" * paired) + failed)
    return "\n\n".join(filter(None, parts))


def recipes(notebook):
    """Return a table of every other code's full recipe beside that of the study's table."""
    code = records(notebook, "study.csv")[0][0]["code"]
    rows = study.read_records(cells.RECORDS / "study.csv")
    rows = [row for row in rows if row["variant"] == study.RECIPE]
    return comparison([r if r["code"] == code else r | {"variant": r["code"]} for r in rows])


def title(notebook):
    """Return the requirements, what the study's seeds reached, and the saved run's figures."""
    rows, earlier = records(notebook, "study.csv")
    group = summaries(rows)[study.RECIPE]
    reached = "mean {accuracy:.2f} %, worst {worst:.2f} %".format(**group)
    parts = "batch normalisation, dropout, fully connected layer, global average pooling"
    lines = table(
        ["Requirement", "Limit", f"This notebook, {group['seeds']} seeds"],
        ["accuracy, last epoch", "≥99.40 %", reached],
        ["last four epochs", ">99.40 %", f"worst {group['last_four']:.2f} %"],
        ["epochs", "<20", len(rows[0]["correct"].split())],
        ["parameters", "<20,000", f"{group['parameters']:,}"],
        [parts, "all", "all"],
    )
    outputs = "Outputs: one run on {machine}: {accuracy} after {time} of training, loss {loss}."
    return "\n\n".join(filter(None, [lines, earlier, outputs.format(**run(notebook))]))


def run(notebook):
    """Return the machine, versions, code and results of the run that notebook holds."""
    printed = "".join(cells.printed(notebook).values())
    figures = {"accuracy": r"last epoch: ([\d.]+ %)", "loss": r"loss ([\d.]+), \d+ correct"}
    figures["time"] = r"Training: (\d+ s), "
    found = {name: re.search(pattern, printed)[1] for name, pattern in figures.items()}
    return notebook.metadata["saved_run"] | found


def speed(notebook):
    """Return what the benchmark shows, and the time to 99.40 % if the study has it."""
    rows, earlier = records(notebook, "benchmark.csv")
    here, usual, *counts = [
        statistics.median(float(row["value"]) for row in rows if row["measure"] == name)
        for name in (HERE, USUAL, "operator calls", "reads")
    ]
    text = (
        f"An epoch takes {here:.1f} s here and {usual:.1f} s in the usual way, on the same "
        f"machine: **{usual / here:.1f} times** as long (medians of three rounds). "
        "A training step makes {:.0f} operator calls; reads from the device: {:.0f}. "
    ).format(*counts) + f"{note(rows)} {earlier}".strip()
    rows, earlier = records(notebook, "study.csv")
    groups, plain = summaries(rows), "no weight averaging"
    if earlier or plain not in groups:
        return text
    first, other = groups[study.RECIPE]["first"], groups[plain]["first"]
    return (
        f"{text}\n\nTo 99.40 %, this notebook needs {first:g} epochs (median of the study), "
        f"{first * here:.0f} s; without weight averaging it needs {other:g}. If the usual "
        f"way needs as many, they take {other * usual:.0f} s: "
        f"**{other * usual / first / here:.1f} times**."
    )


def versions(notebook):
    """Return the versions on which the notebook was run whole, the newest run of each."""
    runs = [*study.read_records(cells.RECORDS / "versions.csv"), run(notebook)]
    runs = {(each["python"], each["torch"]): each for each in runs}
    lines = [["Python", "torch", "torchvision", "Machine", "Accuracy", "Loss", "Code"]]
    for each in reversed(runs.values()):
        code = "present" if each["code"] == cells.fingerprint(notebook) else "\\*"
        lines.append([*(each[name.lower()] for name in lines[0][:-1]), code])
    return table(*lines) + f"\n\n\\* {EARLIER}" * any("\\*" in line for line in lines)


IN_NOTEBOOK = {"title": title, "study": lambda book: variants(book, "study.csv", 5, brief=True)}
BLOCKS = {
    "title": title,
    "versions": versions,
    "study": lambda book: variants(book, "study.csv", 5),
    "speed": speed,
    "study-full": lambda book: variants(book, "study.csv"),
    "recipes": recipes,
    "held-out": lambda book: variants(book, "held-out.csv"),
}


def fill(text, notebook, blocks=BLOCKS):
    """Return text with every <!-- name --> ... <!-- end --> made anew by blocks[name]."""
    pattern = r"(?s)(<!-- (\S+) -->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{blocks[m[2]](notebook)}\n{m[3]}", text)
