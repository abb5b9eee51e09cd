"""The pictures of the mistakes, and the list of digits that were taken for others most often."""

from collections import Counter
from unittest.mock import Mock

import cells
import pytest
import torch
from torch.nn import functional as F

NUMBER_OF_IMAGES = 150


class MadeUpAnswers:
    """Images and labels, and a network that is wrong for the first of them."""

    def __init__(self, wrong):
        self.images = torch.rand(NUMBER_OF_IMAGES, 1, 28, 28)
        self.labels = torch.randint(10, (NUMBER_OF_IMAGES,))
        self.answers = self.labels.clone()
        self.answers[:wrong] = (self.labels[:wrong] + torch.randint(1, 10, (wrong,))) % 10
        certainty = torch.linspace(3, 6, NUMBER_OF_IMAGES)[:, None]
        self.log_probabilities = (certainty * F.one_hot(self.answers, 10)).log_softmax(dim=1)


@pytest.fixture
def look(notebook, names):
    """A function that runs the cell on made-up answers, and returns these."""

    def look(wrong):
        made_up = MadeUpAnswers(wrong)
        names["predict"] = Mock(return_value=made_up.log_probabilities)
        names["trained_model"] = "network"
        names["train_images"] = names["test_images"] = made_up.images
        names["test_labels"] = made_up.labels
        cells.run(notebook, names, "style", "mistakes")
        names["predict"].assert_called_once_with("network", made_up.images)
        return made_up

    return look


def pictures(figure):
    return [axis for axis in figure.axes if axis.images]


def shown_image(axis):
    return torch.tensor(axis.images[0].get_array())


@pytest.mark.parametrize("wrong", [0, 1, 21, 130])
def test_the_number_of_mistakes_is_told(look, shown, capsys, wrong):
    look(wrong)
    assert f"{wrong} mistakes among 150 test images\n" in capsys.readouterr().out


@pytest.mark.parametrize("wrong, expected", [(0, 0), (1, 1), (21, 21), (130, 100)])
def test_each_mistake_is_shown_up_to_a_hundred(look, shown, wrong, expected):
    made_up = look(wrong)
    axes = pictures(shown[0])
    assert len(axes) == expected
    for image, axis in zip(made_up.images[:expected], axes, strict=True):
        assert torch.equal(shown_image(axis), image[0])


def test_each_picture_says_label_answer_and_probability(look, shown):
    made_up = look(wrong=21)
    probabilities = made_up.log_probabilities.exp()
    for number, axis in enumerate(pictures(shown[0])):
        label, answer = made_up.labels[number], made_up.answers[number]
        probability = probabilities[number, answer]
        assert axis.get_title() == f"{label} → {answer}  {probability:.0%}"


def test_the_frequent_pairs_of_label_and_answer_are_counted(look, shown, capsys):
    made_up = look(wrong=130)
    wrong_pairs = zip(made_up.labels[:130].tolist(), made_up.answers[:130].tolist(), strict=True)
    expected = []
    for (label, answer), number in Counter(wrong_pairs).most_common():
        if number > 2:
            expected.append(f"  {label} taken for {answer}: {number}")
    assert expected
    assert capsys.readouterr().out.splitlines()[1:] == ["More than twice:", *expected]
