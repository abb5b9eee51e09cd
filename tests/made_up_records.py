"""Records of runs that never took place, so that every number in them is known."""

import recording

from stand_ins import PARAMETERS

EPOCHS = 6
CODE = "present code"
PUBLISHED = "an old version"  # the name of "old code"
MACHINE = {"threads": 1, "processor": "X", "python": "3.11", "torch": "2.15", "torchvision": "0.29"}


def run(study, name="full recipe", seed=0, **changed):
    """Return the row of a run of the variant with this name, as recording.append_run takes it."""
    row = {
        "study": study.name,
        "variant": name,
        "variant_hash": study.variant_hash(study.variant(name)),
        "seed": seed,
        "code": CODE,
        "parameters": PARAMETERS,
        "seconds": 12.0,
        **MACHINE,
    }
    return row | changed


def epochs(last=9_950, count=EPOCHS, unaveraged=None):
    """Return the rows of a run's first count epochs; last is how many answers of epoch 6 are right.

    The more right answers, the lower the loss. unaveraged is the number of right answers of
    the unaveraged network, after each epoch; without it, that network is not recorded.
    """
    rows = []
    for epoch in range(1, count + 1):
        if epoch == 1:
            correct = 9_000
        elif epoch == EPOCHS:
            correct = last
        else:
            correct = 9_944 + epoch  # no two alike
        row = {"epoch": epoch, "loss": round(1 - correct / 10_050, 5), "correct": correct}
        if unaveraged is None:
            row |= {"unaveraged_loss": "", "unaveraged_correct": ""}
        else:
            row |= {"unaveraged_loss": 0.05, "unaveraged_correct": unaveraged}
        rows.append(row)
    return rows


class MadeUpRecords:
    """An empty folder of records, which takes the place of the real one; runs can be added."""

    def __init__(self, folder):
        self.folder = folder
        codes = f"code,name\nolder code,an older version\nold code,{PUBLISHED}\n"
        (folder / "codes.csv").write_text(codes, encoding="utf-8")

    def add(self, study, name="full recipe", seed=0, last=9_950, unaveraged=None, **changed):
        """Record a run; see run and epochs."""
        recording.append_run(run(study, name, seed, **changed), epochs(last, EPOCHS, unaveraged))

    def add_seeds(self, study, name, ends, unaveraged=None, **changed):
        """Record a run for each of these numbers of right answers, with seeds 0, 1, 2, ..."""
        for seed, last in enumerate(ends):
            self.add(study, name, seed, last, unaveraged, **changed)
