"""Winograd's convolution is the convolution: the same numbers from a quarter of the products."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from colorizer import winograd, winograd_transforms
from colorizer.checkpoints import load_model
from colorizer.models.base import no_grad_eval
from colorizer.models.zhang2016 import Zhang2016
from colorizer.native import compiled
from colorizer.render import Look, lightness_for, predict_batch
from colorizer.winograd import WinogradConv2d, fits, with_winograd
from colorizer.winograd_int8 import Int8WinogradConv2d, with_winograd_int8

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "photos").glob("*.jpg"))
CONVOLUTIONS = pytest.mark.parametrize(
    "conv",
    [nn.Conv2d(64, 96, 3, padding=1), nn.Conv2d(64, 64, 3, padding=2, dilation=2), nn.ConvTranspose2d(64, 96, 4, 2, 1)],
    ids=["plain", "dilated", "transposed"],
)
sides = st.integers(1, 14)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), sides, sides),
    channels_out=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    has_bias=st.booleans(),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=15, deadline=None)
def test_it_equals_torchs_convolution(shape, channels_out, dilation, padding, has_bias, seed):
    """Any size, dilation and padding, in double precision to rounding."""
    if min(s + 2 * p - 2 * dilation for s, p in zip(shape[2:], padding, strict=True)) < 1:
        return
    torch.manual_seed(seed)
    conv = nn.Conv2d(shape[1], channels_out, 3, padding=padding, dilation=dilation, bias=has_bias).double()
    x = torch.randn(shape, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(WinogradConv2d(conv, dtype=torch.float64)(x), conv(x), rtol=0, atol=1e-12)


@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 5), sides, sides), seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_it_equals_torchs_transposed_convolution(shape, seed):
    """The 4x4 of stride 2 that doubles the size, with the ReLU behind it."""
    torch.manual_seed(seed)
    conv = nn.ConvTranspose2d(shape[1], 3, 4, stride=2, padding=1).double()
    x = torch.randn(shape, dtype=torch.float64)
    with torch.inference_mode():
        ours = WinogradConv2d(conv, dtype=torch.float64, has_relu=True)(x)
        torch.testing.assert_close(ours, F.relu(conv(x)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dilation", "height", "width"), [(1, 22, 37), (2, 25, 19)])
def test_a_picture_in_many_parts_is_the_same(monkeypatch, dilation, height, width):
    """Parts and passes do not show, however small they are."""
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 5, 3, padding=dilation, dilation=dilation).double()
    x = torch.randn(2, 6, height, width, dtype=torch.float64)
    monkeypatch.setattr(winograd, "_CACHED", 200)
    monkeypatch.setattr(winograd, "_LEAST_TILES", 10)
    with torch.inference_mode():
        torch.testing.assert_close(WinogradConv2d(conv, dtype=torch.float64)(x), conv(x), rtol=0, atol=1e-12)


def test_the_transforms_are_exact_in_bfloat16():
    """Rounding the transforms themselves would be an error that no averaging over channels takes away."""
    for exact, rounded in zip(
        winograd_transforms.transforms(torch.float64)[:2],
        winograd_transforms.transforms(torch.bfloat16)[:2],
        strict=True,
    ):
        assert torch.equal(exact, rounded.double())


def test_what_it_takes_and_what_it_leaves():
    """Strides, groups, other kernels, odd borders and few channels stay torch's."""
    assert fits(nn.Conv2d(64, 64, 3, padding=2, dilation=2))
    assert fits(nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1))
    for other in (
        nn.Conv2d(64, 64, 3, stride=2), nn.Conv2d(64, 64, 3, groups=2), nn.Conv2d(64, 64, 5), nn.Conv2d(1, 64, 3),
        nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"), nn.Conv2d(64, 64, 3, dilation=(1, 2)),
        nn.Conv2d(64, 64, 3, padding="same"), nn.ConvTranspose2d(64, 64, 4, stride=2), nn.ReLU(),
    ):  # fmt: skip
        assert not fits(other)


@pytest.fixture(scope="module")
def lightness():
    """L of a real photograph, 100 x 132: no multiple of a tile."""
    with Image.open(SAMPLES[0]) as image:
        rgb = np.asarray(image.convert("RGB").resize((132, 100)))
    return lightness_for(rgb, Look(working_px=100), Zhang2016(width=0.125))


