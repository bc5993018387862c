"""The sibling networks are the published ones."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.models.base import Colorizer, count_parameters, no_grad_eval
from colorizer.models.pix2pix import PatchDiscriminator, Pix2Pix
from colorizer.models.siggraph17 import Siggraph17, class_of
from colorizer.models.wallner import WallnerAlpha, WallnerBeta


def shaken(model: Colorizer) -> Colorizer:
    """Random running statistics and no parameter left at zero: nothing cancels by accident."""
    draw = torch.Generator().manual_seed(7)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand(buffer.shape, generator=draw) + 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().max() == 0:
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)
    return no_grad_eval(model)


def test_every_sibling_has_its_published_number_of_parameters() -> None:
    """siggraph17 34.19 M; pix2pix's U-Net-256 54.4 M and PatchGAN 2.77 M; Wallner's 32,202 and 3.89 M."""
    with torch.device("meta"):
        models = [Siggraph17(), Pix2Pix(), PatchDiscriminator(), WallnerAlpha(), WallnerBeta()]
    siggraph, unet, patch, alpha, beta = map(count_parameters, models)
    assert siggraph == 34_187_027
    # The authors' code prints 54.414 M for 3 -> 3 channels; 1 -> 2 has 2 x 64 x 16 fewer in and 128 x 16 + 1 out.
    assert unet == 54_413_955 - 2 * 64 * 16 - (128 * 16 + 1)
    assert patch == 2_765_633
    assert alpha == 32_202
    assert round(beta / 1e6, 2) == 3.89


def conv(state: dict[str, Tensor], name: str, x: Tensor, dilation: int = 1) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.conv2d(x, weight, bias, padding=dilation * (weight.shape[-1] // 2), dilation=dilation)


def norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    mean, var, weight, bias = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    return (x - mean[:, None, None]) / torch.sqrt(var + 1e-5)[:, None, None] * weight[:, None, None] + bias[
        :, None, None
    ]


def siggraph_reference(state: dict[str, Tensor], L: Tensor, ab: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The 2017 network in plain functions, from design notes and the released module's layer names."""

    def block(number: int, x: Tensor, n: int, dilation: int = 1) -> Tensor:
        for i in range(n):
            x = F.relu(conv(state, f"model{number}.{2 * i}", x, dilation))
        return norm(state, f"model{number}.{2 * n}", x)

    def up(number: int, x: Tensor, short: str, y: Tensor) -> Tensor:
        weight, bias = state[f"model{number}up.0.weight"], state[f"model{number}up.0.bias"]
        return F.relu(F.conv_transpose2d(x, weight, bias, stride=2, padding=1) + conv(state, f"{short}.0", y))

    x1 = block(1, torch.cat(((L - 50) / 100, ab / 110, mask), 1), 2)
    x2 = block(2, x1[:, :, ::2, ::2], 2)
    x3 = block(3, x2[:, :, ::2, ::2], 3)
    x = block(4, x3[:, :, ::2, ::2], 3)
    x = block(7, block(6, block(5, x, 3, 2), 3, 2), 3)
    x = up(8, x, "model3short8", x3)
    x8 = norm(state, "model8.5", F.relu(conv(state, "model8.3", F.relu(conv(state, "model8.1", x)))))
    x = up(9, x8, "model2short9", x2)
    x = norm(state, "model9.3", F.relu(conv(state, "model9.1", x)))
    x = up(10, x, "model1short10", x1)
    x = F.leaky_relu(conv(state, "model10.1", x), 0.2)
    return torch.tanh(conv(state, "model_out.0", x)) * 110, conv(state, "model_class.0", x8)


def test_siggraph17_computes_what_the_released_module_computes() -> None:
    """Same state dict, same hints: ab and class logits equal a reference written in plain functions to 1e-4."""
    torch.manual_seed(0)
    model = shaken(Siggraph17(width=0.25))
    L, ab, mask = torch.rand(2, 1, 48, 64) * 100, torch.rand(2, 2, 48, 64) * 100 - 50, torch.zeros(2, 1, 48, 64)
    mask[:, :, 10:13, 20:23] = 1
    expected, classes = siggraph_reference(model.state_dict(), L, ab * mask, mask)
    torch.testing.assert_close(model.predict_ab(L, hint_ab=ab, hint_mask=mask), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model(torch.cat((L, ab * mask, mask), 1))[1], classes, atol=1e-4, rtol=1e-4)
    unhinted, _ = siggraph_reference(model.state_dict(), L, torch.zeros_like(ab), torch.zeros_like(mask))
    torch.testing.assert_close(model.predict_ab(L), unhinted, atol=1e-4, rtol=1e-4)
    assert (unhinted - expected).abs().max() > 1  # the hints mattered


