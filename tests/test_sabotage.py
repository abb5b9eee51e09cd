"""Broken copies of the notebook, and for each the check that must turn red.

A row of the table names what was broken, how, the check that must catch it, and what its message
must say. A check is another test of this folder, called on the broken copy, or `short_run`: the
broken copy's own cells from training to gate, with 30 steps an epoch for 6 epochs on images that
are easy on purpose. On them the unbroken notebook passes its own gate in seconds (the first test).
"""

import copy
import inspect

import cells
import pytest
import renew
import test_data
import test_gate
import test_network
import test_notebook
import test_readme
import test_training


def easy_digits(mnist):
    """Return MNIST's labels, each with the image of the first training digit of its kind."""
    images, labels = mnist[:2]
    firsts = images[[labels.tolist().index(digit) for digit in range(10)]]
    return [firsts[mnist[1]], mnist[1], firsts[mnist[3]], mnist[3]]


def short_run(notebook, mnist, monkeypatch, tmp_path):
    """Run the notebook's cells from its data to its gate, with short epochs on easy images."""
    monkeypatch.chdir(tmp_path)
    notebook = cells.edited(notebook, [(".split(BATCH_SIZE)", ".split(BATCH_SIZE)[:30]")])
    names = cells.definitions(notebook)
    names["EPOCHS"] = min(names["EPOCHS"], 6)
    names["load_mnist"] = lambda *_: easy_digits(mnist)
    cells.run(notebook, names, "device", "load-run", "structure", "train", "reload", "check")


def load_and_check(notebook):
    """Load MNIST with the notebook's own load_mnist and check what came."""
    mnist = cells.definitions(notebook)["load_mnist"](cells.ROOT / "data")
    test_data.test_what_is_loaded_is_all_of_mnist_normalised_with_the_training_images(mnist)


def check_edited_readme(notebook, monkeypatch):
    """Check a README in which one number was changed."""
    accuracy = renew.figures(renew.printed(notebook))["accuracy"]
    monkeypatch.setattr(test_readme, "TEXT", test_readme.TEXT.replace(accuracy, "99.99"))
    test_readme.test_its_numbers_are_those_of_the_saved_run(notebook)


def edit(*edits):
    """Return a breakage that replaces texts in the code."""
    return lambda notebook: cells.edited(notebook, edits)


def edit_output(identifier, old, new):
    """Return a breakage that replaces a text in the saved output of a cell."""

    def breakage(notebook):
        notebook = copy.deepcopy(notebook)
        (output,) = cells.cell(notebook, identifier).outputs
        assert old in output.text
        output.text = output.text.replace(old, new)
        return notebook

    return breakage


def swap_execution_counts(notebook):
    notebook = copy.deepcopy(notebook)
    first, second = cells.code_cells(notebook)[3:5]
    first.execution_count, second.execution_count = second.execution_count, first.execution_count
    return notebook


def clear_output(notebook):
    notebook = copy.deepcopy(notebook)
    cells.cell(notebook, "train").outputs = []
    return notebook


def change_last_accuracy(notebook):
    line = renew.printed(notebook)["train"].strip().splitlines()[-1]
    return edit_output("train", line, line.replace("Accuracy: 99", "Accuracy: 98"))(notebook)


