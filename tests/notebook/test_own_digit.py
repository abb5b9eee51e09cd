"""A photographed digit becomes an image like MNIST's; what is no digit is told in one sentence."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.tools import cells

FILE = "my-digit.png"
PAPER, INK = 225, 40  # grey levels


def definitions(notebook):
    """Return the ids of the cells that define what reads a photograph."""
    return [cell.id for cell in cells.code_cells(notebook) if cell.id.startswith("digit-")]


@pytest.fixture(scope="module")
def own(notebook):
    """The namespace of these cells, which need no others: no test may change it."""
    names = {}
    cells.run(notebook, names, *definitions(notebook))
    return names


@pytest.fixture(scope="module")
def digits(mnist):
    """The first 200 test images, float (200, 28, 28): paper 0, ink 1."""
    low, high = mnist[2].aminmax()
    return ((mnist[2][:200, 0] - low) / (high - low)).numpy()


@pytest.fixture
def read(own, tmp_path):
    """A function that saves a picture, and returns the digit (28, 28) read from its file."""

    def read(picture, file_format="PNG", **options):
        path = tmp_path / FILE
        picture.save(path, file_format, **options)
        return own["read_digit"](own["open_picture"](path))[1]

    return read


@pytest.fixture
def refused(own, read):
    """A function that returns the sentence about a picture that must not be read."""

    def refused(picture):
        with pytest.raises(own["NoDigit"]) as caught:
            read(picture)
        return str(caught.value)

    return refused


def strokes(digit, size=200):
    """Return where ink is if digit is written on a sheet of 400 x 400 pixels: 0 to 1."""
    small = Image.fromarray(digit)
    margin = (400 - size) // 2
    return np.pad(small.resize((size, size), Image.Resampling.BICUBIC), margin).clip(0, 1)


def picture_of(levels):
    return Image.fromarray(levels.clip(0, 255).astype("uint8"))


def written(digit, size=200):
    """Return a grey picture of a digit of MNIST on a sheet."""
    return picture_of(PAPER + (INK - PAPER) * strokes(digit, size))


def drawn(*lines, pen=16):
    """Return a sheet with lines, each a list of points."""
    picture = Image.new("L", (400, 400), PAPER)
    for points in lines:
        ImageDraw.Draw(picture).line(points, fill=INK, width=pen, joint="curve")
    return picture


SEVEN = [(120, 100), (280, 100), (180, 320)]


def difference(digit, other):
    """Return the mean difference of two digits: 0.1 is about that of two shapes of one digit."""
    return abs(digit - other).mean()


# What the picture may be


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_in_any_usual_format_is_read(read, digits, file_format):
    digit = read(written(digits[0]), file_format)
    assert digit.shape == (28, 28)
    assert digit.min() == 0 and digit.max() == pytest.approx(1, abs=0.1)
    assert difference(digit, digits[0]) < 0.05


@pytest.mark.parametrize("orientation, degrees", [(3, 180), (6, 90), (8, 270)])
def test_a_telephone_may_be_held_in_any_way(read, digits, orientation, degrees):
    picture = written(digits[0]).crop((50, 0, 400, 400))  # it is no square
    note = Image.Exif()
    note[0x0112] = orientation
    turned = picture.rotate(degrees, expand=True)
    assert difference(read(turned, "JPEG", exif=note), digits[0]) < 0.05


def test_strokes_on_a_transparent_ground_are_read_as_on_white_paper(read, digits):
    opacity = picture_of(255 * strokes(digits[0]))
    black = Image.new("L", opacity.size, 0)
    assert difference(read(Image.merge("LA", [black, opacity])), digits[0]) < 0.05


ACROSS = np.linspace(-1, 1, 400) * np.ones((400, 1))  # -1 at the left, 1 at the right
LIGHTS = {
    "falls from the left": 0.7 - 0.3 * ACROSS,
    "falls from the top to a quarter": 0.62 - 0.38 * ACROSS.T,
    "is darker in the corners": 1 - 0.3 * (ACROSS**2 + ACROSS.T**2),
    "has a shadow at the left edge": 0.35 + 0.65 * ((ACROSS + 1) / 0.6).clip(max=1),
    "has a shadow over half of the digit": np.where(ACROSS > 0, 0.75, 1),
}


def noise(deviation):
    return np.random.default_rng(0).normal(scale=deviation, size=(400, 400))


@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_light_need_not_be_even(read, digits, light):
    levels = light * (250 - 210 * strokes(digits[0])) + noise(3)
    assert difference(read(picture_of(levels), "JPEG"), digits[0]) < 0.06


def test_a_picture_may_be_noisy(read, digits):
    levels = 200 - 160 * strokes(digits[0]) + noise(40)
    assert difference(read(picture_of(levels)), digits[0]) < 0.06


@pytest.mark.parametrize("margin", [10, 40])
@pytest.mark.parametrize("sides", [slice(1), slice(3, 4), slice(4)], ids=["left", "below", "all"])
def test_what_touches_an_edge_is_no_part_of_the_digit(read, digits, margin, sides):
    """Such as a table on one side of the sheet, or on all sides."""
    levels = PAPER + (INK - PAPER) * strokes(digits[0])
    edges = [levels[:, :margin], levels[:, -margin:], levels[:margin], levels[-margin:]]
    for edge in edges[sides]:
        edge[:] = 60
    assert difference(read(picture_of(levels)), digits[0]) < 0.05


@pytest.mark.parametrize("pen", [1, 2, 4, 8, 16, 32, 40])
def test_a_pen_may_be_thin_or_thick(read, pen):
    """It makes strokes like those of MNIST: a pen of 24 pixels needs no change."""
    assert difference(read(drawn(SEVEN, pen=pen)), read(drawn(SEVEN, pen=24))) < 0.06


def test_the_digit_is_20_pixels_long_and_its_centre_of_mass_in_the_middle(read, digits):
    pixels = np.arange(28)
    for digit in digits[:10]:
        digit = read(written(digit))
        rows, columns = digit.sum(axis=1), digit.sum(axis=0)
        assert max((rows > 0).sum(), (columns > 0).sum()) == 20
        assert (rows * pixels).sum() / rows.sum() == pytest.approx(14, abs=0.6)
        assert (columns * pixels).sum() / columns.sum() == pytest.approx(14, abs=0.6)


@pytest.mark.parametrize("gap", [0, 12, 24])
def test_a_5_may_have_a_bar_of_its_own(own, gap):
    body = [(150, 130), (150, 190), (220, 200), (250, 240), (230, 290), (150, 300)]
    ink, _ = own["read_digit"](drawn(body, [(159 + gap, 130), (250 + gap, 126)]))
    assert ink[126:132, 200 + gap : 240 + gap].min() > 0.8
    assert ink[290:296, 180:210].min() > 0.8


def test_specks_and_faint_lines_are_no_part_of_the_digit(read, digits):
    sheet = np.full((400, 400), 230)
    for width in range(3):
        sheet[width::50] = sheet[:, width::50] = 185
    sheet[60:66, 60:66] = sheet[340:346, 300:306] = 0
    ink = strokes(digits[0])
    assert difference(read(picture_of(sheet * (1 - ink) + INK * ink)), digits[0]) < 0.05


# Frames and lines

THIN = {"outline": INK, "width": 3}
BY_HAND = [(190, 62), (70, 66), (64, 330), (336, 338), (338, 70), (215, 58)]
FRAMES = {
    "box": lambda draw: draw.rectangle((60, 60, 340, 340), **THIN),
    "thick box": lambda draw: draw.rectangle((60, 60, 340, 340), outline=INK, width=9),
    "box by hand, not closed": lambda draw: draw.line(BY_HAND, fill=INK, width=4),
    "circle": lambda draw: draw.ellipse((60, 60, 340, 340), **THIN),
    "table": lambda draw: [draw.rectangle((x, 80, x + 240, 320), **THIN) for x in (-160, 80, 320)],
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_digit_in_a_frame_is_read_without_the_frame(read, digits, frame):
    for digit in digits[:4]:
        picture = written(digit)
        frame(ImageDraw.Draw(picture))
        assert difference(read(picture), digit) < 0.05


BOXES = [(50, 50, 350, 350), (100, 100, 300, 300), (60, 130, 340, 270), (150, 120, 250, 280)]


@pytest.mark.parametrize("box", BOXES)
def test_an_empty_frame_is_no_0(refused, box):
    picture = Image.new("L", (400, 400), PAPER)
    ImageDraw.Draw(picture).rectangle(box, **THIN)
    assert refused(picture).endswith("clear of edges, lines and frames.")


LINES = {  # row is the lowest one of the digit
    "frame": lambda draw, row: draw.rectangle((40, 40, 360, row), **THIN),
    "line that ends": lambda draw, row: draw.line([(20, row), (380, row)], fill=60, width=2),
    "underline": lambda draw, row: draw.line([(150, row + 20), (250, row + 20)], INK, 3),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_digit_that_stands_on_a_line_is_refused(refused, digits, line):
    for digit in digits[:8]:
        lowest = np.argwhere(strokes(digit, size=280) > 0.5)[:, 0].max()
        picture = written(digit, size=280)
        line(ImageDraw.Draw(picture), lowest)
        assert refused(picture)


# What is no digit

WAVES = 200 + 10 * np.sin(ACROSS * 9) * np.sin(ACROSS.T * 7)
EMPTY = {"white": 255, "grey": 128, "black": 0, "uneven": WAVES}
EMPTY.update({name: 250 * light for name, light in LIGHTS.items()})


@pytest.mark.parametrize("levels", EMPTY.values(), ids=EMPTY)
def test_an_empty_sheet_holds_no_digit(refused, levels):
    for deviation in (0, 3, 15, 40):
        assert refused(picture_of(levels + noise(deviation))).startswith("No large, dark digit")


def spot(*corners):
    """Return a sheet with a dark ellipse between two corners."""
    picture = Image.new("L", (400, 400), PAPER)
    ImageDraw.Draw(picture).ellipse(corners, fill=INK)
    return picture


NO_DIGITS = {
    "a one that is cut": (drawn([(200, 0), (200, 300)]), "clear of edges"),
    "two ones": (drawn([(170, 60), (170, 340)], [(230, 60), (230, 340)]), "more than one digit"),
    "a seven and a dash": (drawn(SEVEN, [(20, 30), (95, 30)]), "more than one digit"),
    "a dash": (drawn([(60, 200), (340, 200)]), "so wide"),
    "a spot": (spot(150, 150, 250, 250), "No large, dark digit"),
    "a speck": (spot(197, 197, 203, 203), "No large, dark digit"),
}


@pytest.mark.parametrize("picture, expected", NO_DIGITS.values(), ids=NO_DIGITS)
def test_what_is_no_single_digit_is_told(refused, picture, expected):
    assert expected in refused(picture)


# The stand-in, and what the last cell shows


def test_photographs_of_200_digits_become_images_like_their_originals(own, digits):
    """Each is nearest to its own original of all 200, moved by at most one pixel."""
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    originals = np.stack([np.roll(digits, place, axis=(1, 2)) for place in places])
    right = 0
    for seed, digit in enumerate(digits):
        photograph = own["stand_in_photograph"](digit, seed)
        try:
            _, image = own["read_digit"](photograph)
        except own["NoDigit"]:
            continue
        distances = ((originals - image) ** 2).sum(axis=(2, 3)).min(axis=0)
        right += distances.argmin() == seed
    assert right >= 195


@pytest.fixture
def last_cell(notebook, names, mnist, shown, monkeypatch, tmp_path):
    """A function that runs this section in an empty folder; it returns the namespace."""
    monkeypatch.chdir(tmp_path)
    answer = torch.log_softmax(4.0 * torch.eye(10)[[7]], dim=1)
    names.update(device="cpu", test_images=mnist[2], trained_model="network")
    names["predict"] = Mock(return_value=answer)

    def last_cell():
        cells.run(notebook, names, "look", *definitions(notebook), "own-digit")
        return names

    return last_cell


def test_without_a_file_a_test_image_stands_in_and_that_is_told(last_cell, shown, capsys, digits):
    last_cell()
    expected = f"There is no {FILE} yet: the first test image stands in for it.\n"
    assert capsys.readouterr() == (expected, "")
    photograph, ink, digit = [axis.images[0].get_array() for axis in shown[0].axes[:3]]
    assert photograph.shape == ink.shape == (400, 400)
    assert difference(digit, digits[0]) < 0.06


def test_the_picture_in_the_file_is_shown_and_given_to_the_network(last_cell, shown, capsys):
    drawn(SEVEN).crop((50, 0, 400, 400)).save(FILE)
    names = last_cell()
    assert capsys.readouterr() == ("", "")
    photograph, ink, digit = [axis.images[0].get_array() for axis in shown[0].axes[:3]]
    assert photograph.shape == ink.shape == (400, 350)
    network, images = names["predict"].call_args.args
    low, high = names["test_images"].aminmax()
    assert network == "network"
    torch.testing.assert_close(images, torch.lerp(low, high, torch.tensor(digit))[None, None])
    bars = [bar.get_height() for bar in shown[0].axes[3].patches]
    assert bars == pytest.approx(names["predict"].return_value.exp()[0].tolist())
    assert shown[0].axes[3].get_title() == "read as 7, probability 86%"


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 and so on"], ids=["empty", "PDF"])
def test_run_all_goes_through_with_a_file_that_is_no_picture(
    last_cell, shown, capsys, tmp_path, content
):
    (tmp_path / FILE).write_bytes(content)
    last_cell()
    printed, errors = capsys.readouterr()
    assert printed.startswith("The file cannot be read, so save it as PNG or JPEG: ")
    assert printed.count("\n") == 1
    assert errors == "" and shown == []


def test_another_day_the_saved_weights_are_enough(
    notebook, names, mnist, shown, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    names.update(device="cpu", test_images=mnist[2][:100], test_labels=mnist[3][:100])
    names["save_weights"](names["Net"]())
    cells.run(notebook, names, "look", "reload", *definitions(notebook), "own-digit")
    assert "history" not in names
    assert len(shown) == 1


def test_another_day_one_can_go_on_at_look_closer(
    notebook, names, mnist, shown, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    few = [values[:100] for values in mnist]
    names["load_mnist"] = lambda *_: few
    names["save_weights"](names["Net"]())
    order = [cell.id for cell in notebook.cells]
    left_out = order[order.index("train") : order.index("closer")]
    left_out.remove("reload")
    for cell in cells.code_cells(notebook):
        if cell.id not in [*left_out, *cells.DEFINITIONS]:
            cells.run(notebook, names, cell.id)
    assert "history" not in names
