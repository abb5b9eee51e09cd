"""A photographed digit becomes an image like MNIST's; what is no digit is told in a sentence."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy import ndimage

from tests import cells

PAPER, INK = 225, 40  # grey levels
ACROSS = np.linspace(0, 1, 400) * np.ones((400, 1))  # 0 at the left, 1 at the right
SEVEN = [(120, 100), (280, 100), (180, 320)]


@pytest.fixture(scope="module")
def own(notebook):
    """The namespace of the notebook's definitions: no test may change it."""
    return cells.definitions(notebook)


@pytest.fixture(scope="module")
def digits(mnist):
    """The first 100 test images, float (100, 28, 28): paper 0, ink 1."""
    low, high = mnist[2].aminmax()
    return ((mnist[2][:100, 0] - low) / (high - low)).numpy()


@pytest.fixture
def read(own, tmp_path):
    """A function that saves a picture, and returns the digit (28, 28) read from its file."""

    def read(picture, file_format="PNG", **options):
        path = tmp_path / "my-digit.png"
        picture.save(path, file_format, **options)
        return own["like_mnist"](own["find_ink"](own["open_picture"](path)))

    return read


def strokes(digit, size=200):
    """Return where ink is if digit is written on a sheet of 400 x 400 pixels: 0 to 1."""
    written = np.zeros((400, 400))
    margin = (400 - size) // 2
    written[margin : margin + size, margin : margin + size] = ndimage.zoom(digit, size / 28)
    return written.clip(0, 1)


def picture_of(levels):
    return Image.fromarray(levels.clip(0, 255).astype("uint8"))


def sheet(digit, size=200):
    """Return a grey picture of a digit of MNIST on a sheet."""
    return picture_of(PAPER + (INK - PAPER) * strokes(digit, size))


def drawn(*lines, pen=16):
    """Return a sheet with lines, each a list of points."""
    picture = Image.new("L", (400, 400), PAPER)
    for points in lines:
        ImageDraw.Draw(picture).line(points, fill=INK, width=pen, joint="curve")
    return picture


def difference(digit, other):
    """Return the mean difference of two digits: 0.1 is about that of two shapes of one digit."""
    return abs(digit - other).mean()


def noise(deviation):
    return np.random.default_rng(0).normal(scale=deviation, size=(400, 400))


# What the picture may be


def test_a_telephone_may_be_held_in_any_way(read, digits):
    note = Image.Exif()
    note[0x0112] = 6  # a quarter turn
    turned = sheet(digits[0]).crop((50, 0, 400, 400)).rotate(90, expand=True)
    assert difference(read(turned, "JPEG", exif=note), digits[0]) < 0.05


def test_strokes_on_a_transparent_ground_are_read_as_on_white_paper(read, digits):
    opacity = picture_of(255 * strokes(digits[0]))
    black = Image.new("L", opacity.size, 0)
    assert difference(read(Image.merge("LA", [black, opacity])), digits[0]) < 0.05


@pytest.mark.parametrize("light", [1 - 0.6 * ACROSS, np.where(ACROSS > 0.5, 0.75, 1)])
def test_light_may_fall_and_the_picture_may_be_noisy(read, digits, light):
    levels = light * (230 - 190 * strokes(digits[0])) + noise(10)
    assert difference(read(picture_of(levels)), digits[0]) < 0.06


def test_ink_at_the_edge_faint_lines_and_specks_are_no_part_of_the_digit(read, digits):
    paper = np.full((400, 400), 225.0)
    paper[::40] = paper[1::40] = 195  # ruled
    paper[:, :30] = paper[370:] = 60  # a dark table
    paper[100:105, 300:305] = 0
    ink = strokes(digits[0])
    assert difference(read(picture_of(paper * (1 - ink) + INK * ink)), digits[0]) < 0.05


def test_a_digit_may_have_several_pieces_and_fill_the_sheet(own):
    bar, body = [(100, 40), (300, 40)], [(100, 70), (100, 180), (260, 200), (240, 350), (90, 340)]
    ink = own["find_ink"](drawn(bar, body))
    assert ink[40, 200] > 0 and ink[342, 200] > 0
    dot = [(180, 30), (220, 30)]
    assert own["find_ink"](drawn(dot, body))[30, 200] > 0


@pytest.mark.parametrize("size", [60, 380])
def test_a_digit_may_be_small_or_fill_the_sheet(read, digits, size):
    assert difference(read(sheet(digits[0], size)), digits[0]) < 0.06


@pytest.mark.parametrize("side", [40, 1600])
def test_a_picture_may_have_few_or_many_pixels(read, digits, side):
    assert difference(read(sheet(digits[0]).resize((side, side))), digits[0]) < 0.07


def test_a_pencil_is_dark_enough(read, digits):
    assert difference(read(picture_of(PAPER - 60 * strokes(digits[0]))), digits[0]) < 0.06


