"""Records of runs that never took place, so that every number in them is known."""

import pytest

from tests import cells
from tests.study import recording, variants

EPOCHS = 6
X = {"threads": 1, "processor": "X", "python": "3.11", "torch": "2.15.0+x", "torchvision": "0.29"}


class MadeUpRecords:
    """Records for the notebook's training, empty at first; runs can be added."""

    def __init__(self, notebook):
        self.notebook = notebook
        recording.replace(cells.training_source(notebook), [])

    def run(self, name=variants.RECIPE, seed=0, last=9_950, **changed):
        """Return the row of a run whose last epoch has so many right answers."""
        correct = [9_000, 9_940, 9_945, 9_946, 9_947, last]
        row = {
            "variant": name,
            "trained": variants.variant(name).digest(self.notebook),
            "seed": seed,
            **X,
            "parameters": 12_345,
            "seconds": 12.0,
            "loss": [round(1 - right / 10_050, 5) for right in correct],
            "correct": correct,
            "unaveraged_loss": [0.05] * EPOCHS,
            "unaveraged_correct": [9_930] * EPOCHS,
        }
        return row | changed

    def add(self, name=variants.RECIPE, seed=0, last=9_950, **changed):
        """Record a run."""
        recording.append(recording.RUNS, self.run(name, seed, last, **changed))

    def add_seeds(self, name, ends, **changed):
        """Record a run for each of these numbers of right answers, with seeds 0, 1, 2, ..."""
        for seed, last in enumerate(ends):
            self.add(name, seed, last, **changed)


@pytest.fixture
def records(monkeypatch, tmp_path, notebook):
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    return MadeUpRecords(notebook)
