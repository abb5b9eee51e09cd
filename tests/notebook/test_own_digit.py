"""A photographed digit becomes an image like MNIST's; what goes wrong is told in one sentence."""

from unittest.mock import Mock

import cells
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

FILE = "my-digit.png"
PAPER, INK = 225, 40  # grey levels


def functions(notebook):
    """Return the ids of the cells that define the functions for one's own digit."""
    ids = [cell.id for cell in cells.code_cells(notebook)]
    return [identifier for identifier in ids if identifier.startswith("digit-")]


@pytest.fixture(scope="module")
def own(notebook):
    """The namespace of the notebook's functions for one's own digit: no test may change it."""
    names = cells.definitions(notebook)
    cells.run(notebook, names, "style", *functions(notebook))
    return names


@pytest.fixture(scope="module")
def digits(mnist):
    """The first 200 test images, float (200, 28, 28): paper 0, ink 1."""
    low, high = mnist[2].aminmax()
    return (mnist[2][:200, 0] - low) / (high - low)


@pytest.fixture
def read(own, tmp_path):
    """A function that saves a picture in a format, and returns the digit (28, 28) read from it."""

    def read(picture, file_format="PNG", **options):
        path = tmp_path / FILE
        picture.save(path, file_format, **options)
        return own["read_digit"](own["open_picture"](path))[1]

    return read


@pytest.fixture
def problem(own, read):
    """A function that returns the sentence about a picture that must not be read."""

    def problem(picture):
        with pytest.raises(own["NoDigit"]) as caught:
            read(picture)
        return str(caught.value)

    return problem


def strokes_of(digit, size=200):
    """Return where ink is on a sheet of 400 x 400 pixels: float from 0 to 1."""
    enlarged = F.interpolate(digit[None, None], size=(size, size), mode="bicubic")[0, 0]
    margin = (400 - size) // 2
    return F.pad(enlarged.clamp(0, 1), 4 * [margin])


def picture_of(levels):
    """Return the grey picture with these levels (height, width)."""
    return Image.fromarray(levels.clamp(0, 255).round().byte().numpy())


def written(digit, ink=INK, paper=PAPER):
    """Return a grey picture of a digit of MNIST on a sheet."""
    return picture_of(paper + (ink - paper) * strokes_of(digit))


def written_in_colour(digit, ink, paper=(255, 255, 255)):
    """Return a picture of a digit of MNIST; ink and paper are red, green and blue."""
    bands = [written(digit, *levels) for levels in zip(ink, paper, strict=True)]
    return Image.merge("RGB", bands)


def seven(pen, scale=1):
    """Return a picture of a seven with straight strokes, drawn with a pen of this width."""
    points = [(120 * scale, 100 * scale), (280 * scale, 100 * scale), (180 * scale, 320 * scale)]
    picture = Image.new("L", (400 * scale, 400 * scale), PAPER)
    ImageDraw.Draw(picture).line(points, fill=INK, width=pen, joint="curve")
    return picture


def difference(digit, other):
    """Return the mean difference of two digits: 0.1 is about that of two shapes of one digit."""
    return (digit - other).abs().mean().item()


# What the picture may be

FORMATS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_picture_in_any_usual_format_is_read(read, digits, file_format):
    digit = read(written(digits[0]), file_format)
    assert digit.shape == (28, 28)
    assert digit.min() == 0 and digit.max() == pytest.approx(1, abs=0.1)
    assert difference(digit, digits[0]) < 0.05


TRANSPOSE = Image.Transpose
HELD = {  # what turns an upright picture into the one that a camera saves with this number
    1: None,
    2: TRANSPOSE.FLIP_LEFT_RIGHT,
    3: TRANSPOSE.ROTATE_180,
    4: TRANSPOSE.FLIP_TOP_BOTTOM,
    5: TRANSPOSE.TRANSPOSE,
    6: TRANSPOSE.ROTATE_90,
    7: TRANSPOSE.TRANSVERSE,
    8: TRANSPOSE.ROTATE_270,
}


