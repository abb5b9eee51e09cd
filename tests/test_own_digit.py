"""A photographed digit becomes an image like MNIST's; what goes wrong is one sentence."""

import cells
import pytest
import torch
import torch.nn.functional as F
from PIL import Image


def photograph(picture, path):
    """Save grey levels (height, width) in colour, as a camera does that is held sideways."""
    note = Image.Exif()
    note[0x0112] = 5  # rows and columns are exchanged
    sideways = Image.fromarray(picture.T.contiguous().to(torch.uint8).numpy())
    sideways.convert("RGB").save(path, "JPEG", quality=95, exif=note)


@pytest.fixture
def read(notebook, names, monkeypatch, tmp_path, shown):
    """A function that reads grey levels as the notebook does, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names.update(low=torch.tensor(-0.4), high=torch.tensor(2.8), device="cpu")
    cells.run(notebook, names, "own-digit")
    return lambda picture: photograph(picture, "digit") or names["read_digit"]("digit")


def test_a_bar_is_scaled_to_20_pixels_centred_and_made_white_on_black(read):
    bar, leg = torch.full((2, 300, 400), 220.0)
    bar[40:120, 300:340] = leg[40:200, 200:212] = leg[200:240, 100:300] = 20
    digit, leg = read(bar)[0], read(leg)[0]
    expected = F.pad(torch.ones(20, 10), (9, 9, 4, 4))
    assert digit.shape == (28, 28) and torch.equal(digit > 0.5, expected > 0.5)
    assert digit.min() >= 0 and digit.max() == pytest.approx(1, abs=0.1)
    assert (digit - expected).abs().mean() < 0.02
    assert leg[0].max() > 0.5 and leg[20:].max() < 0.1  # cut at the top, and gone


def test_photographs_of_200_digits_are_read_as_what_they_show(read, names, mnist):
    """Each is nearest to its own original of all 200, moved by at most two pixels."""
    low, high = mnist[2].aminmax()
    digits, results = (mnist[2][:200] - low) / (high - low), torch.empty(200, 1, 28, 28)
    for digit, result in zip(digits, results):
        size, paper, *margins = (torch.rand(6) * 100).int().tolist()
        ink = F.interpolate(digit[None], size=2 * [80 + 2 * size], mode="bilinear")
        picture = (150 + 0.8 * paper) * (1 - 0.85 * F.pad(ink[0, 0], margins))
        result[:] = read((picture + 3 * torch.randn(picture.shape)).clamp(0, 255))
    moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    originals = torch.cat([digits.roll(move, (2, 3)) for move in moves]).flatten(1)
    nearest = torch.cdist(results.flatten(1), originals).argmin(dim=1) % 200
    assert (nearest == torch.arange(200)).sum() >= 195
    weights, network = cells.ROOT / names["WEIGHTS_FILE"], names["Net"]()
    if not weights.exists():
        pytest.skip("the network is not asked: the notebook has not left its weights here")
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    assert names["evaluate"](network, torch.lerp(low, high, results), mnist[3][:200])[1] >= 190


def test_the_cell_shows_the_digit_and_the_network_s_answer(read, names, notebook, shown):
    digit = read(220 - 200 * torch.eye(3).kron(torch.ones(100, 100)))
    answer = 4.0 * F.one_hot(torch.tensor([7]), 10)
    names.update(DIGIT_FILE="digit", trained_model="network")
    names["predict"] = lambda *given: names.update(given=given) or answer.log_softmax(1)
    cells.run(notebook, names, "own-digit")
    network, images = names["given"]
    torch.testing.assert_close(images, -0.4 + 3.2 * digit[None])
    (axis,) = shown[0].axes
    assert torch.equal(torch.tensor(axis.images[0].get_array()), images[0, 0])
    assert (network, axis.get_title()) == ("network", "read as 7, probability 86%")


def test_an_empty_sheet_is_one_sentence(read, names, notebook, shown, capfd, tmp_path):
    cells.run(notebook, names, "own-digit")  # there is no file
    file = tmp_path / "my-digit.png"
    file.write_bytes(b"no picture")
    cells.run(notebook, names, "own-digit")
    for grey in (220, 0):
        photograph(torch.full((300, 400), grey), file)
        cells.run(notebook, names, "own-digit")
    advice = "Put a photograph of one dark digit on light paper into my-digit.png.\n"
    assert capfd.readouterr() == (4 * advice, "") and shown == []
