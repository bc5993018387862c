"""Winograd's convolution in training: outputs and gradients are those of the convolution."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from colorizer import winograd_training
from colorizer.winograd_training import Conv2d, ConvReLU, _Winograd

pytestmark = pytest.mark.compiler
SHAPES = pytest.mark.parametrize(
    ("channels", "height", "width", "dilation", "padding"),
    [((128, 160), 19, 22, 1, 1), ((160, 128), 11, 9, 2, 2), ((128, 128), 6, 5, 1, (0, 2))],
    ids=["plain", "dilated", "uneven"],
)


@pytest.fixture(autouse=True)
def _no_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU without it, whatever runs the tests."""
    monkeypatch.setattr(winograd_training, "pays", lambda: True)


def used(run: Callable[[], Tensor], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether Winograd's algorithm ran."""
    calls = []
    apply = _Winograd.apply
    with monkeypatch.context() as patch:
        patch.setattr(_Winograd, "apply", lambda *given: calls.append(1) or apply(*given))
        run()
    return bool(calls)


def relative(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


@SHAPES
@pytest.mark.parametrize("layer", [Conv2d, ConvReLU])
def test_outputs_and_gradients_are_those_of_the_convolution(layer, channels, height, width, dilation, padding):
    """In bf16, against double precision: 2 % of their norm, where direct bf16 has .3 %."""
    torch.manual_seed(0)
    conv = layer(*channels, 3, padding=padding, dilation=dilation)
    exact = nn.Conv2d(*channels, 3, padding=padding, dilation=dilation).double()
    exact.load_state_dict(conv.state_dict())
    x = torch.randn(3, channels[0], height, width).relu()
    x_ours, x_exact = x.clone().requires_grad_(), x.double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x_ours)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    y_exact = exact(x_exact)
    # The ReLU's gradient is taken where ours is positive: near zero the two round to different sides.
    y_exact = y_exact * (y.detach() > 0) if layer is ConvReLU else y_exact
    above = torch.randn(y.shape)
    y.backward(above.to(y.dtype))
    y_exact.backward(above.double())
    assert conv.weight.grad is not None
    assert conv.bias is not None
    assert conv.bias.grad is not None
    assert exact.bias is not None
    pairs = [(y.detach(), y_exact.detach()), (x_ours.grad, x_exact.grad), (conv.weight.grad, exact.weight.grad)]
    for ours, theirs in pairs:
        assert ours is not None
        assert theirs is not None
        assert 0.005 < relative(ours, theirs) < 0.03  # below: it was not Winograd's
    assert relative(conv.bias.grad, exact.bias.grad) < 0.01


def test_it_learns_what_the_direct_convolution_learns():
    """Twenty steps of a small network: the loss falls as far."""
    losses = {}
    for is_direct in (True, False):
        torch.manual_seed(0)
        network = nn.Sequential(ConvReLU(128, 128, 3, padding=1), ConvReLU(128, 128, 3, padding=2, dilation=2))
        for layer in network:
            layer.is_direct = is_direct
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        x, wanted = torch.randn(4, 128, 12, 12), torch.randn(4, 128, 12, 12).relu()
        for _ in range(20):
            with torch.autocast("cpu", torch.bfloat16):
                loss = (network(x).float() - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[is_direct] = float(loss.detach())
    assert losses[False] < 0.45  # it began at .50
    assert losses[False] == pytest.approx(losses[True], rel=0.01)


def test_twice_is_the_same_to_the_bit():
    """On all cores: a run that goes on must end where an uninterrupted one does."""
    conv = ConvReLU(128, 128, 3, padding=1)
    x, above = torch.randn(5, 128, 13, 10), torch.randn(5, 128, 13, 10)
    found = []
    for _ in range(2):
        conv.zero_grad()
        x_again = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = conv(x_again)
        y.backward(above.to(y.dtype))
        found.append([y.detach(), x_again.grad, conv.weight.grad.clone(), conv.bias.grad.clone()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_frozen_weights_and_inputs_get_no_gradient():
    """Each alone; a convolution without a bias."""
    x = torch.randn(1, 128, 8, 8)
    conv = Conv2d(128, 128, 3, padding=1, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        conv(x).sum().backward()
    assert conv.weight.grad is not None
    assert x.grad is None
    conv.weight.requires_grad_(False)
    conv.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        conv(x.requires_grad_()).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None


@pytest.mark.parametrize("shape", [(1, 128, 7, 9), (2, 128, 1, 5), (3, 128, 1, 1)])
def test_sides_of_one(shape):
    """One picture, one row, one pixel: their memory has steps that mean nothing, in the gradient others than in y."""
    torch.manual_seed(0)
    conv, x = ConvReLU(128, 128, 3, padding=1), torch.randn(shape)
    exact = nn.Conv2d(128, 128, 3, padding=1).double()
    exact.load_state_dict(conv.state_dict())
    x_ours, x_exact = x.clone().requires_grad_(), x.double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x_ours)
    above = torch.randn(shape, dtype=torch.bfloat16)[None][0]
    odd = above.as_strided(shape, [step if n > 1 else 977 for n, step in zip(shape, above.stride(), strict=True)])
    y.backward(odd)
    (exact(x_exact) * (y.detach() > 0)).backward(above.double())
    assert relative(x_ours.grad, x_exact.grad) < 0.03
    assert relative(conv.weight.grad, exact.weight.grad) < 0.03


def test_it_is_taken_only_where_it_is_faster(monkeypatch):
    """bf16 and gradients on a CPU without matrix units, enough channels, stride 1, a compiler."""
    x = torch.randn(1, 128, 8, 8)

    def run(layer: nn.Module, dtype: torch.dtype = torch.bfloat16, *, is_on: bool = True) -> Callable[[], Tensor]:
        def once() -> Tensor:
            with torch.autocast("cpu", dtype, enabled=is_on):
                return layer(x[:, : layer.in_channels])

        return once

    usual = Conv2d(128, 128, 3, padding=1)
    assert used(run(usual), monkeypatch)
    assert not used(run(usual, is_on=False), monkeypatch)
    assert not used(run(usual, torch.float16), monkeypatch)
    with torch.no_grad():
        assert not used(run(usual), monkeypatch)
    assert not used(run(Conv2d(64, 128, 3, padding=1)), monkeypatch)
    assert not used(run(Conv2d(128, 128, 3, padding=1, stride=2)), monkeypatch)
    usual.is_direct = True
    assert not used(run(usual), monkeypatch)
    usual.is_direct = False
    monkeypatch.setattr(winograd_training, "native", lambda *_: None)
    assert not used(run(usual), monkeypatch)
    monkeypatch.undo()
    monkeypatch.setattr(winograd_training, "pays", lambda: False)
    assert not used(run(usual), monkeypatch)
