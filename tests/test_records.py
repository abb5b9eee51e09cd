"""The study's machinery with tiny fake runs, and its records against the plan."""

import math

import cells
import pytest
import study

RECORDS = study.read_records(study.STUDY)


def fake_run(variant, seed, settings, edits, validation):
    """Stand for a training; seed 3 fails."""
    if seed == 3:
        raise FloatingPointError("the loss is no longer finite")
    values = (
        variant,
        seed,
        15938,
        f"9900 {9950 + seed}",
        "0.02000 0.01200",
        2,
        0.1,
        "3",
        "2",
        "0",
        "none",
    )
    return dict(zip(study.COLUMNS, values))


def seeds(path):
    return sorted(int(row["seed"]) for row in study.read_records(path))


def arguments(path, *numbers):
    return [
        "--output",
        str(path),
        "--variants",
        study.FULL,
        "--processes",
        "2",
        "--seeds",
        *map(str, numbers),
    ]


def test_a_restart_does_only_what_is_missing(mnist, tmp_path, capsys):
    path = tmp_path / "records.csv"
    assert study.main(arguments(path, 0, 1), fake_run) == 0
    before = path.read_text()
    assert study.main(arguments(path, 0, 1, 2), fake_run) == 0
    assert "2 of 3 runs are there; 1 to do." in capsys.readouterr().out
    assert path.read_text().startswith(before) and seeds(path) == [0, 1, 2]
    assert study.main(arguments(path, 0, 1, 2), fake_run) == 0
    output = capsys.readouterr().out
    assert "Nothing to do" in output and " 99.51" in output


def test_a_run_that_fails_is_reported_and_stops_no_other(mnist, tmp_path, capsys):
    path = tmp_path / "records.csv"
    assert study.main(arguments(path, 2, 3, 4), fake_run) == 1
    assert seeds(path) == [2, 4]
    assert "FloatingPointError" in capsys.readouterr().out


def test_slices_share_the_work_without_overlap(mnist, tmp_path):
    paths = [tmp_path / f"{index}.csv" for index in range(2)]
    for index, path in enumerate(paths):
        study.main([*arguments(path, 0, 1, 2, 4, 5), "--slice", f"{index}/2"], fake_run)
    assert sorted(seeds(paths[0]) + seeds(paths[1])) == [0, 1, 2, 4, 5]
    assert not set(seeds(paths[0])) & set(seeds(paths[1]))


@pytest.mark.parametrize("variants", [study.VARIANTS, study.SETTINGS], ids=["parts", "settings"])
def test_every_variant_still_fits_the_notebook(notebook, variants):
    import torch

    for settings, edits in variants.values():
        names = cells.definitions(cells.edited(notebook, edits), **settings)
        assert names["Net"]()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_records_hold_every_planned_run_once():
    done = [(row["variant"], int(row["seed"])) for row in RECORDS]
    assert len(done) == len(set(done))
    for variant in study.VARIANTS:
        seeds = {seed for name, seed in done if name == variant}
        assert seeds == set(range(20 if variant == study.FULL else 5))


def test_three_seeds_of_every_setting_were_tried_and_only_more_channels_did_better():
    tried = study.read_records(study.TRIED)
    full = study.results(tried, study.FULL)
    better = []
    for variant in study.SETTINGS:
        result = study.results(tried, variant)
        assert [row["seed"] for row in study.runs(tried, variant)] == ["0", "1", "2"]
        if result["mean"] - full["mean"] > study.noise(full, result):
            better.append(variant)
    assert better == ["twice the channels"]


def test_the_records_agree_with_the_notebook_as_it_is(notebook):
    for variant, (settings, edits) in study.VARIANTS.items():
        names = cells.definitions(cells.edited(notebook, edits), **settings)
        parameters = sum(parameter.numel() for parameter in names["Net"]().parameters())
        for row in RECORDS:
            if row["variant"] == variant:
                assert int(row["parameters"]) == parameters
                assert len(row["correct"].split()) == names["EPOCHS"] == len(row["loss"].split())


def test_the_full_recipe_meets_the_assignment_with_every_seed():
    result = study.results(RECORDS, study.FULL)
    assert result["worst"] >= 99.40 and result["last_four"] > 99.40


def test_the_notebook_shows_these_records(notebook):
    assert cells.cell(notebook, "study").source == study.mistakes(RECORDS)


def test_the_notebook_and_the_study_compute_the_same(notebook):
    printed = cells.cell(notebook, "study-table").outputs[0].text.splitlines()[1:]
    table = study.table(RECORDS, study.VARIANTS)[2:]
    assert len(printed) == len(table) == len(study.VARIANTS)
    for line, row in zip(printed, table):
        assert " ".join(row.split("|")[1:8]).split() == line.split()


def test_the_title_states_the_study(notebook):
    result = study.results(RECORDS, study.FULL)
    title = cells.cell(notebook, "title").source
    assert f"{result['seeds']} seeds" in title
    assert f"{result['mean']:.2f} %" in title and f"{result['worst']:.2f} %" in title
    assert f"{result['last_four']:.2f} % or more after each of the last four" in title


def test_the_text_says_what_the_records_say(notebook):
    assert "with five seeds each" in cells.cell(notebook, "study-text").source
    text = cells.cell(notebook, "study-see").source
    result = {variant: study.results(RECORDS, variant) for variant in study.VARIANTS}
    full, same = result[study.FULL], result["no fully connected layer"]
    assert f"epoch {full['first']:.0f} (median), without it in epoch" in text
    assert f"without it in epoch {result['no weight averaging']['first']:.0f}." in text
    assert f"change of {same['mean'] - full['mean']:+.3f}" in text
    assert f"{result['no global average pooling']['parameters'] - full['parameters']} more" in text

    def noise(variant):
        return study.noise(full, result[variant])

    def change(variant):
        return result[variant]["mean"] - full["mean"]

    without = study.runs(RECORDS, "no batch normalisation")
    first = [int(row["first_epoch"]) for row in without if row["first_epoch"]]
    assert len(first) == len(without) - 1 and result["no batch normalisation"]["worst"] < 20
    assert f"others need {min(first)} to {max(first)} epochs" in text
    worse = {"no augmentation", study.PLAIN}
    for variant in worse:
        assert -0.12 < change(variant) < -noise(variant)
    for variant in set(study.VARIANTS) - worse - {study.FULL, "no batch normalisation"}:
        assert abs(change(variant)) < noise(variant)


def test_a_single_run_has_no_spread():
    result = study.results(RECORDS[:1], RECORDS[0]["variant"])
    assert result["seeds"] == 1 and math.isnan(result["variance"])
