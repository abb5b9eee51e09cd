"""The study's machinery with tiny fake runs, and its records against the plan."""

import cells
import pytest
import study


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