def test_the_digit_is_twenty_pixels_high_as_in_mnist(read):
    zero = read(drawn([(140, 80), (260, 80), (260, 320), (140, 320), (140, 72)]))
    assert np.ptp(zero.nonzero()[0]) + 1 == 20


@pytest.mark.parametrize("pen", [2, 8, 40])
def test_a_pen_may_be_thin_or_thick(read, pen):
    """It makes strokes like those of MNIST: a pen of 24 pixels needs no change."""
    assert difference(read(drawn(SEVEN, pen=pen)), read(drawn(SEVEN, pen=24))) < 0.07


def test_a_hundred_digits_become_images_like_their_originals(own, digits):
    """Each is nearest to its own original of all 100, moved by at most one pixel."""
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    originals = np.stack([np.roll(digits, place, axis=(1, 2)) for place in places])
    nearest = []
    for digit in digits:
        image = own["like_mnist"](own["find_ink"](sheet(digit, size=150)))
        distances = ((originals - image) ** 2).sum(axis=(2, 3)).min(axis=0)
        nearest.append(distances.argmin())
    assert (np.array(nearest) == np.arange(100)).sum() >= 98


# What is no single digit

NO_DIGITS = {
    "an empty sheet": (picture_of(200 + noise(5)), "Ink is nowhere"),
    "an empty sheet in falling light": (
        picture_of((1 - 0.7 * ACROSS) * 230 + noise(5)),
        "(Ink is nowhere|There are specks only)",
    ),
    "a one that is cut": (drawn([(200, 0), (200, 300)]), "Ink is at the edge alone"),
    "specks": (drawn([(100, 100), (108, 100)], pen=8), "There are specks only"),
    "two ones": (drawn([(80, 140), (80, 260)], [(320, 140), (320, 260)]), "No digit is so wide"),
}


@pytest.mark.parametrize("picture, words", NO_DIGITS.values(), ids=NO_DIGITS)
def test_what_is_no_single_digit_is_told_with_what_to_do(own, picture, words):
    with pytest.raises(own["NoDigit"], match=f"{words}.*: (use|crop) "):
        own["find_ink"](picture)


def test_a_file_that_is_no_picture_is_named(own, tmp_path):
    (tmp_path / "my-digit.png").write_bytes(b"%PDF-1.7 and so on")
    with pytest.raises(own["NoDigit"], match="my-digit.png: save it as PNG or JPEG"):
        own["open_picture"](tmp_path / "my-digit.png")


def test_a_picture_that_is_too_large_is_told_with_what_to_do(own, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # Pillow refuses one of twice as many
    sheet(np.zeros((28, 28))).save(tmp_path / "my-digit.png")
    with pytest.raises(own["NoDigit"], match="make it smaller"):
        own["open_picture"](tmp_path / "my-digit.png")


# What the cell shows


@pytest.fixture
def own_digit(notebook, names, mnist, shown, monkeypatch, tmp_path):
    """A function that runs the cell in an empty folder; it returns the namespace."""
    monkeypatch.chdir(tmp_path)
    answer = torch.log_softmax(4.0 * torch.eye(10)[[7]], dim=1)
    names.update(device="cpu", test_images=mnist[2], trained_model="network")
    names["predict"] = Mock(return_value=answer)

    def own_digit():
        cells.run(notebook, names, "own-digit")
        return names

    return own_digit


def test_without_a_file_a_test_image_stands_in_and_that_is_told(own_digit, shown, capsys, digits):
    own_digit()
    assert "There is no my-digit.png in 'test_without" in capsys.readouterr().out
    assert difference(shown[0].axes[2].images[0].get_array(), digits[0]) < 0.06


def test_the_picture_in_the_file_is_shown_and_given_to_the_network(own_digit, shown, capsys):
    drawn(SEVEN).crop((50, 0, 400, 400)).save("my-digit.png")
    names = own_digit()
    assert capsys.readouterr() == ("", "")
    photograph, ink, digit = [axis.images[0].get_array() for axis in shown[0].axes[:3]]
    assert photograph.shape == ink.shape == (400, 350)
    network, images = names["predict"].call_args.args
    low, high = names["test_images"].aminmax()
    assert network == "network"
    expected = torch.lerp(low, high, torch.tensor(digit).float())
    torch.testing.assert_close(images, expected[None, None])
    bars = [bar.get_height() for bar in shown[0].axes[3].patches]
    assert bars == pytest.approx(names["predict"].return_value.exp()[0].tolist())
    assert shown[0].axes[3].get_title() == "read as 7, probability 86%"


def test_run_all_goes_through_with_a_picture_of_no_digit(own_digit, shown, capsys):
    Image.new("L", (400, 400), PAPER).save("my-digit.png")
    own_digit()
    assert capsys.readouterr().out.startswith("Ink is nowhere: ")
    assert shown == []
