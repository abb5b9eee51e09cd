"""Augmentation: each training image is turned, moved and resized as the settings say."""

import pytest
import torch


def coordinates(side):
    """Return two images (side, side): each pixel holds its own x, or its own y.

    Both are counted from the middle. After augmentation, a pixel of the two images tells
    from where in the original it came.
    """
    along = torch.arange(float(side)) - (side - 1) / 2
    y, x = torch.meshgrid(along, along, indexing="ij")
    return x, y


def origins(turn, growth, right, down, x, y):
    """Return where the pixels at x and y come from, as computed by hand."""
    from_x = (torch.cos(turn) * x - torch.sin(turn) * y) / growth + right
    from_y = (torch.sin(turn) * x + torch.cos(turn) * y) / growth + down
    return from_x, from_y


@pytest.mark.parametrize(
    "rotation, shift, scale", [(0, 0, 0), (40, 0, 0), (0, 3, 0), (0, 0, 0.3), (9, 1, 0.2)]
)
def test_each_pixel_comes_from_where_its_image_s_own_draws_say(define, rotation, shift, scale):
    """Beyond the edge, the pixels at the edge are repeated."""
    random_affine = define(ROTATION=rotation, SHIFT=shift, SCALE=scale)["random_affine"]
    x, y = coordinates(side=9)
    images = torch.stack([x, y, 2 * x, 2 * y])[:, None]

    torch.manual_seed(1)
    augmented = random_affine(images)

    torch.manual_seed(1)
    draws = 2 * torch.rand(4, len(images)) - 1  # the same as in the function
    for number, (turn, growth, right, down) in enumerate(draws.T):
        turn, growth = torch.deg2rad(rotation * turn), 1 + scale * growth
        from_x, from_y = origins(turn, growth, shift * right, shift * down, x, y)
        expected = [from_x, from_y, 2 * from_x, 2 * from_y][number]
        border = images[number].max()
        expected = expected.clamp(-border, border)
        torch.testing.assert_close(augmented[number, 0], expected, atol=1e-4, rtol=0)
