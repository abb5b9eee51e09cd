"""What goes wrong at desks: interruptions, cells run twice, odd folders, two runs at once."""

import threading

import cells
import pytest
import torch
from cells import run
from test_data import copy_of, replace_sources

AFTER_TRAINING = ["curves", "time", "mistakes", "confusion-matrix", "confusions", "filters"]


@pytest.fixture
def small(notebook, mnist, monkeypatch, tmp_path):
    """The notebook's names in a folder of its own, with 500 images of each set to load."""
    folder = tmp_path / "Übung 3 b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = cells.definitions(notebook, EPOCHS=4)
    names["load_mnist"] = lambda *_: [tensor[:500] for tensor in mnist]
    run(notebook, names, "style", "device", "load-run", "structure")
    return names


def interrupt_in_epoch(number, names):
    """Make training stop as if the user had pressed the stop button in this epoch."""
    train, calls = names["train_one_epoch"], []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == number:
            raise KeyboardInterrupt
        return train(*arguments)

    names["train_one_epoch"] = interrupted
    return train


def test_every_cell_runs_twice_in_a_folder_with_a_space_and_an_umlaut(notebook, small):
    unmet = []
    for cell in cells.code_cells(notebook):
        if cell.id in ("parameters", "files", "ensure-files", "load"):
            continue  # definitions that the fixture has made small
        for _ in range(2):
            try:
                exec(cell.source, small)
            except AssertionError as error:
                assert str(error).startswith("Not met: Test images, Correct, last epoch")
                unmet.append(cell.id)
    assert unmet == ["check", "check"]
    assert len(small["history"]) == small["EPOCHS"]


def test_an_interrupted_training_keeps_its_epochs_and_can_be_run_again(notebook, small, capsys):
    train = interrupt_in_epoch(3, small)
    run(notebook, small, "train")
    assert "Interrupted: 2 finished epochs are kept." in capsys.readouterr().out
    kept = [row["test_correct"] for row in small["history"]]
    assert len(kept) == 2
    run(notebook, small, "reload", *AFTER_TRAINING)
    with pytest.raises(AssertionError, match="worst of last four"):
        run(notebook, small, "check")

    small["train_one_epoch"] = train
    run(notebook, small, "train", "reload", *AFTER_TRAINING)
    assert len(small["history"]) == small["EPOCHS"]
    assert [row["test_correct"] for row in small["history"]][:2] == kept


def test_an_interruption_before_the_first_epoch_ends_in_one_clear_sentence(notebook, small):
    interrupt_in_epoch(1, small)
    run(notebook, small, "train")
    with pytest.raises(AssertionError, match="No epoch was finished: run the training cell again"):
        run(notebook, small, "reload")


def test_two_runs_that_fetch_the_data_at_the_same_time_both_get_it(names, mnist, tmp_path):
    good = cells.ROOT / "data" / "MNIST" / "raw"
    both_are_there = threading.Barrier(2)
    copy = copy_of(good, [])

    def source(temporary):
        both_are_there.wait(timeout=60)
        return copy(temporary)

    replace_sources(names, source, source)
    failures = []

    def fetch():
        try:
            names["ensure_files"](tmp_path)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and names["bad_files"](tmp_path) == []


def test_a_full_disk_is_one_error_and_leaves_nothing_behind(names, mnist, tmp_path, capsys):
    def source(temporary):
        (temporary / "part").write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    replace_sources(names, source, source)
    with pytest.raises(RuntimeError, match="Put good copies into"):
        names["ensure_files"](tmp_path)
    assert "No space left on device" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_intact_files_are_enough_where_nothing_can_be_written(names, mnist, monkeypatch):
    for function in ("replace", "mkdir"):
        monkeypatch.setattr(names["os"], function, lambda *_, **__: pytest.fail("writes"))
    assert len(names["load_mnist"](cells.ROOT / "data")) == 4


def test_only_one_cell_knows_whether_there_is_a_gpu(notebook):
    knowing = {cell.id for cell in cells.code_cells(notebook) if "cuda" in cell.source}
    assert knowing == {"device"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_everything_runs_on_the_gpu(notebook, small):
    run(notebook, small, "train", "reload", *AFTER_TRAINING)
    assert small["device"].type == "cuda"
