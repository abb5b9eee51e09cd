"""What goes wrong at desks: cells run twice, odd folders, full disks, silent servers."""

import copy
import socket
from contextlib import nullcontext
from pathlib import Path
from threading import Timer

import cells
import pytest
import torch

from test_data import contents, write


@pytest.fixture
def small(notebook, mnist, monkeypatch, tmp_path, shown):
    """The names before training, in an odd folder, with 40 images of each set."""
    monkeypatch.chdir(write(tmp_path / "Übung 3 b", {}))
    names = cells.definitions(notebook, EPOCHS=4)
    names["load_mnist"] = lambda folder, device: [each[:40].to(device) for each in mnist]
    cells.run(notebook, names, "device", "load-run")
    return names


def state(names):
    """Return copies of data, history and judged network, as far as they are there."""
    network = names["trained_model"].state_dict() if "trained_model" in names else {}
    data = {key: names[key] for key in names if key.endswith(("_images", "_labels"))}
    history = torch.tensor(names.get("history", []))
    return copy.deepcopy(data | network | {"history": history})


def test_every_cell_runs_twice_and_changes_nothing_loaded_or_measured(notebook, small):
    functions = {name: value for name, value in small.items() if callable(value)}
    order = [each.id for each in cells.code_cells(notebook) if each.id not in cells.DEFINITIONS]
    for identifier in order * 2:
        before = state(small)
        stop = pytest.raises(AssertionError, match="Not met: test images, correct")
        with stop if identifier == "gate" else nullcontext():
            cells.run(notebook, small, identifier)
        after = state(small)
        for key in before.keys() - ({"history"} if identifier == "train" else set()):
            assert torch.equal(before[key], after[key]), f"{identifier} changes {key}"
    assert len(small["history"]) == 4 and small | functions == small


def test_a_full_disk_and_a_stop_leave_nothing_behind(fake, tmp_path, capsys):
    fake.sources(OSError(28, "No space left on device"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fake.names["ensure_files"](tmp_path)
    assert contents(tmp_path) == {} and "No space left" in capsys.readouterr().out


def test_folders_that_cannot_be_written_are_read(fake, tmp_path, monkeypatch):
    fake.sources(fake.files, fake.files)
    write(tmp_path, {"data": b"a file where the folder should be"})
    with pytest.raises(RuntimeError, match="Put good copies into"):
        fake.names["load_mnist"](tmp_path / "data")
    write(tmp_path / "MNIST" / "raw", fake.files)
    for function in ("mkdir", "replace", "write_bytes"):
        monkeypatch.setattr(Path, function, lambda *_, **__: pytest.fail("writes"))
    assert len(fake.names["load_mnist"](tmp_path)) == 4


def test_a_silent_mirror_is_left_after_the_time_out(notebook, tmp_path, monkeypatch):
    names = cells.definitions(notebook, DOWNLOAD_TIMEOUT=0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr(names["datasets"].MNIST, "mirrors", [address])
        Timer(9, server.close).start()  # else it would never end without a time-out
        with pytest.raises(OSError, match="timed out"):
            names["download_from_mirrors"](tmp_path)
    assert socket.getdefaulttimeout() is None
