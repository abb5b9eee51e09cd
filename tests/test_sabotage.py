"""Broken copies of the notebook, and for each the test that must say no."""

from copy import deepcopy
from pathlib import Path

import cells
import pytest

# Cell, old text, new text, and the test that must fail: its file and a part of its name.
TABLE = """
load | dataset.targets.to( | dataset.targets.roll(1).to( | data device_are_obeyed
train-one-epoch | output, labels[batch] | output, labels[: len(batch)] | training each_batch
train | train_images, train_labels, o | test_images, test_labels, o | training on_the_other
train | evaluate(averaged_model, | evaluate(model, | training on_the_other
reload | evaluate(trained_model, test_images, test_labels) | history[-1][2:4] | gate the_file
check | loaded_correct, | max(test_correct), | gate 9940_correct
gate | assert not missed | missed == missed | gate 9940_correct
gate | rules = | # NBVAL_SKIP⏎rules = | configuration no_cell_carries_a_switch
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_sabotage_is_caught(notebook, monkeypatch, row):
    identifier, old, new, test = row.replace("⏎", "\n").split(" | ")
    broken, (file, name) = deepcopy(notebook), test.split()
    target = cells.cell(broken, identifier)
    assert target.source.count(old) == 1  # a missed edit would prove nothing
    target.source = target.source.replace(old, new)
    monkeypatch.setattr(cells, "read", lambda: broken)
    path = Path(__file__).with_name(f"test_{file}.py")
    run = pytest.main([str(path), "-q", "-p", "no:cacheprovider", "-k", name])
    assert run == pytest.ExitCode.TESTS_FAILED
