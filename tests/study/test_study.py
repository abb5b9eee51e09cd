"""The study: one training, which trainings are missing, and what becomes of them."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests import cells
from tests.study import recording, study, variants
from tests.study.variants import RECIPE

PART = variants.WITHOUT_DROPOUT


@pytest.fixture
def few_images(monkeypatch, mnist):
    """Train on a few images for two epochs alone; the namespaces of the trainings, in order."""
    namespaces = []

    def few(notebook, settings):
        names = cells.definitions(notebook, settings | {"EPOCHS": 2})
        names["device"] = torch.device("cpu")
        images = ("train_images", "train_labels", "test_images", "test_labels")
        names.update(zip(images, [tensor[:256] for tensor in mnist], strict=True))
        namespaces.append(names)
        return names

    monkeypatch.setattr(study, "namespace", few)
    return namespaces


def test_a_run_is_recorded_as_that_of_the_variant_and_the_seed(notebook, few_images, records):
    row = study.train(notebook, variants.variant(PART), seed=4)
    assert row.keys() == records.run().keys()
    assert (row["variant"], row["seed"], len(row["loss"])) == (PART, 4, 2)
    assert row["trained"] == variants.variant(PART).digest(notebook)
    (names,) = few_images
    assert row["loss"] == [round(each["test_loss"], 5) for each in names["history"]]
    assert row["unaveraged_correct"] == [each["unaveraged_correct"] for each in names["history"]]


def test_a_run_can_be_repeated_and_leaves_nothing_else(
    notebook, few_images, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    losses = [study.train(notebook, variants.variant(PART), seed)["loss"] for seed in (4, 4, 5)]
    assert losses[0] == losses[1] != losses[2]
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_training_has_the_whole_dataset_and_its_own_settings(notebook, mnist):
    names = study.namespace(notebook, {"SEED": 3})
    assert names["train_images"].equal(mnist[0])
    assert names["test_labels"].equal(mnist[3])
    assert names["SEED"] == 3


def jobs(notebook, *chosen, here="X", torch_version="2.15.0+x"):
    """Return what a machine with this processor has to run of variants."""
    chosen = [variants.variant(name) for name in chosen]
    runs = recording.read(recording.RUNS)
    return study.schedule(notebook, runs, (here, 1, torch_version), chosen)


def test_a_variant_needs_its_seeds_and_those_of_what_it_is_compared_with(records, notebook):
    records.add()
    pairs = {(name, seed) for name in (RECIPE, PART) for seed in range(30)}
    assert set(jobs(notebook, PART)) == pairs - {(RECIPE, 0)}
    assert jobs(notebook, PART)[0] == (PART, 0)  # seed by seed
    steps = {(variants.AUGMENTED, seed) for seed in range(30)}  # it has no more
    rest = {(RECIPE, seed) for seed in range(1, 100)}
    assert set(jobs(notebook, RECIPE)) == steps | rest


def test_what_is_recorded_is_not_run_again_and_no_pair_is_mixed(records, notebook):
    for name, seed in [(RECIPE, 0), (PART, 0), (RECIPE, 1), (PART, 2), (RECIPE, 50)]:
        records.add(name, seed, processor="Y")
    due = jobs(notebook, PART)
    assert [job for job in due if job[1] == 0] == []
    assert {job for job in due if job[1] == 1} == {(RECIPE, 1), (PART, 1)}
    assert {job for job in due if job[1] == 2} == {(RECIPE, 2), (PART, 2)}
    assert (RECIPE, 50) not in jobs(notebook, RECIPE)  # it is in no pair: any machine's run will do


def test_variants_that_train_the_same_share_their_runs(records, notebook):
    names = {name for name, _ in jobs(notebook, variants.PUBLISHED, variants.AVERAGED)}
    assert names == {variants.PUBLISHED}


def test_with_another_version_of_torch_all_is_due_again(records, notebook):
    records.add(seed=50)
    assert (RECIPE, 50) not in jobs(notebook, RECIPE, torch_version="2.15.0+another build")
    assert (RECIPE, 50) in jobs(notebook, RECIPE, torch_version="2.16.0")


def results(loss):
    """Return the results of a training of one epoch."""
    return {"loss": [loss], "correct": [0], "unaveraged_loss": [0], "unaveraged_correct": [0]}


def fake_train(notebook, chosen, seed):
    """Stand for a training, which fails with seed 3; its row says where it took place."""
    if seed == 3:
        raise AssertionError("it broke")
    here = recording.processor_and_versions() | {"processor": str(os.getpid())}
    row = {"variant": chosen.name, "trained": chosen.digest(notebook), "seed": seed}
    return row | here | {"threads": torch.get_num_threads()} | results(0.5)


@pytest.fixture
def main(records, few_images, monkeypatch):
    """The study's main with false trainings, of five seeds of the recipe, in one thread."""
    monkeypatch.setattr(study, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    five = variants.Variant(RECIPE, "", "", seeds=5)
    monkeypatch.setattr(variants, "VARIANTS", (five,))
    records.add(seed=0)
    return lambda *arguments: study.main(list(arguments), fake_train)


def test_a_restart_does_what_is_missing_and_names_what_failed(main, capsys):
    for number in (4, 1):  # runs to do, the first time and after it
        assert main() == 1
        printed = capsys.readouterr().out
        assert f"{number} runs to do" in printed
        assert "seed 3: AssertionError('it broke')" in printed
        assert sorted(recording.read(recording.RUNS)["seed"]) == [0, 1, 2, 4]


def test_a_run_has_a_process_with_one_thread(records, few_images, notebook):
    rows = []
    study.train_all(notebook, [(RECIPE, 0)], rows.append, workers=1, work=fake_train)
    assert rows[0]["threads"] == 1
    assert int(rows[0]["processor"]) != os.getpid()


def test_another_training_than_the_recorded_one_needs_a_decision(main, monkeypatch, notebook):
    changed = cells.with_settings(notebook, {"LEARNING_RATE": 0.5})
    monkeypatch.setattr(cells, "read", lambda: changed)
    with pytest.raises(SystemExit, match="--same or --restart"):
        main()
    main("--restart")
    assert recording.trained_source() == cells.training_source(changed)
    assert sorted(recording.read(recording.RUNS)["seed"]) == [0, 1, 2, 4]
    assert set(recording.read(recording.RUNS)["variant"]) == {RECIPE}


def record_of_other_code(notebook, loss):
    """Record seed 0 of the recipe, trained by other code to this loss; return that code."""
    here = recording.processor_and_versions() | {"threads": 1}
    source = cells.training_source(notebook) + "# A comment that was not there.\n"
    digest = variants.variant(RECIPE).digest(cells.training_notebook(source))
    run = {"variant": RECIPE, "trained": digest, "seed": 0, **results(loss), **here}
    stale = run | {"variant": "gone", "trained": "by something else"}
    recording.replace(source, [run, stale])
    return source


def test_other_code_of_the_same_training_keeps_the_records(main, notebook):
    record_of_other_code(notebook, loss=0.5)  # as the false training has it
    main("--same")
    assert recording.trained_source() == cells.training_source(notebook)
    expected = variants.variant(RECIPE).digest(notebook)
    assert set(recording.read(recording.RUNS)["trained"]) == {expected}


def test_code_that_trains_otherwise_or_fails_does_not(main, notebook):
    for loss, work in ((0.4, fake_train), (0.5, None)):
        source = record_of_other_code(notebook, loss)
        with pytest.raises(SystemExit, match="The records are left as they are"):
            study.main(["--same"], work)
        assert recording.trained_source() == source