@pytest.mark.parametrize("orientation, how", HELD.items())
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_camera_may_be_held_in_any_way(read, digits, file_format, orientation, how):
    picture = written(digits[0]).crop((50, 0, 400, 400))  # it is no square
    note = Image.Exif()
    note[0x0112] = orientation
    saved = picture if how is None else picture.transpose(how)
    digit = read(saved.convert("RGB"), file_format, exif=note)
    assert difference(digit, digits[0]) < 0.05


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_strokes_on_a_transparent_ground_are_read_as_on_white_paper(read, digits, mode, hidden):
    """The colour of the ground, which nobody sees, does not matter."""
    strokes = strokes_of(digits[0])
    grey = picture_of(hidden * (strokes == 0).float())
    picture = Image.merge("LA", [grey, picture_of(255 * strokes)]).convert(mode)
    assert difference(read(picture), digits[0]) < 0.05


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_palette_may_have_a_transparent_colour(read, digits, file_format):
    picture = written(digits[0], ink=0, paper=255).quantize(8)
    ground = picture.getpixel((0, 0))
    assert difference(read(picture, file_format, transparency=ground), digits[0]) < 0.05


@pytest.mark.parametrize("mode, file_format", [("1", "PNG"), ("CMYK", "JPEG"), ("YCbCr", "JPEG")])
def test_a_picture_may_have_another_kind_of_pixels(read, digits, mode, file_format):
    picture = written(digits[0]).convert("RGB")
    assert difference(read(picture.convert(mode), file_format), digits[0]) < 0.06


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("white", [65_535, 4_095])
def test_a_pixel_may_have_16_bits_or_12_of_them(read, digits, white, file_format):
    levels = written(digits[0], ink=0.15 * 255, paper=255).point(range(0, 256), "I")
    picture = levels.point(lambda level: level * white / 255).convert("I;16")
    assert difference(read(picture, file_format), digits[0]) < 0.05


def test_a_pixel_may_be_a_number_from_0_to_1(read, digits):
    levels = written(digits[0]).convert("F").point(lambda level: level / 255)
    assert difference(read(levels, "TIFF"), digits[0]) < 0.05


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animated_picture_the_first_one_counts(read, digits, file_format):
    pictures = [written(digit) for digit in digits[:3]]
    digit = read(pictures[0], file_format, save_all=True, append_images=pictures[1:])
    assert difference(digit, digits[0]) < 0.05


def test_a_photograph_of_12_megapixels_is_read_like_a_small_one(read):
    small, large = seven(pen=8), seven(pen=80, scale=10).crop((0, 500, 4000, 3500))
    assert difference(read(large, "JPEG"), read(small)) < 0.02


@pytest.mark.parametrize("size", [28, 84, 1000])
def test_an_image_of_mnist_may_be_given_as_it_is(read, digits, size):
    for digit in digits[:10]:
        picture = picture_of(255 * digit).resize((size, size))
        assert difference(read(picture), digit) < 0.06


# What may be written with what, on what, in what light

COLOURS = [
    ("red", (220, 30, 40)),
    ("pink", (255, 105, 180)),
    ("orange", (255, 140, 0)),
    ("blue", (30, 60, 180)),
    ("light blue", (90, 170, 230)),
    ("pencil", (150, 150, 150)),
]


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("name, colour", COLOURS)
def test_a_pen_may_have_any_colour_but_a_pale_one(read, digits, name, colour, file_format):
    assert difference(read(written_in_colour(digits[0], colour), file_format), digits[0]) < 0.06


PAPERS = [
    ("cream", (255, 250, 200)),
    ("grey", (130, 130, 130)),
    ("yellow", (255, 240, 110)),
    ("brown", (200, 170, 130)),
]


@pytest.mark.parametrize("name, paper", PAPERS)
def test_paper_may_have_a_colour(read, digits, name, paper):
    digit = read(written_in_colour(digits[0], (20, 20, 50), paper), "JPEG")
    assert difference(digit, digits[0]) < 0.05


