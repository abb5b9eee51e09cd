"""The gate: the cells that pass judgement on a run are tried on runs made up for the purpose."""

import ast
import re
from collections import Counter

import cells
import pytest
import renew
import torch

GOOD = [9800] * 14 + [9945] * 5


def judge(notebook, correct, loaded=None, parameters=15_938, labels=10_000, **parts):
    """Run the gate's cell on a made-up run; raises AssertionError where a requirement is missed."""
    count = {"Conv2d": 8, "BatchNorm2d": 8, "Dropout2d": 8, "MaxPool2d": 3}
    count |= {"AdaptiveAvgPool2d": 1, "Linear": 1} | parts
    history = [{"test_correct": number} for number in correct]
    namespace = {
        "history": history,
        "loaded_correct": correct[-1] if loaded is None else loaded,
        "test_labels": torch.zeros(labels),
        "parameters": parameters,
        "count": Counter(count),
    }
    cells.run(notebook, namespace, "check")


def refuse(notebook, *arguments, **keywords):
    with pytest.raises(AssertionError, match="Not met: "):
        judge(notebook, *arguments, **keywords)


def test_a_run_that_meets_everything_passes(notebook):
    judge(notebook, GOOD)


def test_9940_correct_pass_and_9939_do_not(notebook):
    judge(notebook, GOOD, loaded=9_940)
    refuse(notebook, GOOD, loaded=9_939)


def test_the_last_epoch_counts_and_not_the_best(notebook):
    refuse(notebook, [9_960] * 18 + [9_930])


@pytest.mark.parametrize("epoch", [-4, -3, -2, -1])
def test_each_of_the_last_four_epochs_must_be_above(notebook, epoch):
    correct = GOOD.copy()
    correct[epoch] = 9_940
    refuse(notebook, correct, loaded=9_945)
    correct[epoch] = 9_941
    judge(notebook, correct, loaded=9_945)


def test_fewer_than_four_epochs_cannot_show_four_good_ones(notebook):
    refuse(notebook, [9_950] * 3)


def test_limits_of_epochs_and_parameters(notebook):
    refuse(notebook, [9_945] * 20)
    judge(notebook, GOOD, parameters=19_999)
    refuse(notebook, GOOD, parameters=20_000)


def test_a_part_of_the_test_set_is_not_the_test_set(notebook):
    refuse(notebook, GOOD, labels=9_999)


@pytest.mark.parametrize(
    "part", ["Conv2d", "BatchNorm2d", "Dropout2d", "MaxPool2d", "AdaptiveAvgPool2d", "Linear"]
)
def test_every_part_must_be_there_in_its_number(notebook, part):
    for wrong in (0, 2, 9):
        refuse(notebook, GOOD, **{part: wrong})


def reload(notebook, names, monkeypatch, folder, measured):
    """Run the cell that loads the weights; evaluate is made to count `measured` right answers."""
    monkeypatch.chdir(folder)
    torch.save(names["Net"]().state_dict(), names["WEIGHTS_FILE"])
    names |= {"device": "cpu", "test_images": None, "test_labels": range(10_000)}
    names |= {"history": [{"test_correct": 9_945}], "evaluate": lambda *_: (0.01, measured)}
    cells.run(notebook, names, "reload")
    return names["loaded_correct"]


def test_the_saved_network_must_repeat_the_last_epoch(notebook, names, monkeypatch, tmp_path):
    assert reload(notebook, names, monkeypatch, tmp_path, 9_945) == 9_945
    with pytest.raises(AssertionError):
        reload(notebook, names, monkeypatch, tmp_path, 9_944)


def calls(source, function):
    """Return the arguments of every call of function in source, as text."""
    return [
        [ast.unparse(argument) for argument in node.args]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    ]


def test_training_sees_the_training_set_and_evaluation_the_test_set(notebook):
    source = cells.cell(notebook, "train").source
    ((_, _, images, labels, *_),) = calls(source, "train_one_epoch")
    assert (images, labels) == ("train_images", "train_labels")
    for identifier in ("train", "reload"):
        ((_, images, labels),) = calls(cells.cell(notebook, identifier).source, "evaluate")
        assert (images, labels) == ("test_images", "test_labels")


def test_nothing_changes_what_was_loaded_or_measured(notebook):
    """The tensors, the history and the count of right answers are each assigned in one cell."""
    tensors = ["train_images", "train_labels", "test_images", "test_labels"]
    owners = dict.fromkeys(tensors, "load-run")
    owners |= {"history": "train", "loaded_correct": "reload", "parameters": "structure"}
    owners |= {"count": "structure", "evaluate": "evaluate", "train_one_epoch": "train-one-epoch"}
    for code in cells.code_cells(notebook):
        for node in ast.walk(ast.parse(code.source)):
            if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
                if not isinstance(node.ctx, ast.Store):
                    continue
                name = ast.unparse(node).split("[")[0].split(".")[0]
            elif isinstance(node, ast.FunctionDef):
                name = node.name
            else:
                continue
            assert owners.get(name, code.id) == code.id, f"{name} is set in cell {code.id}"


def test_the_saved_outputs_agree_with_one_another(notebook):
    """Log, reloaded weights, the gate's table and the mistakes tell of one and the same run."""
    printed = renew.printed(notebook)
    correct = [int(number) for number in re.findall(r"Accuracy: (\d+)/10000", printed["train"])]
    percent = re.findall(r"\(([\d.]+)%\)", printed["train"])
    assert percent == [f"{number / 100:.2f}" for number in correct]
    assert re.findall(r"\b469/469\b", printed["train"]) == ["469/469"] * len(correct)
    assert f"{correct[-1]} of 10000 correct" in printed["reload"]
    table = printed["check"].replace(",", "")
    assert re.search(rf"Correct last epoch +at least 9940 +{correct[-1]} +met", table)
    assert re.search(rf"Correct worst of last four +above 9940 +{min(correct[-4:])} +met", table)
    assert "NOT MET" not in table
    first = next(epoch for epoch, number in enumerate(correct, start=1) if number >= 9_940)
    assert f"first reached in epoch: {first}\n" in printed["time"]
    assert f"last epoch: {correct[-1] / 100:.2f} %\n" in printed["time"]
    assert f"{10_000 - correct[-1]} mistakes in all" in printed["confusions"]


def test_the_saved_summary_is_the_network_s(notebook, names, capsys):
    cells.run(notebook, names, "summary")
    assert capsys.readouterr().out.strip() == renew.printed(notebook)["summary"].strip()
