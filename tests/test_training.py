"""Training is what the text says: augmentation, steps, average and evaluation by hand."""

import copy

import cells
import pytest
import torch
from torch import nn

# The recipe that the records judge: whoever changes it makes the records anew.
RECIPE = {
    **{"SEED": 0, "EPOCHS": 19, "BATCH_SIZE": 128, "LEARNING_RATE": 0.02, "MOMENTUM": 0.9},
    **{"AVERAGE_SHARE": 0.2, "DROPOUT": 0.01, "ROTATION": 8, "SHIFT": 2, "SCALE": 0.1},
    **{"DATA_FOLDER": "data", "DOWNLOAD_TIMEOUT": 15, "WEIGHTS_FILE": "mnist-seed-0.pt"},
    "DIGIT_FILE": "my-digit.png",
}
# For each epoch: training loss and accuracy, test loss, correct answers, seconds.
SCRIPT = [(0.5, 0.80, 0.0456, 9_939, 8.0), (0.2, 0.90, 0.0789, 9_940, 9.5)]


def test_the_settings_are_the_recipe_and_keep_the_assignment_s_rules(notebook):
    settings = {}
    cells.run(notebook, settings, "parameters")
    del settings["__builtins__"]
    assert settings == RECIPE
    assert 4 <= RECIPE["EPOCHS"] < 20 and RECIPE["BATCH_SIZE"] == 128 and RECIPE["DROPOUT"] > 0
    exec(cells.cell(notebook, "parameters").source.replace("= 0 ", "= 5 "), settings)
    assert settings["WEIGHTS_FILE"] == "mnist-seed-5.pt"


@pytest.mark.parametrize("rotation, shift, scale", [(40, 0, 0), (0, 3, 0.3), (9, 1, 0.2)])
def test_each_image_is_augmented_as_set_with_draws_of_its_own(names, rotation, shift, scale):
    """Each pixel of the images holds its own x or y: so it shows where it came from."""
    names |= {"ROTATION": rotation, "SHIFT": shift, "SCALE": scale}
    y, x = torch.meshgrid([torch.arange(-4.0, 5)] * 2, indexing="ij")
    images = torch.stack([number * (x, y)[number % 2] for number in range(1, 9)])
    torch.manual_seed(1)
    augmented = names["random_affine"](images[:, None])
    torch.manual_seed(1)
    for number, (turn, growth, right, down) in enumerate(2 * torch.rand(4, 8).T - 1, 1):
        angle, size = torch.deg2rad(rotation * turn), 1 + scale * growth
        from_x = (angle.cos() * x - angle.sin() * y) / size + shift * right
        from_y = (angle.sin() * x + angle.cos() * y) / size + shift * down
        expected = number * (from_x, from_y)[number % 2].clamp(-4, 4)
        torch.testing.assert_close(augmented[number - 1, 0], expected, atol=1e-4, rtol=0)
    assert names["random_affine"](images[:, None].to("meta")).is_meta  # the draws are there


@pytest.mark.parametrize("step", [0, 1, 30])
def test_the_average_is_the_one_computed_by_hand(names, step):
    """At the first step it is a copy; counters of batches stay as they are."""
    names["AVERAGE_SHARE"] = 0.5
    current = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    averaged = copy.deepcopy(current)
    current(torch.randn(8, 2))
    for parameter in current.parameters():
        parameter.data += 1
    expected, new = copy.deepcopy(averaged.state_dict()), current.state_dict()
    names["update_average"](averaged, current, step)
    assert new["1.num_batches_tracked"] == 1
    for key, value in averaged.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            expected[key] += (new[key] - expected[key]) / (1 + step / 2)
        torch.testing.assert_close(value, expected[key])


def recorder():
    """Return a network of one layer and its calls: images, training mode, gradients on."""
    model, calls = nn.Sequential(nn.Flatten(), nn.Linear(4, 10), nn.LogSoftmax(dim=1)), []
    model.register_forward_pre_hook(
        lambda model, given: calls.append((*given, model.training, torch.is_grad_enabled()))
    )
    return model, calls