NORM = "        nn.BatchNorm2d(out_channels),\n"
DROPOUT = "        nn.Dropout2d(DROPOUT),\n"
POOLING = "            nn.AdaptiveAvgPool2d(1),"
TRAINING = "model, averaged_model, train_images, train_labels"
STRUCTURE = test_network.test_it_has_the_layers_that_the_assignment_counts
ORDER = test_network.test_batch_norm_relu_and_dropout_follow_every_convolution
CONSISTENT = test_gate.test_the_saved_outputs_agree_with_one_another
SABOTAGE = {
    "learning rate 0": (
        edit(("optimizer.step()", "optimizer.param_groups[0]['lr'] = 0; optimizer.step()")),
        short_run,
        "Not met: Correct, last epoch",
    ),
    "one epoch": (edit(("EPOCHS = 19 ", "EPOCHS = 1 ")), short_run, "worst of last four"),
    "labels shuffled": (
        edit(
            (
                "F.nll_loss(output, labels[batch])",
                "F.nll_loss(output, labels[torch.randint(60_000, (len(batch),))])",
            )
        ),
        short_run,
        "Not met: Correct, last epoch",
    ),
    "test labels shifted by one": (
        edit(
            (
                "load_mnist(DATA_FOLDER, device)",
                "load_mnist(DATA_FOLDER, device)\ntest_labels = (test_labels + 1) % 10",
            )
        ),
        short_run,
        "Not met: Correct, last epoch",
    ),
    "test labels shifted by one while loading": (
        edit(("dataset.targets.to(device)", "dataset.targets.roll(1).to(device)")),
        load_and_check,
        None,
    ),
    "training on the test images": (
        edit((TRAINING, "model, averaged_model, test_images, test_labels")),
        test_gate.test_training_sees_the_training_set_and_evaluation_the_test_set,
        "test_images",
    ),
    "training set replaced by the test set": (
        edit(
            (
                "steps_per_epoch = math",
                "train_images, train_labels = test_images, test_labels\nsteps_per_epoch = math",
            )
        ),
        test_gate.test_nothing_changes_what_was_loaded_or_measured,
        "train_images is set in cell train",
    ),
    "evaluating in training mode": (
        edit(("    model.eval()", "    model.train()")),
        test_training.test_evaluate_switches_dropout_off_and_leaves_batch_norm_alone,
        None,
    ),
    "batch normalisation removed": (edit((NORM, "")), ORDER, "BatchNorm2d"),
    "batch normalisation removed, its parameters kept": (
        edit((NORM, "        nn.GroupNorm(1, out_channels),\n")),
        ORDER,
        "BatchNorm2d",
    ),
    "dropout removed": (edit((DROPOUT, "")), ORDER, "Dropout2d"),
    "dropout without effect": (edit(("DROPOUT = 0.02", "DROPOUT = 0.00")), ORDER, "all"),
    "global average pooling removed": (
        edit((POOLING, "            #"), ("nn.Linear(24, 10)", "nn.Linear(96, 10)")),
        STRUCTURE,
        None,
    ),
    "a fourth max pooling": (
        edit(("*block(16, 12),", "*block(16, 12, padding=1, pool=True),")),
        STRUCTURE,
        None,
    ),
    "a ninth convolution": (
        edit((POOLING, "            *block(24, 24, padding=1), nn.AdaptiveAvgPool2d(1),")),
        STRUCTURE,
        None,
    ),
    "20,000 parameters or more": (
        edit(
            ("*block(20, 12, padding", "*block(20, 32, padding"),
            ("*block(12, 24,", "*block(32, 24,"),
        ),
        test_network.test_it_has_exactly_15938_trainable_parameters,
        "15938",
    ),
    "20 epochs": (
        edit(("EPOCHS = 19 ", "EPOCHS = 20 ")),
        test_training.test_the_settings_keep_the_assignment_s_rules,
        "20",
    ),
    "accuracy hard-coded in evaluate": (
        edit(("correct += (output.argmax(dim=1) == label_batch).sum().item()", "correct = 9955")),
        test_training.test_evaluate_against_a_case_computed_by_hand,
        "9955",
    ),
    "accuracy hard-coded after loading": (
        edit(
            (
                "assert loaded_correct == history",
                "loaded_correct = history[-1]['test_correct']\nassert loaded_correct == history",
            )
        ),
        test_gate.test_the_saved_network_must_repeat_the_last_epoch,
        None,
    ),
    "assert weakened to 99.3 %": (
        edit(("loaded_correct >= 9_940", "loaded_correct >= 9_930")),
        test_gate.test_9940_correct_pass_and_9939_do_not,
        "DID NOT RAISE",
    ),
    "best epoch instead of the last": (
        edit(
            (
                "loaded_correct >= 9_940",
                "max(row['test_correct'] for row in history) >= 9_940",
            )
        ),
        test_gate.test_9940_correct_pass_and_9939_do_not,
        "DID NOT RAISE",
    ),
    "assert removed": (
        edit(("assert not missed", "missed == missed")),
        test_gate.test_9940_correct_pass_and_9939_do_not,
        None,
    ),
    "saved summary edited": (
        edit_output("summary", "Total params: 15,938", "Total params: 15,939"),
        test_gate.test_the_saved_summary_is_the_network_s,
        "15,93",
    ),
    "saved accuracy edited": (change_last_accuracy, CONSISTENT, None),
    "saved gate table edited": (edit_output("check", "met", "MET"), CONSISTENT, None),
    "README number edited": (lambda notebook: notebook, check_edited_readme, "renew.py --readme"),
    "a cell executed out of order": (
        swap_execution_counts,
        test_notebook.test_every_cell_was_run_once_in_order,
        None,
    ),
    "an output cleared": (
        clear_output,
        test_notebook.test_progress_bars_are_folded_into_one_line_per_epoch,
        None,
    ),
}
CHECKS = {row[1]: None for row in SABOTAGE.values() if row[1] is not check_edited_readme}


def call(check, notebook, request):
    """Call check with what its parameters ask for, taken from the broken copy where it matters."""
    names = cells.definitions(notebook)
    arguments = {"notebook": notebook, "names": names}
    for name in inspect.signature(check).parameters:
        if name == "network":
            arguments["network"] = names["Net"]()
        elif name not in arguments:
            arguments[name] = request.getfixturevalue(name)
    return check(**{name: arguments[name] for name in inspect.signature(check).parameters})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_check_passes_on_the_notebook_itself(notebook, request, check):
    call(check, notebook, request)


@pytest.mark.parametrize("what", SABOTAGE)
def test_sabotage_is_caught(what, notebook, request):
    breakage, check, reason = SABOTAGE[what]
    broken = breakage(notebook)
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception), match=reason):
        call(check, broken, request)
