"""Broken copies of the notebook, and for each the test that must say no."""

from pathlib import Path

import cells
import nbformat
import pytest

# Cell, old text, new text, and the test that must fail: its file and the end of its name.
TABLE = """
load | dataset.targets.to( | dataset.targets.roll(1).to( | data device_are_obeyed
ensure-files | (folder) - bad_files(source) | (folder) | data intact_ones_are_kept
parameters | DROPOUT = 0.01 | DROPOUT = 0.00 | training the_assignment_s_rules
train-one-epoch | output, labels[batch] | output, labels[: len(batch)] | \
training its_gradient_and_one_average
average | SHARE * step | SHARE * step + 1 | training computed_by_hand
evaluate | model.eval() | model.train() | training each_image_once_unaltered
evaluate | model(batch) | model(random_affine(batch)) | training each_image_once_unaltered
evaluate | correct.item() | 9_955 | training each_image_once_unaltered
train | train_images, train_labels, o | test_images, test_labels, o | \
training the_average_on_the_other
train | evaluate(averaged_model, | evaluate(model, | training the_average_on_the_other
reload | evaluate(trained_model, test_images, test_labels) | history[-1][2:4] | \
gate loss_and_count_of_the_last_epoch
check | loaded_correct, | max(test_correct), | gate each_and_not_the_best
check | last epoch", loaded_correct, "at least", 9_940 | \
last epoch", loaded_correct, "at least", 9_930 | gate 9940_correct_pass_and_9939_do_not
gate | assert not missed | missed == missed | gate 9940_correct_pass_and_9939_do_not
gate | rules = | # NBVAL_SKIP⏎rules = | configuration no_cell_carries_a_switch
"""
ROWS = [line.split(" | ") for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("cell, old, new, test", ROWS)
def test_sabotage_is_caught(notebook, monkeypatch, tmp_path, cell, old, new, test):
    file, name = test.split()
    path = Path(__file__).with_name(f"test_{file}.py")
    broken = tmp_path / "broken.ipynb"
    nbformat.write(cells.edited(notebook, cell, old, new.replace("⏎", "\n")), broken)
    run = [path, "-q", "-p", "no:cacheprovider", "-k", name]
    monkeypatch.setattr(cells, "NOTEBOOK", broken)
    assert pytest.main([*map(str, run)]) == pytest.ExitCode.TESTS_FAILED
