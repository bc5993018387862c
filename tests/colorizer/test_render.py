"""Colouring keeps the lightness, the size and the memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer import render
from colorizer.models.base import no_grad_eval
from colorizer.models.zhang2016 import Zhang2016
from colorizer.render import colorize, from_lab, predict_ab, to_lab

from .conftest import make_photo


@pytest.fixture(scope="module")
def model() -> Zhang2016:
    torch.manual_seed(0)
    return no_grad_eval(Zhang2016(width=0.125))  # type: ignore[return-value]


def test_the_real_picture_is_the_identity_of_the_common_path() -> None:
    """Lab and back changes no pixel of an 8-bit photograph."""
    photo = np.asarray(make_photo(0))
    lab = to_lab(photo)
    rendered = from_lab(lab[:, :1], lab[:, 1:])
    np.testing.assert_array_equal(rendered.rgb_HW3, photo)
    assert rendered.clipped_share == 0.0


def test_colouring_keeps_size_and_lightness(model: Zhang2016) -> None:
    """The output has the input's size; where nothing was clipped its L is the input's to half a level."""
    photo = make_photo(2, size=(71, 53))
    coloured = colorize(photo, model=model, bf16=False)
    assert coloured.size == (71, 53)
    L_in, L_out = (to_lab(np.asarray(p))[:, :1] for p in (photo, coloured))
    assert float((L_in - L_out).abs().median()) < 0.3


def test_input_colours_do_not_matter(model: Zhang2016) -> None:
    """A photograph and its own L without colour are coloured the same, up to rounding of that grey."""
    L = to_lab(np.asarray(make_photo(4)))[:, :1]
    grey = from_lab(L, torch.zeros(1, 2, *L.shape[-2:])).rgb_HW3
    a, b = (
        np.asarray(colorize(p, model=model, bf16=False)).astype(int) for p in (make_photo(4), Image.fromarray(grey))
    )
    assert np.abs(a - b).mean() < 3


def test_bands_do_not_show(model: Zhang2016, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting in bands of rows gives what one piece gives, to one level of rounding."""
    photo = make_photo(5, size=(90, 130))
    whole = np.asarray(colorize(photo, model=model, bf16=False)).astype(int)
    monkeypatch.setattr(render, "_BAND_PIXELS", 700)
    banded = np.asarray(colorize(photo, model=model, bf16=False)).astype(int)
    assert np.abs(whole - banded).max() <= 1


def test_working_size_bounds_what_the_network_sees(model: Zhang2016) -> None:
    """Whatever the photograph's size, the network sees its short side at `working_px`; ab comes at full size."""
    seen: list[tuple[int, ...]] = []

    class Watching(Zhang2016):
        def predict_ab(self, L_B1HW: torch.Tensor, *, temperature: float | None = None) -> torch.Tensor:
            seen.append(tuple(L_B1HW.shape[-2:]))
            return L_B1HW.expand(-1, 2, -1, -1)

    ab = predict_ab(Watching(width=0.0625), torch.rand(1, 1, 300, 400), working_px=64)
    assert seen == [(64, 85)]
    assert ab.shape == (1, 2, 300, 400)


def test_a_path_or_bytes_will_do(model: Zhang2016, tmp_path: Path) -> None:
    """`colorize` takes a path, a string or a file's bytes."""
    make_photo(1).save(tmp_path / "a.png")
    one = colorize(tmp_path / "a.png", model=model)
    two = colorize((tmp_path / "a.png").read_bytes(), model=model)
    assert one.tobytes() == two.tobytes() == colorize(str(tmp_path / "a.png"), model=model).tobytes()
