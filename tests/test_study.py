"""The study: one training, and what becomes of runs that work and runs that fail."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import cells
import pytest
import recording
import study
import torch
import variants
from variants import HELD_OUT, RECIPE, TEST

import stand_ins
from made_up_records import epochs, run


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


def fake_train(notebook, a_study, variant, seed):
    """Stand for a training, which fails with seed 3."""
    if seed == 3:
        raise AssertionError("it broke")
    code = cells.fingerprint(notebook, cells.TRAINING)
    machine = recording.processor_and_versions()
    return run(a_study, variant.name, seed, code=code, **machine), epochs()


def test_a_run_has_all_columns_of_the_records(notebook, names, few_images):
    row, rows = study.train(notebook, TEST, TEST.variant("no batch normalisation"), seed=4)
    assert ["run", *row] == recording.RUN_COLUMNS
    whole = sum(parameter.numel() for parameter in names["Net"]().parameters())
    assert 0 < row["parameters"] < whole
    assert (row["variant"], row["seed"]) == ("no batch normalisation", 4)
    assert row["code"] == cells.fingerprint(notebook, cells.TRAINING)
    assert [each["epoch"] for each in rows] == [1, 2]
    assert ["run", *rows[0]] == recording.EPOCH_COLUMNS


def test_each_result_is_recorded_under_the_name_of_its_network(notebook, names, monkeypatch):
    names.update(model=names["Net"](), history=[names["EpochResult"](**stand_ins.epoch())])
    monkeypatch.setattr(study, "namespace", lambda *_: names)
    monkeypatch.setattr(study, "run_silently", lambda *_: None)  # the history is there already
    row, (only,) = study.train(notebook, TEST, TEST.variant(RECIPE), seed=0)
    assert row["seconds"] == 8.0
    assert only == {
        "epoch": 1,
        "loss": "0.05000",
        "correct": 9_950,
        "unaveraged_loss": "0.09000",
        "unaveraged_correct": 9_800,
    }


@pytest.mark.parametrize("name", [RECIPE, "no dropout", "no augmentation"])
def test_each_training_has_the_seed_and_the_settings_under_which_it_is_recorded(
    notebook, names, monkeypatch, name
):
    used = []

    def namespace(_, settings):
        used.append(settings)
        return names

    names.update(model=names["Net"](), history=[])
    monkeypatch.setattr(study, "namespace", namespace)
    monkeypatch.setattr(study, "run_silently", lambda *_: None)
    row, _ = study.train(notebook, TEST, TEST.variant(name), seed=7)
    assert row["seed"] == 7
    assert used == [{"SEED": 7} | TEST.variant(name).settings]


def test_the_averaged_network_s_results_are_not_those_of_the_unaveraged_network(
    notebook, few_images
):
    _, rows = study.train(notebook, TEST, TEST.variant(RECIPE), seed=0)
    assert rows[-1]["loss"] != rows[-1]["unaveraged_loss"]


def test_the_same_seed_gives_the_same_results_and_another_seed_others(notebook, few_images):
    recipe = TEST.variant(RECIPE)
    _, first = study.train(notebook, TEST, recipe, seed=1)
    _, again = study.train(notebook, TEST, recipe, seed=1)
    _, other = study.train(notebook, TEST, recipe, seed=2)
    assert first == again
    assert first != other


def test_a_training_prints_nothing_and_leaves_no_file(
    notebook, few_images, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    study.train(notebook, TEST, TEST.variant(RECIPE), seed=0)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_out_its_epochs(notebook, few_images):
    broken = variants.Variant("broken", "", {"LEARNING_RATE": 1e30})
    row, rows = study.train(notebook, TEST, broken, seed=0)
    assert row["variant"] == "broken"
    assert rows == []


def held_out(seed):
    """Return what is left to train on and what is held out, of images that are numbers."""
    names = {"train_images": torch.arange(60_000), "train_labels": torch.arange(60_000)}
    study.hold_out(names, seed)
    assert names["train_labels"].equal(names["train_images"])
    assert names["test_labels"].equal(names["test_images"])
    return names["train_images"], names["test_images"]


def test_every_seed_holds_out_another_block_and_trains_on_the_rest():
    blocks = set()
    for seed in range(10):
        rest, block = held_out(seed)
        assert len(block) == 10_000
        assert torch.cat([rest, block]).sort().values.equal(torch.arange(60_000))
        blocks.add(tuple(block.sort().values.tolist()))
    assert len(blocks) == 10


def test_the_records_name_the_block_that_a_seed_holds_out():
    _, block = held_out(1)
    assert block.equal(torch.arange(44_000, 54_000))  # rotated by 6,000, the last 10,000


def test_a_seed_that_would_repeat_a_block_is_refused():
    with pytest.raises(ValueError, match="seeds 0 to 9 only"):
        held_out(10)


def test_only_the_held_out_study_holds_images_out(notebook, few_images):
    with mock.patch("study.hold_out") as hold_out:
        study.train(notebook, TEST, TEST.variant(RECIPE), seed=5)
        assert not hold_out.called
        study.train(notebook, HELD_OUT, HELD_OUT.variant(RECIPE), seed=5)
    assert hold_out.call_args.args[1] == 5


def threads_instead_of_processes(workers, context, initializer):
    """Return an executor that runs everything here, for tests of what follows from runs."""
    return ThreadPoolExecutor(workers)


@mock.patch("study.ProcessPoolExecutor", threads_instead_of_processes)
def test_a_restart_does_what_is_missing_and_names_what_failed(empty_records, few_images, capsys):
    arguments = ["--variants", RECIPE, "--seeds", "0", "1", "3"]
    for number in (3, 1):  # runs to do, the first time and after it
        assert study.main(arguments, fake_train) == 1
        printed = capsys.readouterr().out
        assert f"{number} runs to do" in printed
        assert "Failed: ('full recipe', 3): AssertionError('it broke')" in printed
        assert sorted(recording.read_runs()["seed"]) == [0, 1]


def train_elsewhere(notebook, a_study, variant, seed):
    """Stand for a training; its row says with how many threads, and in which process."""
    here = {"threads": torch.get_num_threads(), "processor": str(os.getpid())}
    return run(a_study, variant.name, seed, **here), epochs()


def test_a_run_has_a_process_with_one_thread(empty_records, few_images):
    arguments = ["--variants", RECIPE, "--seeds", "0", "--workers", "1"]
    assert study.main(arguments, train_elsewhere) == 0
    (row,) = recording.read_runs().to_dict("records")
    assert row["threads"] == 1
    assert int(row["processor"]) != os.getpid()


def test_a_training_has_the_whole_dataset_and_its_own_settings(notebook, mnist):
    names = study.namespace(notebook, {"DROPOUT": 0.5})
    assert names["train_images"].equal(mnist[0])
    assert names["test_labels"].equal(mnist[3])
    assert names["DROPOUT"] == 0.5


def test_an_unknown_variant_is_refused(capsys):
    with pytest.raises(SystemExit):
        study.parse(["--held-out", "--variants", "no such variant"])
    assert "There is no variant 'no such variant'" in capsys.readouterr().err


def test_the_command_line_chooses_the_study():
    assert study.parse([]).study == TEST.name
    assert study.parse(["--held-out"]).study == HELD_OUT.name
