"""The records: how runs are made and kept, and what report.py concludes from them."""

import re

import benchmark
import cells
import pytest
import report
import study
import torch

PART = "no dropout"


def row(variant=study.RECIPE, seed=0, last=9_950, code="now", processor="x"):
    """Return a row of the records, of six epochs."""
    losses = f"0.9 0.8 0.7 0.6 {0.3 - last / 1e5} {0.2 - last / 1e5}"
    values = [variant, seed, code, f"9000 9800 9945 9945 9945 {last}", losses, 1.0, 15_938]
    return dict(zip(study.COLUMNS, [*values, processor, *"abc"]))


def fake_train(variant, seed, held_out):
    """Stand for a training, which fails with seed 3."""
    assert seed != 3, "it broke"
    return row(variant, seed, code=cells.fingerprint(cells.read(), cells.TRAINING))


def test_a_restart_does_what_is_missing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "study.csv"
    monkeypatch.setattr(cells, "RECORDS", tmp_path)
    study.append_record(path, row(seed=1, code="earlier"))
    for runs in (3, 1):
        only = ["--variants", study.RECIPE, "--seeds", "0", "1", "3"]
        assert study.main(only, fake_train) == 1
        assert sorted(each["seed"] for each in study.read_records(path)) == ["0", "1", "1"]
        printed = capsys.readouterr().out
        assert f"{runs} runs" in printed and "3): AssertionError('it broke" in printed


def test_a_row_holds_what_the_training_measured(monkeypatch):
    def small(*arguments, complete=study.namespace):
        names = complete(*arguments) | {"EPOCHS": 2}
        tensors = ("train_images", "test_images", "test_labels")
        return names | {name: names[name][:256] for name in tensors}

    monkeypatch.setattr(study, "namespace", small)
    result = study.train("no batch normalisation", 0, False)
    assert list(result) == study.COLUMNS and result["parameters"] == 15_794
    assert len(result["correct"].split()) == len(result["loss"].split()) == 2
    monkeypatch.setitem(study.VARIANTS, "broken", {"LEARNING_RATE": 1e30})
    assert study.train("broken", 0, False)["correct"].endswith("0 0")


@pytest.mark.parametrize("seed", [0, 9])
def test_every_seed_holds_out_another_block(seed):
    names = {f"train_{kind}": torch.arange(60_000) for kind in ("images", "labels")}
    study.hold_out(names, seed)
    order = torch.arange(60_000).roll(6_000 * seed)
    assert names["train_images"].equal(order[:50_000])
    assert names["test_images"].equal(order[50_000:]) and names["test_labels"].equal(order[50_000:])


def test_every_variant_fits_the_notebook(names, monkeypatch):
    monkeypatch.setattr(study, "run_silently", lambda *_: None)  # needs no data
    sizes = {"no batch normalisation": 15_794, "no global average pooling": 16_658}
    for name, changes in study.VARIANTS.items():
        changed = study.namespace(changes)
        network = changed["Net"]()
        assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
        assert sum(map(torch.numel, network.parameters())) == sizes.get(name, 15_938)
        assert not [key for key in changes if changed[key] == names[key]]


@pytest.mark.parametrize("file", ["study.csv", "held-out.csv"])
def test_the_records_are_whole(file, notebook):
    rows = study.read_records(cells.RECORDS / file)
    assert len(rows) == len({(each["variant"], each["seed"], each["code"]) for each in rows})
    for each in rows:
        assert len(each["correct"].split()) == len(each["loss"].split()) == 19
    group = report.summaries(report.records(notebook, file)[0])[study.RECIPE]
    if file == "study.csv":
        assert group["seeds"] >= 20 and group["parameters"] == 15_938
        assert group["worst"] >= 99.40 < group["last_four"]


def test_the_intervals_are_those_computed_by_hand():
    for second, by_seed, comparisons, change, uncertainty in [
        ([4, 5, 6], False, 1, 3, 2.7764 * (2 / 3) ** 0.5),  # 4 degrees of freedom
        ([4, 5, 6], False, 5, 3, 4.6041 * (2 / 3) ** 0.5),
        ([2, 4, 6], True, 1, 2, 4.3027 * (1 / 3) ** 0.5),  # differences 1, 2, 3
        ([4, 4, 4], False, 1, 2, 4.3027 * (1 / 3) ** 0.5),  # Welch: 2 degrees
        ([4, 5, 6], True, 1, 3, float("inf")),
    ]:
        pair = [dict(enumerate(values)) for values in ([1, 2, 3], second)]
        result = report.interval(*pair, by_seed, comparisons)
        assert result == pytest.approx((change, uncertainty), rel=1e-3)


def written(monkeypatch, *rows):
    """Return what is written of a study with these rows."""
    monkeypatch.setattr(cells, "fingerprint", lambda *_: "now")
    monkeypatch.setattr(study, "read_records", lambda path: rows)
    return report.variants(None, "study.csv")


def test_earlier_code_and_several_machines_are_named(monkeypatch):
    earlier = [row(last=9_000, code="older"), row(last=9_960, code="old"), row(PART, code="old")]
    text = written(monkeypatch, *earlier)
    assert report.EARLIER in text and "|full recipe|1|99.60|" in text and f"|{PART}|1|" in text
    assert "90.00" not in text and "several machines" not in text
    assert written(monkeypatch, *earlier, row(PART, code="now")) == text  # has no recipe
    text = written(monkeypatch, row(last=9_970), *earlier)
    assert report.EARLIER not in text and "|full recipe|1|99.70|" in text and PART not in text
    found = re.findall(r"\|([\w ]+)\|1\|([\d.]+)", report.recipes(None))
    assert found == [("full recipe", "99.70"), ("older", "90.00"), ("old", "99.60")]
    assert "several machines" in written(monkeypatch, row(), row(seed=1, processor="y"))


def test_only_what_the_intervals_show_is_called_a_difference(monkeypatch):
    ends = {study.RECIPE: 9_950, "no augmentation": 9_930, PART: 9_951}
    rows = [row(name, seed, end + seed) for name, end in ends.items() for seed in range(4)]
    rows += [row("no batch normalisation", 0, 1_000), row("no batch normalisation", 1, 9_940)]
    text = written(monkeypatch, *rows)
    assert "|99.40|10.00|1 of 2 did not learn|0.1006|" in text
    assert text.endswith("exclude 0. Means leave out what did not learn.")
    assert written(monkeypatch, *rows[:-2]).endswith("exclude 0.")
    # For six intervals and six degrees of freedom t is 3.863: times 0.00913 it is 0.035.
    assert re.search(r"\|\*\*-0.200±0.035\*\*\|.*\|\*\*\+0.0002±.*\|0.2007\|\*\*\+0.0002±", text)
    assert re.search(r"\|\+0.010±.*\|-0.0000±.*\|0.2005\|-0.0000±", text)


def test_a_training_step_calls_few_operators_and_waits_once():
    calls, reads = benchmark.count_operators()
    assert calls <= 1_000 and reads <= 1