def test_the_2016_network_keeps_its_colours(lightness):
    """In fp32 to 1e-3, in bf16 within twice what direct bf16 differs from fp32; the loaded model stays as it was."""
    torch.manual_seed(0)
    model = Zhang2016(width=0.25).train()
    with torch.no_grad():
        model(lightness)  # settles BatchNorm
        model.model8[-1].weight *= 10  # as sure of its colours as a trained one
    no_grad_eval(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    full = predict_batch(model, lightness, Look(bf16=False))
    same = predict_batch(with_winograd(model, dtype=torch.float32), lightness, Look(bf16=False))
    assert full.abs().mean() > 5
    assert (same - full).abs().max() < 1e-3
    fast = with_winograd(model)
    assert sum(isinstance(m, WinogradConv2d) for m in fast.modules()) == 16
    direct, ours = (predict_batch(m, lightness, Look()) - full for m in (model, fast))
    assert direct.abs().mean() > 0
    assert ours.abs().mean() < min(0.5, 2 * direct.abs().mean())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_the_shipped_network_keeps_its_colours(lightness):
    """Trained weights, at the temperature they are used with."""
    model = load_model("truehue-lite")
    full = predict_batch(model, lightness, Look(bf16=False))
    assert (
        predict_batch(with_winograd(model, dtype=torch.float32), lightness, Look(bf16=False)) - full
    ).abs().max() < 1e-3
    assert (predict_batch(with_winograd(model), lightness, Look()) - full).abs().mean() < 0.5


@pytest.mark.compiler
@CONVOLUTIONS
def test_products_in_int8_stay_near(conv):
    """Sides that fit no tile, pictures of other sizes after one another: a few percent of the output's spread."""
    torch.manual_seed(0)
    conv = type(conv)(256, 256, conv.kernel_size, conv.stride, conv.padding, dilation=conv.dilation)
    layer = Int8WinogradConv2d(conv, dtype=torch.bfloat16, has_relu=True)
    for shape in ((2, 256, 19, 22), (1, 256, 8, 9)):
        x = torch.rand(shape)
        x[:, :, 3] *= 50  # a row far brighter: a scale for the whole picture would lose the rest
        exact = conv(x).relu()
        with torch.inference_mode():
            error = layer(x) - exact
        assert error.shape == exact.shape
        assert 0 < error[..., -6:, :].std() < 0.05 * exact[..., -6:, :].std()


@pytest.mark.compiler
def test_whole_networks_in_int8_keep_their_colours(lightness, monkeypatch):
    """Trained weights: colours within half a unit of fp32's; without a compiler one line says what is missing."""
    model = load_model("truehue-lite")
    fast = with_winograd_int8(model)
    assert any(isinstance(layer, Int8WinogradConv2d) for layer in fast.modules())
    exact = predict_batch(model, lightness, Look(bf16=False))
    assert 0 < (predict_batch(fast, lightness, Look()) - exact).abs().mean() < 0.5
    monkeypatch.setattr("colorizer.winograd_int8.native", lambda *_: None)
    with pytest.raises(ValueError, match="needs a C compiler"):
        with_winograd_int8(model)


@pytest.mark.compiler
@CONVOLUTIONS
def test_the_transforms_in_c_are_no_worse_than_those_of_torch(conv, monkeypatch):
    """Sides that fit no tile, two pictures: as near to the exact convolution as torch's transforms in bf16 are."""
    assert winograd_transforms.native(torch.bfloat16, 64) is not None
    assert winograd_transforms.native(torch.float32, 64) is winograd_transforms.native(torch.bfloat16, 63) is None
    torch.manual_seed(0)
    x = torch.rand(2, 64, 19, 22)
    exact = conv.double()(x.double()).relu()
    layer = WinogradConv2d(conv, dtype=torch.bfloat16, has_relu=True)
    with torch.inference_mode():
        in_c = layer(x)
        monkeypatch.setattr(winograd_transforms, "native", lambda *_: None)
        in_torch = layer(x)
    error, error_of_torch = ((y - exact).std() / exact.std() for y in (in_c, in_torch))
    assert in_c.shape == exact.shape
    assert 0 < error < 1.05 * error_of_torch < 0.1


@pytest.mark.parametrize(("variable", "value"), [("CC", "false"), ("CC", "/no/such/compiler"), ("PATH", "")])
def test_without_a_compiler_torch_does_it(variable, value, monkeypatch, tmp_path):
    """A compiler that is not there or fails is no error, and leaves nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if variable == "PATH":
        monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv(variable, value)
    assert compiled.__wrapped__(Path(winograd.__file__).with_suffix(".c")) is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