@pytest.mark.parametrize("board", [(20, 20, 20), (40, 90, 60)])
def test_chalk_on_a_board_is_read(read, digits, board):
    digit = read(written_in_colour(digits[0], (230, 230, 220), board), "JPEG")
    assert difference(digit, digits[0]) < 0.05


@pytest.mark.parametrize("pen", [1, 2, 3, 4, 6, 10, 20, 30, 40])
def test_a_pen_may_be_thin_or_thick(read, pen):
    """It makes strokes like those of MNIST: a pen of 24 pixels needs no change."""
    assert difference(read(seven(pen)), read(seven(pen=24))) < 0.06


def test_an_upright_bar_becomes_a_1_of_20_pixels_in_the_middle(read):
    picture = Image.new("L", (400, 400), PAPER)
    ImageDraw.Draw(picture).rectangle((200, 60, 207, 340), fill=30)
    bar = F.pad(torch.ones(20, 2), (14, 12, 4, 4))
    assert difference(read(picture), bar) < 0.01


def test_the_digit_is_20_pixels_long_and_its_centre_of_mass_in_the_middle(read, digits):
    pixels = torch.arange(28)
    for digit in digits[:10]:
        digit = read(written(digit))
        rows, columns = digit.sum(dim=1), digit.sum(dim=0)
        assert max((rows > 0).sum(), (columns > 0).sum()) == 20
        assert (rows * pixels).sum() / rows.sum() == pytest.approx(14, abs=0.6)
        assert (columns * pixels).sum() / columns.sum() == pytest.approx(14, abs=0.6)


ACROSS = torch.linspace(-1, 1, 400).expand(400, 400)  # -1 at the left, 1 at the right
LIGHTS = [
    ("falls from the left", 0.7 - 0.3 * ACROSS),
    ("falls from the top to a sixth", 0.58 + 0.42 * -ACROSS.T),
    ("is darker in the corners", 1 - 0.3 * (ACROSS**2 + ACROSS.T**2)),
    ("has a shadow at the left edge", 0.35 + 0.65 * ((ACROSS + 1) / 0.6).clamp(max=1)),
    ("has a shadow over half of the digit", 1 - 0.25 * (ACROSS > 0).float()),
]


@pytest.mark.parametrize("name, light", LIGHTS)
def test_light_need_not_be_even(read, digits, name, light):
    levels = light * (250 - 210 * strokes_of(digits[0])) + 3 * torch.randn(400, 400)
    assert difference(read(picture_of(levels), "JPEG"), digits[0]) < 0.06


@pytest.mark.parametrize("noise", [5, 15, 40])
def test_a_picture_may_be_noisy(read, digits, noise):
    levels = 200 - 160 * strokes_of(digits[0]) + noise * torch.randn(400, 400)
    assert difference(read(picture_of(levels)), digits[0]) < 0.06


@pytest.mark.parametrize("quality", [5, 50])
def test_a_jpeg_may_be_small(read, digits, quality):
    assert difference(read(written(digits[0]), "JPEG", quality=quality), digits[0]) < 0.06


@pytest.mark.parametrize("step", [40, 70])
def test_faint_ruled_lines_are_no_ink(read, digits, step):
    strokes = strokes_of(digits[0], size=260)
    sheet = torch.full((400, 400), 230.0)
    sheet[::step] = sheet[:, ::step] = 170
    levels = sheet * (1 - strokes) + INK * strokes
    assert difference(read(picture_of(levels)), digits[0]) < 0.06


EDGES = [
    ("left", (slice(None), slice(None, 8))),
    ("left", (slice(None), slice(None, 40))),
    ("right", (slice(None), slice(-8, None))),
    ("right", (slice(None), slice(-40, None))),
    ("top", (slice(None, 24), slice(None))),
    ("bottom", (slice(-40, None), slice(None))),
]


