"""Say what the records hold: all statistics, tables and generated sentences, once.

A generated block stands between <!-- name --> and <!-- end -->, in a README or in a
Markdown cell of the notebook; BLOCKS has the function that writes each from the notebook.
"""

import math
import re
import statistics

import cells
import numpy as np
import study

REQUIRED = 9_940  # correct answers of 10,000
LEARNT = 9_000  # a run that ends with fewer has not learnt
HERE, USUAL = "this notebook", "the usual way"
COLUMNS = "Variant|Seeds|Mean %|Worst %|Change|Parameters|Standard deviation|Mean loss|"
COLUMNS += "Worst of last four %|99.40 % first in epoch, median|Latest"
LINE = "{name}|{seeds}|{mean:.2f}|{worst:.2f}|{change}|{parameters:,}|{deviation:.3f}|"
LINE += "{loss:.4f}|{last_four:.2f}|{first:g}|{latest:g}"
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
    parts = [statistics.variance(sample) / len(sample) for sample in samples]
    change = statistics.mean(samples[1]) - statistics.mean(samples[0])
    if not sum(parts):  # values equal by chance do not say how much they could differ
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
    losses = [float(row["loss"].split()[-1]) for row in rows if row["seed"] in learnt]
    enough = [[e for e, n in enumerate(c, 1) if n >= REQUIRED] for c in counts.values()]
    firsts, values = [min(e, default=math.inf) for e in enough], list(learnt.values())
    group = {"parameters": int(rows[0]["parameters"]), "seeds": len(counts)}
    group |= {"accuracies": learnt, "failed": len(counts) - len(learnt)}
    group["mean"] = statistics.mean(values or [math.nan])  # of those that learnt
    group["deviation"] = statistics.stdev(values) if len(values) > 1 else math.nan
    group["loss"] = statistics.mean(losses or [math.nan])
    group["worst"] = min(count[-1] for count in counts.values()) / 100
    group["last_four"] = min(min(count[-4:]) for count in counts.values()) / 100
    return group | {"first": statistics.median(firsts), "latest": max(firsts)}


def records(notebook, file):
    """Return what is to be shown of a file: (rows, "") of the present code, if it has the recipe.

    If it has not, or lacks a variant, (rows, EARLIER) of the newest earlier code follow.
    """
    rows = study.read_records(cells.RECORDS / file)
    if file == "study.csv":  # parts that the notebook no longer has are not shown
        rows = [row for row in rows if row["variant"] in study.VARIANTS]
    current = cells.fingerprint(notebook, cells.TRAINING)
    shown, known = [], set()
    for code in dict.fromkeys([current, *(row["code"] for row in reversed(rows))]):
        group = [row for row in rows if row["code"] == code]
        found = {row.get("variant", study.RECIPE) for row in group}
        if study.RECIPE in found and found - known:
            shown.append((group, "" if code == current else EARLIER))
            known |= found
        if code != current and shown:
            break
    return shown


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


def variants(notebook, file, columns=None, brief=False):
    """Return tables of the variants in a file, with so many columns; if brief, the last."""
    parts, by_seed = [], file == "held-out.csv"
    for rows, earlier in records(notebook, file)[-brief:]:
        groups, lines = summaries(rows), [COLUMNS.split("|")]
        recipe = groups[study.RECIPE]["accuracies"]
        others = {name: g["accuracies"] for name, g in groups.items() if not g["failed"]}
        others.pop(study.RECIPE, None)
        others = {name: a for name, a in others.items() if len(a.keys() & recipe) > 1}
        for name, group in groups.items():
            change = f"{group['failed']} of {group['seeds']} did not learn" * bool(group["failed"])
            if name in others:
                value, uncertainty = interval(recipe, others[name], by_seed, len(others))
                bold = "**" * (abs(value) > uncertainty)
                change = f"{bold}{value:+.3f}±{uncertainty:.3f}{bold}".replace("inf", "unknown")
            line = LINE.format(name=name, change=change, **group)
            lines.append(line.replace("inf", "never").split("|"))
        text = (
            f"*Change*{', paired by seed,' * by_seed} is from the mean of the same code's full "
            f"recipe, in points. All {len(others)} intervals hold with 95 % confidence (Student's "
            "t, Bonferroni); bold ones exclude 0. Means leave out seeds that did not learn. "
        ) * bool(others)
        parts += [earlier.replace("code.", "code:"), table(*(line[:columns] for line in lines))]
        parts.append("" if brief else text + note(rows))
    parts.append("Bold exceeds chance (95 % confidence for all intervals)." * brief)
    return "\n\n".join(filter(None, parts))


