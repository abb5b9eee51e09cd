"""One epoch of training: the same steps, losses and averages are computed by hand."""

import copy
from unittest.mock import Mock, call

import pytest
import torch
from torch import nn

NUMBER_OF_IMAGES = 301  # with batches of 15: twenty full ones, and one image is left over
LEARNING_RATE, MOMENTUM = 0.1, 0.9


class Practice:
    """A small network, images to train it on, and what train_one_epoch does with them.

    Each image (1, 2, 2) has its number in its first pixel: so a batch tells which images it
    has. Instead of being augmented, they are doubled.
    """

    def __init__(self, names, learning_rate=LEARNING_RATE):
        self.names = names
        names["random_affine"] = Mock(side_effect=self.double)
        names["update_average"] = Mock(side_effect=self.note_the_parameters)
        self.images = torch.rand(NUMBER_OF_IMAGES, 1, 2, 2)
        self.images[:, 0, 0, 0] = torch.arange(NUMBER_OF_IMAGES) / NUMBER_OF_IMAGES
        self.labels = torch.randint(10, (NUMBER_OF_IMAGES,))
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(4, 10), nn.LogSoftmax(dim=1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), learning_rate, MOMENTUM)
        self.batches = []  # the numbers of the images in each batch
        self.parameters = []  # those of the network after each step

    def double(self, images):
        numbers = images[:, 0, 0, 0] * NUMBER_OF_IMAGES
        self.batches.append(numbers.round().long())
        return 2 * images

    def note_the_parameters(self, averaged_model, model, step):
        self.parameters.append([parameter.detach().clone() for parameter in model.parameters()])

    def train(self, epoch=1):
        return self.names["train_one_epoch"](
            self.model, "averaged", self.images, self.labels, self.optimizer, epoch
        )


@pytest.fixture
def practice(define):
    return Practice(define(BATCH_SIZE=15))


def loss_by_hand(model, images, labels):
    """Return the mean over images of minus the log-probability of the right digit."""
    return -model(images)[range(len(images)), labels].mean()


def test_each_step_goes_against_the_gradient_of_its_batch_with_momentum(practice):
    model = copy.deepcopy(practice.model)
    weights = list(model.parameters())
    steps = [torch.zeros_like(weight) for weight in weights]

    practice.train()

    assert len(practice.batches) == 21
    for batch, after_step in zip(practice.batches, practice.parameters, strict=True):
        loss = loss_by_hand(model, 2 * practice.images[batch], practice.labels[batch])
        slopes = torch.autograd.grad(loss, weights)
        for i, slope in enumerate(slopes):
            steps[i] = MOMENTUM * steps[i] + slope
            weights[i].data -= LEARNING_RATE * steps[i]
        torch.testing.assert_close(after_step, [weight.data for weight in weights])


def test_batches_have_the_size_that_is_set_but_for_the_last(practice):
    practice.train()
    assert [len(batch) for batch in practice.batches] == [15] * 20 + [1]


def test_an_epoch_has_each_image_once_in_a_new_random_order(practice):
    practice.train(epoch=1)
    practice.train(epoch=2)
    first = torch.cat(practice.batches[:21])
    second = torch.cat(practice.batches[21:])
    for order in (first, second):
        assert torch.equal(order.sort().values, torch.arange(NUMBER_OF_IMAGES))
        neighbours = order.diff().abs().float().mean()  # a third of 301, if all is random
        assert 80 < neighbours < 120
    assert (first == second).sum() < 20


def test_each_step_is_averaged_under_its_number_from_the_first_epoch_on(practice):
    practice.train(epoch=3)
    expected = [call("averaged", practice.model, step) for step in range(2 * 21, 3 * 21)]
    assert practice.names["update_average"].call_args_list == expected


def test_the_result_is_the_mean_over_all_images_of_loss_and_right_answers(define):
    """With a learning rate of 0 the network stays the same: all at once is the same sum."""
    practice = Practice(define(BATCH_SIZE=15), learning_rate=0)
    mean_loss, accuracy = practice.train()
    images = 2 * practice.images
    predictions = practice.model(images).argmax(dim=1)
    expected_loss = loss_by_hand(practice.model, images, practice.labels).item()
    expected_accuracy = (predictions == practice.labels).sum().item() / NUMBER_OF_IMAGES
    assert mean_loss == pytest.approx(expected_loss)
    assert accuracy == pytest.approx(expected_accuracy)
    assert isinstance(mean_loss, float) and isinstance(accuracy, float)


def test_the_network_is_in_training_mode(practice):
    """Batch normalisation counts its batches in training mode alone."""
    normalisation = nn.BatchNorm2d(1)
    practice.model.insert(0, normalisation)
    practice.model.eval()
    practice.train()
    assert normalisation.num_batches_tracked == 21


def test_the_log_is_one_line_of_plain_text_with_the_last_batch_s_loss(define, capsys):
    practice = Practice(define(BATCH_SIZE=15), learning_rate=0)
    practice.train()
    last = practice.batches[-1]
    loss = loss_by_hand(practice.model, 2 * practice.images[last], practice.labels[last])
    log, errors = capsys.readouterr()
    expected = f"epoch 1: loss={loss.item():.4f}: 100%|##########| 21/21"
    assert expected in log.split("\r")[-1]
    assert log.count("\n") == 1
    assert log.isascii()
    assert log.count("\r") < 15  # not one for each of the 21 batches
    assert errors == ""


@pytest.mark.parametrize("pixel", [float("inf"), float("nan")])
def test_a_loss_that_is_no_number_ends_the_training_with_advice(practice, pixel):
    practice.images[5, 0, 1, 1] = pixel
    with pytest.raises(FloatingPointError, match="not finite: lower LEARNING_RATE[.]"):
        practice.train()


@pytest.fixture
def networks():
    """An averaged network, and a network that has moved on; both have a batch normalisation."""
    averaged = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    current = copy.deepcopy(averaged)
    current(torch.randn(8, 2))  # moves the running statistics of batch normalisation
    for parameter in current.parameters():
        parameter.data += torch.rand_like(parameter)
    return averaged, current


@pytest.mark.parametrize(
    "setting, step, share",
    [(0.5, 0, 1), (0.5, 1, 1 / 1.5), (0.5, 2, 1 / 2), (0.5, 30, 1 / 16), (0, 1000, 1)],
)
def test_the_average_moves_by_a_share_that_falls_with_the_steps(
    define, networks, setting, step, share
):
    """The network in training stays as it is."""
    averaged, current = networks
    before, target = copy.deepcopy(averaged.state_dict()), copy.deepcopy(current.state_dict())
    define(AVERAGE_SHARE=setting)["update_average"](averaged, current, step)
    for name, value in averaged.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            expected = (1 - share) * before[name] + share * target[name]
            torch.testing.assert_close(value, expected)
    torch.testing.assert_close(current.state_dict(), target, atol=0, rtol=0)