@pytest.mark.parametrize("edge, strip", EDGES)
def test_a_dark_strip_along_an_edge_is_no_part_of_the_digit(read, digits, edge, strip):
    for digit in digits[:3]:
        levels = PAPER + (INK - PAPER) * strokes_of(digit)
        levels[strip] = 60
        levels += 3 * torch.randn(400, 400)
        assert difference(read(picture_of(levels), "JPEG"), digit) < 0.06


@pytest.mark.parametrize("margin", [10, 40])
def test_a_dark_table_around_the_sheet_is_no_part_of_the_digit(read, digits, margin):
    table = torch.full((400, 400), 60.0)
    inside = slice(margin, -margin)
    table[inside, inside] = (PAPER + (INK - PAPER) * strokes_of(digits[0]))[inside, inside]
    assert difference(read(picture_of(table)), digits[0]) < 0.05


@pytest.mark.parametrize("gap", [0, 4, 12, 24])
def test_a_5_may_have_a_detached_bar(own, gap):
    picture = Image.new("L", (400, 400), PAPER)
    pen = ImageDraw.Draw(picture)
    body = [(150, 130), (150, 190), (220, 200), (250, 240), (230, 290), (150, 300)]
    pen.line(body, fill=INK, width=16, joint="curve")
    pen.line([(159 + gap, 130), (250 + gap, 126)], fill=INK, width=16)
    ink, _ = own["read_digit"](picture)
    assert ink[126:132, 200 + gap : 240 + gap].min() > 0.8
    assert ink[290:296, 180:210].min() > 0.8


def test_specks_are_no_part_of_the_digit(read, digits):
    levels = PAPER + (INK - PAPER) * strokes_of(digits[0])
    levels[60:66, 60:66] = levels[340:346, 300:306] = 0
    assert difference(read(picture_of(levels)), digits[0]) < 0.05


# What is no digit

SMOOTH = F.interpolate(torch.rand(1, 1, 20, 20).mul(30), size=400, mode="bicubic")[0, 0]
EMPTY = [
    ("white", torch.full((400, 400), 255.0)),
    ("grey", torch.full((400, 400), 128.0)),
    ("black", torch.zeros(400, 400)),
    ("in light from 255 to 140", 200 - 57 * ACROSS),
    ("in light from 255 to 40", 147 - 107 * ACROSS.T),
    ("dark in the corners", 240 * (1 - 0.3 * (ACROSS**2 + ACROSS.T**2))),
    ("crumpled", 200 + SMOOTH),
]


@pytest.mark.parametrize("noise", [0, 3, 15])
@pytest.mark.parametrize("name, levels", EMPTY)
def test_an_empty_sheet_holds_no_digit(problem, name, levels, noise):
    picture = picture_of(levels + noise * torch.randn(400, 400))
    assert problem(picture).startswith("No digit was found: ")


def test_an_empty_sheet_of_16_bits_holds_no_digit(problem):
    picture = Image.new("I;16", (400, 400), 50_000)
    assert problem(picture).startswith("No digit was found: write one")


def drawn(*lines):
    """Return a sheet with lines, each a list of points."""
    picture = Image.new("L", (400, 400), PAPER)
    for points in lines:
        ImageDraw.Draw(picture).line(points, fill=INK, width=16)
    return picture


def spot(*corners):
    """Return a sheet with a black ellipse between two corners."""
    picture = Image.new("L", (400, 400), PAPER)
    ImageDraw.Draw(picture).ellipse(corners, fill=INK)
    return picture


NO_DIGITS = [
    ("a one that is cut", drawn([(200, 0), (200, 300)]), "what is dark touches the edge"),
    ("two ones", drawn([(150, 60), (150, 340)], [(250, 60), (250, 340)]), "more than one digit"),
    ("ones far apart", drawn([(60, 60), (60, 140)], [(300, 300), (300, 380)]), "more than one"),
    ("a dash", drawn([(60, 200), (340, 200)]), "so wide"),
    ("a spot", spot(150, 150, 250, 250), "a spot, but no strokes"),
    ("a speck", spot(197, 197, 203, 203), "Only specks"),
    ("a strip", Image.new("L", (400, 30), PAPER), "a mere strip"),
]