def test_siggraph17_takes_the_released_state_dict_as_it_is() -> None:
    """Every name and shape of the released file, with and without BatchNorm's step counters, and no other."""
    with torch.device("meta"):
        model = Siggraph17()
    layout = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    convs = {
        f"model{b}.{i}": 3
        for b, n in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3), (6, 3), (7, 3))
        for i in range(0, 2 * n, 2)
    }
    convs |= dict.fromkeys(("model8.1", "model8.3", "model9.1", "model10.1"), 3)
    convs |= dict.fromkeys(("model3short8.0", "model2short9.0", "model1short10.0"), 3)
    convs |= dict.fromkeys(("model8up.0", "model9up.0", "model10up.0"), 4) | {"model_class.0": 1, "model_out.0": 1}
    norms = {"model1.4", "model2.4", *(f"model{b}.6" for b in range(3, 8)), "model8.5", "model9.3"}
    of_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(layout) == {f"{c}.{k}" for c in convs for k in ("weight", "bias")} | {
        f"{n}.{k}" for n in norms for k in of_norm
    }
    assert all(layout[f"{c}.weight"][-1] == side for c, side in convs.items())
    assert layout["model1.0.weight"] == (64, 4, 3, 3)
    assert layout["model_class.0.weight"] == (529, 256, 1, 1)
    state = {k: torch.randn(shape) for k, shape in layout.items() if "tracked" not in k}
    loaded = Siggraph17.from_published(state, flavour="pytorch")
    assert torch.equal(loaded.state_dict()["model10.1.weight"], state["model10.1.weight"])
    with pytest.raises(RuntimeError, match="model10"):
        Siggraph17.from_published({k: v for k, v in state.items() if "model10.1" not in k}, flavour="pytorch")


def test_hints_and_mask_belong_together() -> None:
    """One without the other, or of another size, is refused by name; a hint beyond the padding changes nothing."""
    model = shaken(Siggraph17(width=0.125))
    L = torch.rand(1, 1, 21, 30) * 100
    with pytest.raises(ValueError, match="hint_ab and hint_mask together"):
        model.predict_ab(L, hint_ab=torch.zeros(1, 2, 21, 30))
    with pytest.raises(ValueError, match=r"hint_mask of shape \(1, 1, 21, 30\), got \(1, 1, 8, 8\)"):
        model.predict_ab(L, hint_ab=torch.zeros(1, 2, 21, 30), hint_mask=torch.zeros(1, 1, 8, 8))
    # ab where the mask is 0 is no hint.
    unmasked = model.predict_ab(L, hint_ab=torch.full((1, 2, 21, 30), 50.0), hint_mask=torch.zeros(1, 1, 21, 30))
    torch.testing.assert_close(unmasked, model.predict_ab(L))


def test_the_529_classes_are_the_grid_of_ten() -> None:
    """Corner, centre and rounding of the grid over [-110, 110], a-major."""
    ab = torch.tensor([[-110.0, -110.0], [0.0, 0.0], [4.9, -5.1], [110.0, 110.0], [130.0, -130.0]])
    expected = [0, 11 * 23 + 11, 11 * 23 + 10, 528, 22 * 23]
    assert class_of(ab.T[None, :, None, :])[0, 0].tolist() == expected


def patch_side(network: nn.Sequential) -> int:
    """Side of the input square that one output number depends on."""
    side = 1
    for layer in reversed(network):
        if isinstance(layer, nn.Conv2d):
            side = side * layer.stride[0] + layer.kernel_size[0] - layer.stride[0]
    return side


def test_the_discriminator_sees_patches_of_70_pixels() -> None:
    """70 x 70 by its arithmetic, and by its gradient: an output depends on 70 rows and columns of the input."""
    network = PatchDiscriminator(width=0.125).eval()
    assert patch_side(network.layers) == 70
    L = torch.rand(1, 1, 160, 160, requires_grad=True)
    logits = network(L * 100, torch.zeros(1, 2, 160, 160))
    assert logits.shape == (1, 1, 18, 18)
    logits[0, 0, 9, 9].backward()
    rows = L.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_the_generator_is_symmetric_with_skips_and_dropout_in_three_ups() -> None:
    """Eight halvings to one pixel, BatchNorm not in the first and last, dropout three times, deterministic in use."""
    with torch.device("meta"):
        model = Pix2Pix()
    widths = [
        down[-2 if len(down) > 1 and isinstance(down[-1], nn.BatchNorm2d) else -1].out_channels for down in model.downs
    ]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    has_norm = [isinstance(down[-1], nn.BatchNorm2d) for down in model.downs]
    assert has_norm == [False, True, True, True, True, True, True, False]
    assert [any(isinstance(layer, nn.Dropout) for layer in up) for up in model.ups] == [False, True, True, True] + [
        False
    ] * 4
    assert [up[1].out_channels for up in model.ups] == [512, 512, 512, 512, 256, 128, 64, 2]
    assert model.multiple == 256


def wallner_reference(model: nn.Module, L: Tensor, plan: str) -> Tensor:
    """`c` convolution, `s` convolution of stride 2 with TensorFlow's padding, `u` nearest upsampling; tanh at two."""
    convs = iter([m for m in model.modules() if isinstance(m, nn.Conv2d)])
    x = L
    for letter in plan:
        if letter == "u":
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            continue
        layer = next(convs)
        if letter == "s":
            # "same" at stride 2 on even sides: the centre of each window is the second pixel of its pair.
            x = F.conv2d(x, layer.weight, layer.bias, padding=1)[:, :, 1::2, 1::2]
        else:
            x = F.conv2d(x, layer.weight, layer.bias, padding=1)
        x = torch.tanh(x) if layer.out_channels == 2 else F.relu(x)
    assert next(convs, None) is None
    return x * 128


@pytest.mark.parametrize(("make", "plan"), [(WallnerAlpha, "sccscsucucuc"), (WallnerBeta, "cscscscccucuccu")])
def test_wallners_networks_compute_what_their_plan_says(make: type, plan: str) -> None:
    """Raw L in, Keras's "same" padding, nearest upsampling, tanh times 128 out."""
    torch.manual_seed(0)
    model = shaken(make())
    L = torch.rand(1, 1, 32, 40) * 100
    torch.testing.assert_close(model.predict_ab(L), wallner_reference(model, L, plan), atol=1e-3, rtol=1e-4)
