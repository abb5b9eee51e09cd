"""The study: one training, which trainings are missing, and what becomes of them."""

import os
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch

from tests.study import made_up_records, recording, study
from tests.study.variants import RECIPE, VARIANTS, Variant, variant
from tests.tools import cells

PART = "no dropout"


@pytest.fixture
def few_images(monkeypatch, mnist):
    """Train on a few images for two epochs alone."""

    def few(notebook, settings):
        names = cells.definitions(notebook, settings | {"EPOCHS": 2})
        names["device"] = torch.device("cpu")
        images = ("train_images", "train_labels", "test_images", "test_labels")
        names.update(zip(images, [tensor[:256] for tensor in mnist], strict=True))
        return names

    monkeypatch.setattr(study, "namespace", few)


def test_a_run_has_all_columns_of_the_records_and_leaves_nothing_else(
    notebook, few_images, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    row, rows = study.train(notebook, variant("no batch normalisation"), seed=4)
    assert ["run", *row] == recording.RUN_COLUMNS
    assert ["run", *rows[0]] == recording.EPOCH_COLUMNS
    assert (row["variant"], row["seed"]) == ("no batch normalisation", 4)
    assert row["code"] == cells.fingerprint(notebook) != row["trained"]
    assert [each["epoch"] for each in rows] == [1, 2]
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_each_result_is_recorded_under_the_name_of_its_network(notebook, names, monkeypatch):
    measured = {"seconds": 8.0, "test_loss": 0.05, "test_correct": 9_950}
    measured |= {"unaveraged_loss": 0.09, "unaveraged_correct": 9_800}
    names.update(model=names["Net"](), history=[measured])
    namespace = mock.Mock(return_value=names)
    monkeypatch.setattr(study, "namespace", namespace)
    monkeypatch.setattr(study, "run_silently", lambda *_: None)  # the history is there already
    row, (only,) = study.train(notebook, variant(PART), seed=7)
    assert namespace.call_args.args[1] == {"SEED": 7} | variant(PART).settings
    assert row["seconds"] == 8.0
    assert (only["loss"], only["correct"]) == ("0.05000", 9_950)
    assert (only["unaveraged_loss"], only["unaveraged_correct"]) == ("0.09000", 9_800)


def test_the_same_seed_gives_the_same_results_and_another_seed_others(notebook, few_images):
    runs = [study.train(notebook, variant(RECIPE), seed)[1] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_out_its_epochs(notebook, few_images):
    _, rows = study.train(notebook, Variant("broken", "", {"LEARNING_RATE": 1e30}), seed=0)
    assert rows == []


def test_every_seed_holds_out_another_block_and_trains_on_the_rest():
    blocks = set()
    for seed in range(10):
        names = {"train_images": torch.arange(60_000), "train_labels": torch.arange(60_000)}
        study.hold_out(names, seed)
        rest, block = names["train_images"], names["test_images"]
        assert len(block) == 10_000
        assert names["test_labels"].equal(block)
        assert torch.cat([rest, block]).sort().values.equal(torch.arange(60_000))
        blocks.add(tuple(block.tolist()))
    assert len(blocks) == 10
    with pytest.raises(ValueError, match="seeds 0 to 9 only"):
        study.hold_out({}, 10)


def jobs(names=(RECIPE, PART), seeds=None, here="X"):
    """Return what a machine with this processor has to run of two variants, three pairs each."""
    chosen = [variant(name) for name in names]
    runs = recording.read("runs.csv")
    return study.schedule(None, runs, (here, 1, "2.15"), chosen, seeds)


def test_the_recipe_s_seeds_of_the_pairs_come_first_and_its_others_last(records):
    pairs = [(name, seed) for name in (RECIPE, PART) for seed in range(10)]
    assert jobs() == pairs + [(RECIPE, seed) for seed in range(10, 100)]
    assert jobs(["no averaging"]) == [(RECIPE, seed) for seed in range(100)]


@pytest.mark.parametrize("here", ["X", ""])  # some systems tell no name
def test_what_is_recorded_is_not_run_again(records, here):
    for name, seed in jobs(seeds=[0, 1, 2], here=here):
        records.add(name, seed, processor=here)
    assert jobs(seeds=[0, 1, 2, 3], here=here) == [(RECIPE, 3), (PART, 3)]


def test_what_a_pair_lacks_is_run_here_and_never_mixed(records):
    for name, seed in [(RECIPE, 0), (PART, 0), (RECIPE, 1), (PART, 2), (RECIPE, 3)]:
        records.add(name, seed, processor="Y")
    records.add(PART, 3)
    here = [(RECIPE, 1), (RECIPE, 2), (RECIPE, 3), (PART, 1), (PART, 2)]
    assert jobs(seeds=[0, 1, 2, 3]) == here
    assert jobs([RECIPE], seeds=[0, 1, 2, 3]) == [(RECIPE, 2)]  # no pairs are asked for


@pytest.mark.parametrize("changed", [{"code": "old"}, {"trained": "edited"}, {"torch": "2.14"}])
def test_runs_of_other_code_and_of_edited_variants_do_not_count(records, changed):
    records.add(RECIPE, seed=0)
    records.add(PART, seed=0, **changed)
    assert jobs(seeds=[0]) == [(PART, 0)]


def fake_train(notebook, chosen, seed):
    """Stand for a training, which fails with seed 3; its row says where it took place."""
    if seed == 3:
        raise AssertionError("it broke")
    here = {"threads": torch.get_num_threads(), "processor": str(os.getpid())}
    return made_up_records.run(chosen.name, seed, **here), made_up_records.epochs()


@mock.patch("tests.study.study.ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
def test_a_restart_does_what_is_missing_and_names_what_failed(records, few_images, capsys):
    arguments = ["--variants", RECIPE, "--seeds", "0", "1", "3"]
    for number in (3, 1):  # runs to do, the first time and after it
        assert study.main(arguments, fake_train) == 1
        printed = capsys.readouterr().out
        assert f"{number} runs to do" in printed
        assert "Failed: full recipe, seed 3: AssertionError('it broke')" in printed
        assert sorted(recording.read("runs.csv")["seed"]) == [0, 1]


def test_a_run_has_a_process_with_one_thread(records, few_images):
    arguments = ["--variants", RECIPE, "--seeds", "0", "--workers", "1"]
    assert study.main(arguments, fake_train) == 0
    (row,) = recording.read("runs.csv").to_dict("records")
    assert row["threads"] == 1
    assert int(row["processor"]) != os.getpid()


def test_a_training_has_the_whole_dataset_and_its_own_settings(notebook, mnist):
    names = study.namespace(notebook, {"DROPOUT": 0.5})
    assert names["train_images"].equal(mnist[0])
    assert names["test_labels"].equal(mnist[3])
    assert names["DROPOUT"] == 0.5


def test_variants_are_known_by_their_names(capsys):
    assert study.parse([]).variants == [each.name for each in VARIANTS]
    with pytest.raises(SystemExit):
        study.parse(["--variants", "no such variant"])
    assert "invalid choice: 'no such variant'" in capsys.readouterr().err