@pytest.mark.parametrize("name, picture, expected", NO_DIGITS)
def test_what_is_no_single_digit_is_told(problem, name, picture, expected):
    assert expected in problem(picture)


def heic(kind):
    """Return how a file of Apple's telephones begins."""
    return b"\0\0\0\x18ftyp" + kind + b"\0\0\0\0" + kind


FILES = [
    ("empty", b"", "is empty: copy"),
    ("PDF", b"%PDF-1.7 and so on", "is a PDF file: save"),
    ("HEIC", heic(b"heic"), "is a HEIC picture"),
    ("HEIC of another kind", heic(b"mif1"), "is a HEIC picture"),
    ("text", b"no picture", "is damaged, or no picture that Pillow knows: save"),
]


@pytest.fixture
def complaint(own, tmp_path):
    """A function that returns the sentence about a file with this content."""

    def complaint(content):
        path = tmp_path / FILE
        path.write_bytes(content)
        with pytest.raises(own["NoDigit"]) as caught:
            own["open_picture"](path)
        sentence = str(caught.value)
        assert sentence.startswith(str(path)) and sentence.endswith(".")
        return sentence

    return complaint


@pytest.mark.parametrize("name, content, expected", FILES)
def test_a_file_that_is_no_picture_is_told(complaint, name, content, expected):
    assert expected in complaint(content)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_truncated_picture_is_told(complaint, digits, tmp_path, file_format, share):
    path = tmp_path / "whole"
    noise = 5 * torch.randn(400, 400)
    picture_of(PAPER - 100 * strokes_of(digits[0]) + noise).save(path, file_format)
    content = path.read_bytes()
    assert "is damaged" in complaint(content[: int(share * len(content))])


def test_a_picture_with_too_many_pixels_is_told(complaint, monkeypatch, tmp_path):
    path = tmp_path / "large"
    seven(pen=20).save(path, "PNG")
    for limit in (100_000, 10_000):  # Pillow warns, and refuses twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert "has too many pixels: save it smaller" in complaint(path.read_bytes())


def test_a_folder_is_told(own, tmp_path):
    with pytest.raises(own["NoDigit"], match="is a folder: DIGIT_FILE must name a picture."):
        own["open_picture"](tmp_path)


PROBLEMS = [
    (PermissionError("denied"), "may not be read: change its permissions."),
    (OSError("the disk is broken"), r"is damaged \(the disk is broken\): copy or save it anew."),
]


@pytest.mark.parametrize("error, expected", PROBLEMS)
def test_a_file_that_cannot_be_read_is_told(own, error, expected):
    path = Mock()
    path.is_dir.return_value = False
    path.read_bytes.side_effect = error
    with pytest.raises(own["NoDigit"], match=expected):
        own["open_picture"](path)


# The stand-in, and what the last cell shows


@pytest.fixture(scope="module")
def readings(own, digits):
    """What is read from photographs of the first 200 test images, float (200, 28, 28)."""
    photographs = [own["stand_in_photograph"](digit, seed) for seed, digit in enumerate(digits)]
    return torch.stack([own["read_digit"](photograph)[1] for photograph in photographs])


def test_photographs_of_200_digits_become_images_like_their_originals(readings, digits):
    """Each is nearest to its own original of all 200, moved by at most one pixel."""
    moved = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            moved.append(digits.roll((down, right), dims=(1, 2)))
    originals = torch.cat(moved).flatten(1)
    nearest = torch.cdist(readings.flatten(1), originals).argmin(dim=1) % 200
    assert (nearest == torch.arange(200)).sum() >= 195


