"""Augmentation, training and evaluation, each on cases small enough to check by hand."""

import cells
import pytest
import torch
from torch import nn


class Constant(nn.Module):
    """Answers every image with the same log-probabilities."""

    def __init__(self, probabilities):
        super().__init__()
        self.output = torch.tensor(probabilities).log()

    def forward(self, images):
        return self.output.expand(len(images), -1)


def test_augmentation_keeps_shape_and_type(names):
    images = torch.randn(7, 1, 28, 28)
    augmented = names["random_affine"](images)
    assert augmented.shape == images.shape and augmented.dtype == images.dtype


def test_augmentation_without_strength_is_the_identity(names):
    images = torch.randn(7, 1, 28, 28)
    augmented = names["random_affine"](images, rotation=0, shift=0, scale=0, shear=0)
    torch.testing.assert_close(augmented, images, atol=1e-4, rtol=0)


def test_augmentation_differs_from_image_to_image(names, mnist):
    images = mnist[0][:1].expand(16, -1, -1, -1)
    augmented = names["random_affine"](images)
    for first in range(16):
        for second in range(first):
            assert not torch.allclose(augmented[first], augmented[second], atol=0.1)


@pytest.mark.parametrize(
    "strength",
    [{"rotation": 8}, {"shift": 2}, {"scale": 0.1}, {"shear": 0.15}],
    ids=lambda strength: next(iter(strength)),
)
def test_each_kind_of_augmentation_changes_the_image(names, mnist, strength):
    images = mnist[0][:16]
    zero = {"rotation": 0, "shift": 0, "scale": 0, "shear": 0}
    augmented = names["random_affine"](images, **(zero | strength))
    assert (augmented - images).abs().amax(dim=(1, 2, 3)).median() > 0.5


def test_augmentation_keeps_the_digit(names, mnist):
    """Ink is neither lost nor added, but for the change of size, and stays near where it was."""
    images = mnist[0][:500] - mnist[0].min()
    augmented = names["random_affine"](images)
    ratio = augmented.sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert ratio.min() > 0.75 and ratio.max() < 1.3
    positions = torch.arange(28.0)
    for axis in (2, 3):
        centres = [
            (batch.sum(dim=(1, 5 - axis)) * positions).sum(dim=1) / batch.sum(dim=(1, 2, 3))
            for batch in (images, augmented)
        ]
        assert (centres[0] - centres[1]).abs().max() < 3.5


def test_shift_moves_by_at_most_its_pixels(names):
    images = torch.zeros(1000, 1, 28, 28)
    images[:, 0, 14, 14] = 1
    moved = names["random_affine"](images, rotation=0, shift=2, scale=0, shear=0)[:, 0]
    columns = (moved.sum(dim=1) * torch.arange(28.0)).sum(dim=1)
    assert columns.min() == pytest.approx(12, abs=0.1) and columns.max() == pytest.approx(
        16, abs=0.1
    )


def test_evaluate_against_a_case_computed_by_hand(names):
    """Of three images, the two with label 1 are right: loss -(ln 0.5 + ln 0.5 + ln 0.25) / 3."""
    model = Constant([0.25, 0.5, 0.25])
    loss, correct = names["evaluate"](model, torch.zeros(3, 1, 28, 28), torch.tensor([1, 1, 0]))
    assert correct == 2
    assert loss == pytest.approx((2 * 0.693147 + 1.386294) / 3, abs=1e-6)


def test_evaluate_weighs_an_incomplete_last_batch_rightly(names):
    labels = torch.cat([torch.zeros(1000, dtype=torch.long), torch.ones(1, dtype=torch.long)])
    loss, correct = names["evaluate"](
        Constant([0.5, 0.25, 0.25]), torch.zeros(1001, 1, 28, 28), labels
    )
    assert correct == 1000
    assert loss == pytest.approx((1000 * 0.693147 + 1.386294) / 1001, abs=1e-6)


def test_evaluate_switches_dropout_off_and_leaves_batch_norm_alone(names):
    network = names["Net"]().train()
    images, labels = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert names["evaluate"](network, images, labels) == names["evaluate"](network, images, labels)
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def short_run(names, images, labels, epochs=2):
    steps = -(-len(images) // names["BATCH_SIZE"])
    parts = names["prepare_training"](steps)
    figures = [
        names["train_one_epoch"](*parts[:2], images, labels, *parts[2:]) for _ in range(epochs)
    ]
    return figures, parts


def test_the_same_seed_gives_the_same_numbers_to_the_last_digit(mnist):
    results = []
    for _ in range(2):
        names = cells.definitions(EPOCHS=2)
        figures, (model, averaged_model, *_) = short_run(names, mnist[0][:1000], mnist[1][:1000])
        results.append((figures, model.state_dict(), averaged_model.state_dict()))
    assert results[0][0] == results[1][0]
    for first, second in zip(results[0][1:], results[1][1:]):
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_numbers(mnist):
    figures = [
        short_run(cells.definitions(EPOCHS=1, SEED=seed), mnist[0][:500], mnist[1][:500], epochs=1)[
            0
        ]
        for seed in (0, 1)
    ]
    assert figures[0] != figures[1]


def test_the_learning_rate_rises_from_its_start_to_its_peak_and_falls(names, mnist):
    _, _, optimizer, scheduler = names["prepare_training"](10)
    rates = []
    for _ in range(10 * names["EPOCHS"]):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    peak = rates.index(max(rates))
    assert rates[0] == pytest.approx(names["LEARNING_RATE"])
    assert max(rates) == pytest.approx(names["PEAK_LEARNING_RATE"], rel=1e-3)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.01 * names["LEARNING_RATE"]


def test_a_loss_that_is_not_a_number_stops_training_with_a_sentence(names, mnist):
    images = mnist[0][:256].clone()
    images[5] = float("nan")
    with pytest.raises(FloatingPointError, match="Lower PEAK_LEARNING_RATE"):
        short_run(names, images, mnist[1][:256], epochs=1)


def test_the_settings_keep_the_assignment_s_rules(names):
    assert 4 <= names["EPOCHS"] < 20
    assert names["BATCH_SIZE"] == 128
    assert names["LEARNING_RATE"] == 0.01
    assert 0 < names["DROPOUT"] < 1