def title(notebook):
    """Return the requirements, what the study's seeds reached, and the saved run's figures."""
    rows, earlier = records(notebook, "study.csv")[0]
    group = summaries(rows)[study.RECIPE]
    reached = "mean {mean:.2f} %, worst {worst:.2f} %".format(**group)
    parts = "batch normalisation, dropout, fully connected layer, global average pooling"
    lines = table(
        ["Requirement", "Limit", f"This notebook, {group['seeds']} seeds"],
        ["accuracy, last epoch", "≥99.40 %", reached],
        ["last four epochs", "≥99.40 %", f"worst {group['last_four']:.2f} %"],
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
    rows, earlier = records(notebook, "benchmark.csv")[0]
    values = [
        statistics.median(float(row["value"]) for row in rows if row["measure"] == name)
        for name in (HERE, USUAL, "operator calls", "reads")
    ]
    here, usual, *counts = values
    text = (
        f"An epoch takes {here:.1f} s here and {usual:.1f} s in the usual way, with the same "
        f"network on the same machine: **{usual / here:.1f} times** as long (medians of three "
        "rounds). A training step makes {:.0f} operator calls; reads from the device: {:.0f}. "
    ).format(*counts) + f"{note(rows)} {earlier}".strip()
    rows, earlier = records(notebook, "study.csv")[0]
    groups, plain = summaries(rows), "no weight averaging"
    if earlier or plain not in groups:
        return text
    first, other = groups[study.RECIPE]["first"], groups[plain]["first"]
    return (
        f"{text}\n\nTo 99.40 %, this notebook needs {first:g} epochs (median of the study), "
        f"{first * here:.0f} s; without weight averaging, as in the usual way, it is {other:g} "
        f"epochs, there {other * usual:.0f} s: "
        f"**{other * usual / first / here:.1f} times** as long."
    )


def versions(notebook):
    """Return the versions on which the notebook was run whole, the newest run of each."""
    runs = [*study.read_records(cells.RECORDS / "versions.csv"), run(notebook)]
    runs = {(each["python"], each["torch"]): each for each in runs}
    lines = [["Python", "torch", "torchvision", "Machine", "Accuracy", "Loss", "Code"]]
    for each in reversed(runs.values()):
        now = each["code"] == cells.fingerprint(notebook)
        lines.append([each[name.lower()] for name in lines[0][:-1]])
        lines[-1].append("present" if now else "\\*")
    return table(*lines) + f"\n\n\\* {EARLIER}" * any("\\*" in line for line in lines)


IN_NOTEBOOK = {"title": title, "study": lambda book: variants(book, "study.csv", 5, brief=True)}
BLOCKS = {
    "title": title,
    "versions": versions,
    "study": lambda book: variants(book, "study.csv", 5),
    "speed": speed,
    "study-full": lambda book: variants(book, "study.csv"),
    "held-out": lambda book: variants(book, "held-out.csv"),
}


def fill(text, notebook, blocks=BLOCKS):
    """Return text with every block made anew; an unknown name raises KeyError."""

    def block(match):
        return f"{match[1]}{blocks[match[2]](notebook)}\n{match[3]}"

    return re.sub(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", block, text, flags=re.DOTALL)
