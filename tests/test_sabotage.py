"""Deliberate damage to the notebook, and for each piece the test that must notice it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import cells
import nbformat
import pytest
from cells import Edit


@dataclass(frozen=True)
class Sabotage:
    """An edit of a cell, and the test that must fail after it, as pytest names it."""

    edit: Edit
    test: str


SABOTAGES = {
    "labels in another order than the images": Sabotage(
        Edit("train-one-epoch", "output, labels[indices]", "output, labels[: len(indices)]"),
        "test_training.py::test_each_step_goes_against_the_gradient_of_its_batch_with_momentum",
    ),
    "training on the test set": Sabotage(
        Edit("train", "train_images, train_labels, o", "test_images, test_labels, o"),
        "test_training_cell.py::"
        "test_each_epoch_trains_on_the_training_set_and_tests_both_networks_on_the_test_set",
    ),
    "the two networks swapped": Sabotage(
        Edit("train", "*unaveraged, *averaged", "*averaged, *unaveraged"),
        "test_training_cell.py::test_every_measurement_is_kept_under_its_name",
    ),
    "the file is not evaluated": Sabotage(
        Edit("reload", "evaluate(trained_model, test_images, test_labels)", "history[-1][4:6]"),
        "test_reload.py::test_it_is_evaluated_on_the_test_set",
    ),
    "the best epoch instead of the last": Sabotage(
        Edit("requirements", "loaded_correct", "max(r.test_correct for r in history)"),
        "test_gate.py::test_the_result_is_the_last_epoch_and_not_the_best",
    ),
    "the best epoch instead of the last, by another cell": Sabotage(
        Edit(
            "gap",
            "last = history[-1]",
            "last = history[-1]\nloaded_correct = max(result.test_correct for result in history)",
        ),
        "test_configuration.py::test_what_the_gate_judges_is_set_in_one_cell_alone",
    ),
    "an epoch that is forgotten because the test images say so": Sabotage(
        Edit(
            "train",
            "        history.append(result)\n",
            "        if history and result.test_loss > history[-1].test_loss:\n"
            "            result = history[-1]\n"
            "        history.append(result)\n",
        ),
        "test_training_cell.py::test_every_measurement_is_kept_under_its_name",
    ),
    "a rate that the test images lower": Sabotage(
        Edit(
            "train",
            "        history.append(result)\n",
            "        if history and result.test_loss > history[-1].test_loss:\n"
            "            optimizer.param_groups[0]['lr'] /= 2\n"
            "        history.append(result)\n",
        ),
        "test_training_cell.py::"
        "test_the_optimizer_is_sgd_with_rate_and_momentum_as_set_and_nothing_else",
    ),
    "a gate that stops nothing": Sabotage(
        Edit("gate", "if missed:", "if missed != missed:"),
        "test_gate.py::test_a_single_requirement_that_is_missed_stops_the_run",
    ),
    "a gate that nbval skips": Sabotage(
        Edit("gate", "missed = []", "# NBVAL_SKIP\nmissed = []"),
        "test_configuration.py::test_cells_have_no_comments_for_nbval",
    ),
    "a figure that wants the graphics processor's memory": Sabotage(
        Edit("digits", "train_images[:10].cpu()", "train_images[:10]"),
        "test_gpu.py::test_every_cell_runs_with_its_tensors_on_the_device",
    ),
}
# Runs one test after the other, each with a broken notebook in the repository's place.
RUN = """
import json, pathlib, sys
import cells, pytest
exit_codes = {}
for name, notebook, test in json.load(sys.stdin):
    cells.NOTEBOOK = pathlib.Path(notebook)
    exit_codes[name] = int(pytest.main([test, "-q", "-p", "no:cacheprovider"]))
pathlib.Path(sys.argv[1]).write_text(json.dumps(exit_codes), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def exit_codes(notebook, tmp_path_factory):
    """What pytest returns for each sabotage, by its name; all run in one process of its own."""
    folder = tmp_path_factory.mktemp("sabotage")
    plan = []
    for name, sabotage in SABOTAGES.items():
        broken = folder / f"{name}.ipynb"
        text = nbformat.writes(cells.edited(notebook, [sabotage.edit]))
        broken.write_text(text, encoding="utf-8")
        plan.append([name, str(broken), str(cells.ROOT / "tests" / sabotage.test)])
    subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "exit codes")],
        input=json.dumps(plan),
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(cells.ROOT / "tests" / "tools")},
        cwd=cells.ROOT,
        capture_output=True,
        check=True,
    )
    return json.loads((folder / "exit codes").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_noticed(exit_codes, name):
    assert exit_codes[name] == pytest.ExitCode.TESTS_FAILED
