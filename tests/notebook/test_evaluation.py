"""Evaluation: the images as they are, the network as it is used, loss and count by hand."""

import pytest
import torch
from torch import nn

NUMBER_OF_IMAGES = 2_501  # the last batch is not a full one


class Notes(nn.Module):
    """Passes on what it is given, and notes it, and in which mode it was given."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.in_training_mode = []
        self.with_gradients = []

    def forward(self, images):
        self.batches.append(images)
        self.in_training_mode.append(self.training)
        self.with_gradients.append(torch.is_grad_enabled())
        return images


@pytest.fixture
def model():
    return nn.Sequential(Notes(), nn.Flatten(), nn.Linear(4, 10), nn.LogSoftmax(dim=1))


@pytest.fixture
def images():
    return torch.randn(NUMBER_OF_IMAGES, 1, 2, 2)


@pytest.fixture
def labels():
    return torch.arange(NUMBER_OF_IMAGES) % 10


def test_a_network_that_does_not_train_gets_each_image_once_and_a_thousand_at_a_time(
    names, model, images, labels
):
    model.train()
    names["evaluate"](model, images, labels)
    notes = model[0]
    assert torch.equal(torch.cat(notes.batches), images)
    assert max(len(batch) for batch in notes.batches) <= 1000
    assert not any(notes.in_training_mode)
    assert not any(notes.with_gradients)


def test_loss_and_right_answers_are_those_computed_by_hand(names, model, images, labels):
    output = model(images)
    expected_loss = -output[range(NUMBER_OF_IMAGES), labels].mean().item()
    expected_correct = (output.argmax(dim=1) == labels).sum().item()
    loss, correct = names["evaluate"](model, images, labels)
    assert loss == pytest.approx(expected_loss, abs=1e-6)
    assert correct == expected_correct > 0
    assert isinstance(loss, float) and isinstance(correct, int)