def test_each_batch_makes_one_step_against_its_gradient_and_one_average(names, capsys):
    """The same steps are made by hand, and each image is seen once, in a new random order."""
    names["BATCH_SIZE"], names["random_affine"] = 15, lambda images: 2 * images
    images, labels = torch.rand(301, 1, 2, 2), torch.randint(10, (301,))
    images[:, 0, 0, 0] = torch.arange(301) / 301  # its number
    (model, calls), steps, seen = recorder(), [], []
    by_hand = copy.deepcopy(model[:])  # a slice does not note its calls

    def update_average(averaged, current, step):
        batch, training, _ = calls[len(steps)]
        numbers, output = (batch[:, 0, 0, 0] / 2 * 301).round().long(), by_hand(batch)
        assert training and torch.equal(batch, 2 * images[numbers])
        loss = -output[range(len(batch)), labels[numbers]].mean()
        slopes = torch.autograd.grad(loss, by_hand.parameters())
        for parameter, slope in zip(by_hand.parameters(), slopes):
            parameter.data -= 0.1 * slope
        assert averaged == "averaged" and current is model
        torch.testing.assert_close(current.state_dict(), by_hand.state_dict())
        steps.append(step)
        right = output.argmax(1) == labels[numbers]
        seen.append(torch.stack([numbers, loss.detach().expand(len(batch)), right]))

    names["update_average"] = update_average
    given = [model.eval(), "averaged", images, labels, torch.optim.SGD(model.parameters(), 0.1)]
    results = [names["train_one_epoch"](*given, epoch) for epoch in (3, 4)]
    assert steps == list(range(2 * 21, 4 * 21))
    assert [len(call[0]) for call in calls] == 2 * ([15] * 20 + [1])
    log, errors = capsys.readouterr()
    assert errors == "" and log.isascii() and log.count("\r") < 30
    orders, losses, right = torch.cat(seen, dim=1).view(3, 2, 301)
    assert (orders[0] == orders[1]).sum() < 20
    for i, (order, result) in enumerate(zip(orders, results)):
        assert torch.equal(order.sort().values, torch.arange(301.0))
        assert 60 < order.diff().abs().mean() < 140  # about a third of the range
        assert result == pytest.approx((losses[i].mean().item(), right[i].mean().item()))
        assert all(isinstance(each, float) for each in result)
        assert f"\rloss={losses[i, -1]:.4f} batch_id=20: 100%|##########| 21/21" in log
    names["update_average"] = lambda *_: None
    images[5] = float("inf")
    with pytest.raises(FloatingPointError, match="not finite: lower LEARNING_RATE[.]"):
        names["train_one_epoch"](*given, 1)


def test_evaluation_gives_each_image_once_unaltered_without_gradients(names):
    """Loss and count are computed by hand; the last batch is incomplete."""
    (model, calls), images = recorder(), torch.randn(2501, 1, 2, 2)
    output, labels = model[:](images), torch.arange(2501) % 10
    loss, correct = names["evaluate"](model, images, labels)
    assert torch.equal(torch.cat([call[0] for call in calls]), images)
    assert not any(training or gradients for _, training, gradients in calls)
    assert loss == pytest.approx(-output[range(2501), labels].mean().item(), abs=1e-6)
    assert correct == (output.argmax(1) == labels).sum() > 0
    assert isinstance(loss, float) and isinstance(correct, int)


def test_the_cell_trains_on_one_set_and_tests_the_average_on_the_other(perform, capsys):
    """With plain SGD as set. Tensors that are not the same cannot be compared by ==."""
    names = perform(SCRIPT, LEARNING_RATE=0.03, MOMENTUM=0.7)
    train = ["model", "averaged_model", "train_images", "train_labels", "optimizer"]
    train, test = [names[each] for each in train], [names["averaged_model"]]
    test += [names["test_images"], names["test_labels"]]
    assert names["calls"] == [(*train, 1), (*test,), (*train, 2), (*test,)]
    plain = torch.optim.SGD([nn.Parameter()], lr=0.03, momentum=0.7)
    plain.param_groups[0]["params"] = list(names["model"].parameters())
    assert names["optimizer"].param_groups == plain.param_groups
    assert type(names["optimizer"]) is torch.optim.SGD
    assert names["history"] == SCRIPT
    assert capsys.readouterr().out.split("\n", 2)[2] == (  # after the device's two lines
        "Epoch 1 of 2\nTest set: Average loss: 0.0456, Accuracy: 9939/10000 (99.39%)\n\n"
        "Epoch 2 of 2\nTest set: Average loss: 0.0789, Accuracy: 9940/10000 (99.40%)\n\n"
    )


def test_an_interruption_keeps_finished_epochs_and_hides_no_error(perform, capsys):
    """The averaged weights are saved after every epoch."""
    names = perform([*SCRIPT, KeyboardInterrupt(), SCRIPT[0]], WEIGHTS_FILE="a file.pt")
    assert names["history"] == SCRIPT
    assert capsys.readouterr().out.endswith("\nInterrupted: 2 finished epochs are kept.\n")
    saved, expected = torch.load("a file.pt"), names["averaged_model"].state_dict()
    assert saved["0.weight"].unique() == 2
    torch.testing.assert_close(saved, expected, atol=0, rtol=0)
    with pytest.raises(FloatingPointError):
        perform([FloatingPointError()])


def test_weights_start_from_the_seed_and_from_nothing_else(perform, notebook):
    torch.rand(99)
    names = perform([KeyboardInterrupt()], SEED=3)
    torch.manual_seed(3)
    expected, networks = names["Net"]().state_dict(), [names["model"], names["averaged_model"]]
    for network in networks:
        torch.testing.assert_close(network.state_dict(), expected, atol=0, rtol=0)
        weight = network[4].weight
        assert weight.stride() == weight.to(memory_format=torch.channels_last).stride()
    assert networks[0][4].weight.data_ptr() != networks[1][4].weight.data_ptr()
    names["device"] = "meta"
    cells.run(notebook, names, "train")
    assert names["model"][0].weight.is_meta and names["averaged_model"][0].weight.is_meta


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(notebook, mnist):
    results = []
    for seed in (0, 0, 1):
        names = cells.definitions(notebook, EPOCHS=1, SEED=seed, WEIGHTS_FILE="/dev/null")
        names["load_mnist"] = lambda *_: [values[:256] for values in mnist]
        names["device"] = "cpu"
        cells.run(notebook, names, "load-run", "train")
        results.append(names["history"][0][:4])
    assert results[0] == results[1] != results[2]