def test_the_network_reads_195_of_200_photographs_rightly(own, readings, mnist):
    weights = cells.ROOT / "mnist-seed-0.pt"
    if not weights.exists():
        pytest.skip("run the notebook first: it leaves its network's weights here")
    network = own["Net"]()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except RuntimeError:
        pytest.fail(f"{weights.name} is another network's: run the notebook again.")
    low, high = mnist[2].aminmax()
    images = torch.lerp(low, high, readings)[:, None]
    assert own["evaluate"](network, images, mnist[3][:200])[1] >= 195


def test_stand_ins_differ_in_size_and_place_but_not_for_one_seed(own, digits):
    boxes = set()
    for seed in range(5):
        picture = own["stand_in_photograph"](digits[0], seed)
        again = own["stand_in_photograph"](digits[0], seed)
        assert picture.tobytes() == again.tobytes()
        rows, columns = own["box"](own["pil_to_tensor"](picture)[0] < 100)  # the ink
        boxes.add((rows.start.item(), rows.stop.item(), columns.start.item(), columns.stop.item()))
    assert len(boxes) == 5


@pytest.fixture
def last_cell(notebook, names, mnist, shown, monkeypatch, tmp_path):
    """A function that runs the last cell in an empty folder; it returns the namespace."""
    monkeypatch.chdir(tmp_path)
    names.update(device="cpu", test_images=mnist[2], trained_model="network")
    answer = 4.0 * F.one_hot(torch.tensor([7]), 10)
    names["predict"] = Mock(return_value=answer.log_softmax(dim=1))

    def last_cell():
        names["DIGIT_FILE"] = FILE
        cells.run(notebook, names, "style", *functions(notebook), "own-digit")
        return names

    return last_cell


def pictures_of(figure):
    return [torch.as_tensor(axis.images[0].get_array().data) for axis in figure.axes[:3]]


def test_without_a_file_a_test_image_stands_in_and_that_is_told(last_cell, shown, capsys, digits):
    last_cell()
    expected = f"There is no {FILE} yet: the first test image stands in for it.\n"
    assert capsys.readouterr() == (expected, "")
    photograph, ink, digit = pictures_of(shown[0])
    assert photograph.shape == ink.shape == (400, 400)
    assert difference(digit, digits[0]) < 0.06


def test_the_picture_in_the_file_is_shown_and_given_to_the_network(last_cell, shown, capsys):
    seven(pen=20).crop((50, 0, 400, 400)).save(FILE)
    names = last_cell()
    assert capsys.readouterr() == ("", "")
    photograph, ink, digit = pictures_of(shown[0])
    assert photograph.shape == ink.shape == (400, 350)
    network, images = names["predict"].call_args.args
    low, high = names["test_images"].aminmax()
    assert network == "network"
    torch.testing.assert_close(images, torch.lerp(low, high, digit)[None, None])


def test_the_probabilities_of_all_ten_digits_are_shown(last_cell, shown):
    last_cell()
    axis = shown[0].axes[3]
    heights = [bar.get_height() for bar in axis.patches]
    assert len(heights) == 10
    assert sum(heights) == pytest.approx(1)
    assert heights.index(max(heights)) == 7
    assert axis.get_title() == "read as 7, probability 86%"


@pytest.mark.parametrize("name, picture, expected", NO_DIGITS)
def test_run_all_goes_through_with_a_picture_of_no_digit(
    last_cell, shown, capsys, name, picture, expected
):
    picture.save(FILE)
    last_cell()
    printed, errors = capsys.readouterr()
    assert expected in printed and printed.count("\n") == 1
    assert errors == "" and shown == []


@pytest.mark.parametrize("name, content, expected", FILES)
def test_run_all_goes_through_with_a_file_that_is_no_picture(
    last_cell, shown, capsys, tmp_path, name, content, expected
):
    (tmp_path / FILE).write_bytes(content)
    last_cell()
    printed, errors = capsys.readouterr()
    assert expected in printed and printed.count("\n") == 1
    assert errors == "" and shown == []
