"""Records of runs that never took place, so that every number in them is known."""

from tests.study import recording, variants

EPOCHS = 6
CODE = "present code"
MACHINE = {"threads": 1, "processor": "X", "python": "3.11", "torch": "2.15", "torchvision": "0.29"}


def trained(variant):
    """Return what stands for the fingerprint of what a variant trains."""
    return CODE if variant.recorded_as == variants.RECIPE else variant.name


def run(name=variants.RECIPE, seed=0, **changed):
    """Return the row of a run of the variant with this name, as recording.append_run takes it."""
    row = {
        "variant": name,
        "seed": seed,
        "code": CODE,
        "trained": trained(variants.variant(name)),
        "parameters": 12_345,
        "seconds": 12.0,
        **MACHINE,
    }
    return row | changed


def epochs(last=9_950, count=EPOCHS, unaveraged=9_930):
    """Return the rows of a run's first count epochs; last is how many answers of epoch 6 are right.

    The more right answers, the lower the loss. unaveraged is the number of right answers of
    the unaveraged network, after each epoch.
    """
    rows = []
    for epoch in range(1, count + 1):
        if epoch == 1:
            correct = 9_000
        elif epoch == EPOCHS:
            correct = last
        else:
            correct = 9_944 + epoch  # no two alike
        rows.append(
            {
                "epoch": epoch,
                "loss": round(1 - correct / 10_050, 5),
                "correct": correct,
                "unaveraged_loss": 0.05,
                "unaveraged_correct": unaveraged,
            }
        )
    return rows


class MadeUpRecords:
    """An empty folder of records, which takes the place of the real one; runs can be added."""

    def __init__(self, folder):
        self.folder = folder
        recording.append_rows(folder / "runs.csv", recording.RUN_COLUMNS, [])
        recording.append_rows(folder / "epochs.csv", recording.EPOCH_COLUMNS, [])

    def add(self, name=variants.RECIPE, seed=0, last=9_950, **changed):
        """Record a run; see run and epochs."""
        recording.append_run(run(name, seed, **changed), epochs(last))

    def add_seeds(self, name, ends, **changed):
        """Record a run for each of these numbers of right answers, with seeds 0, 1, 2, ..."""
        for seed, last in enumerate(ends):
            self.add(name, seed, last, **changed)
