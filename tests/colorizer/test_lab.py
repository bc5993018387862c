"""Lab agrees with scikit-image and returns."""

import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab

from colorizer.lab import lab_to_rgb, lab_to_rgb_unclipped, lightness_of_levels, lightness_to_grey, rgb_to_lab


def as_image(colours_N3: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(colours_N3.astype(np.float32)).T.reshape(1, 3, 1, -1)


def test_lab_equals_scikit_image_on_every_corner_of_srgb() -> None:
    """The eight corners of sRGB agree with scikit-image 0.26 to 1e-3."""
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    ours = rgb_to_lab(as_image(corners))[0].reshape(3, -1).T.numpy()
    np.testing.assert_allclose(ours, rgb2lab(corners[None])[0], atol=1e-3)


def test_lab_equals_scikit_image_on_random_colours() -> None:
    """20,000 random colours agree with scikit-image to 1e-3, dark ones included."""
    rng = np.random.default_rng(0)
    colours = np.concatenate((rng.random((10_000, 3)), rng.random((10_000, 3)) * 0.05))
    ours = rgb_to_lab(as_image(colours))[0].reshape(3, -1).T.numpy()
    np.testing.assert_allclose(ours, rgb2lab(colours[None])[0], atol=1e-3)


def test_back_to_rgb_equals_scikit_image_where_it_is_in_gamut() -> None:
    """Lab of random colours comes back as scikit-image brings it back."""
    colours = np.random.default_rng(1).random((5_000, 3))
    lab = rgb2lab(colours[None])[0]
    ours = lab_to_rgb(as_image(lab))[0].reshape(3, -1).T.numpy()
    np.testing.assert_allclose(ours, lab2rgb(lab[None])[0], atol=1e-4)


@settings(max_examples=50)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_8_bit_colour_survives_the_round_trip(colour: tuple[int, int, int]) -> None:
    """8-bit sRGB → Lab → 8-bit sRGB is the identity: the real picture loses nothing on the common path."""
    rgb = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1) / 255
    back = (lab_to_rgb(rgb_to_lab(rgb)) * 255).round().flatten().int().tolist()
    assert tuple(back) == colour


def test_out_of_gamut_colours_leave_the_unit_cube_and_are_clipped() -> None:
    """A saturated blue at high lightness has no sRGB: unclipped says so, clipped stays in [0, 1]."""
    lab = torch.tensor([90.0, 20.0, -100.0]).view(1, 3, 1, 1)
    assert float(lab_to_rgb_unclipped(lab).max()) > 1.0
    assert 0.0 <= float(lab_to_rgb(lab).min()) <= float(lab_to_rgb(lab).max()) <= 1.0


def test_lightness_as_grey_has_that_lightness() -> None:
    """The grey made from L has exactly that L."""
    L = torch.linspace(0, 100, 101).view(1, 1, 1, -1)
    grey = lightness_to_grey(L)
    assert grey.min() >= 0
    torch.testing.assert_close(rgb_to_lab(grey.expand(-1, 3, -1, -1))[:, :1], L, atol=2e-2, rtol=0)


def test_the_lightness_of_levels_is_that_of_lab() -> None:
    """All 256 greys, the corners, and 20,000 random colours of 8 bits: to 1e-4 of rgb_to_lab."""
    rng = np.random.default_rng(2)
    levels = np.concatenate([
        np.repeat(np.arange(256)[:, None], 3, axis=1),
        np.array(list(itertools.product((0, 255), repeat=3))),
        rng.integers(0, 256, (20_000, 3)),
    ]).astype(np.uint8)[:, None]  # fmt: skip
    exact = rgb_to_lab(torch.from_numpy(levels).permute(2, 0, 1)[None].double() / 255.0)[:, :1]
    torch.testing.assert_close(lightness_of_levels(levels).double(), exact, rtol=0, atol=1e-4)
