"""Plans of the network: what their text says is what is built, counted and trained."""

from unittest import mock

import pytest
import torch
from torch import nn

from tests.study import plans, recording, report, search, study
from tests.tools import cells

PLANS = [plans.THIRD_VERSION, "8+p 16k1 12 20 16 20+p 28+ 20k1p"]


@pytest.mark.parametrize("plan", PLANS)
def test_the_network_of_a_plan_has_its_sizes_and_parameters(notebook, plan):
    edited = plans.with_plan(notebook, plan)
    network = cells.definitions(edited)["Net"]()
    convolutions = plans.parse(plan)
    assert plans.write(convolutions) == report.plan_of(edited) == plan
    assert sum(p.numel() for p in network.parameters()) == plans.parameters(convolutions)
    sides, output = [], torch.zeros(1, 1, 28, 28)
    for layer in network:
        output = layer(output)
        if isinstance(layer, nn.Conv2d):
            sides.append(output.shape[-1])
    assert sides == plans.sizes(convolutions)


def test_the_notebook_s_own_plan_gives_its_own_fingerprint(notebook):
    own = plans.with_plan(notebook, report.plan_of(notebook))
    assert cells.fingerprint(own) == cells.fingerprint(notebook)


def test_what_is_no_plan_is_refused():
    with pytest.raises(ValueError, match="'16x'"):
        plans.parse("8 16x")


def test_plans_are_drawn_with_exactly_as_many_parameters():
    drawn = search.draw(20)
    assert len(set(drawn)) == 20
    assert {plans.parameters(plans.parse(plan)) for plan in drawn} == {search.PARAMETERS}


def test_a_training_that_is_recorded_here_is_not_repeated(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    row = dict.fromkeys(search.PLAN_COLUMNS, 1) | {"plan": PLANS[0], "seed": 2, "epochs": 3}
    elsewhere = row | {"seed": 3} | search.conditions(1) | {"processor": "another"}
    rows = [row | search.conditions(1), elsewhere]
    recording.append_rows(tmp_path / "plans.csv", search.PLAN_COLUMNS, rows)
    assert search.missing(PLANS[:1], [2, 3], 3) == [(PLANS[0], 3, 3)]


def test_a_plan_is_tested_on_the_images_that_its_training_leaves_out(monkeypatch):
    evaluate = mock.Mock(return_value=(0.02, 9_950))
    names = {"evaluate": evaluate, "averaged_model": "averaged", "history": [{"seconds": 8.0}]}
    for kind in ("images", "labels"):
        names |= {f"train_{kind}": torch.arange(60_000), f"test_{kind}": "test set"}
    namespace, trained = mock.Mock(return_value=names), []
    monkeypatch.setattr(study, "namespace", namespace)
    monkeypatch.setattr(study, "run_silently", lambda _, names, cell: trained.append(dict(names)))
    row = search.train(PLANS[1], seed=1, epochs=3)
    assert namespace.call_args.args[1] == {"SEED": 1, "EPOCHS": 3}
    network, images, labels = evaluate.call_args.args
    assert network == "averaged"
    assert images.tolist() == labels.tolist() == list(range(44_000, 54_000))
    assert not set(trained[0]["train_images"].tolist()) & set(images.tolist())
    assert (row["loss"], row["correct"]) == ("0.02000", 9_950)
