"""What every colorizer is: a module that turns L into ab."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.decoding import PAPER_TEMPERATURE, annealed_mean


class Colorizer(nn.Module, ABC):
    """A system that colours: `predict_ab(L_B1HW) -> ab_B2HW`, L in [0, 100], ab in CIE units.

    `multiple` is what height and width must be multiples of inside; `predict_ab` pads and crops by itself.
    """

    name: str = ""
    multiple: int = 8
    working_px: int = 256  # short side at which it colours best

    @abstractmethod
    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Colours for these lightnesses, at the same height and width."""


class ClassifyingColorizer(Colorizer):
    """A colorizer that predicts a distribution over the 313 ab bins at a quarter of the size."""

    temperature: float = PAPER_TEMPERATURE
    stride: int = 4  # of the logits

    @abstractmethod
    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] with sides that are multiples of `multiple` -> logits (B, 313, H/4, W/4)."""

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Annealed mean of the predicted distribution, upsampled (bilinear) to the size of L."""
        if L_B1HW.dim() != 4 or L_B1HW.shape[1] != 1:
            raise ValueError(f"{self.name}: expected L of shape (B, 1, H, W), got {tuple(L_B1HW.shape)}")
        height, width = L_B1HW.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        # Replicating the edge is the one padding that also works for images smaller than the padding.
        padded = F.pad(L_B1HW, (0, pad_w, 0, pad_h), mode="replicate")
        logits = self(padded)
        ab = annealed_mean(logits, temperature=self.temperature if temperature is None else temperature)
        ab = F.interpolate(ab, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return ab[..., :height, :width]


def conv_stack(channels_in: int, channels_out: int, n: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """`n` times 3x3 convolution and ReLU; the stride sits in the last one (as in Zhang et al. 2016)."""
    layers: list[nn.Module] = []
    for i in range(n):
        is_last = i == n - 1
        layers += [
            nn.Conv2d(
                channels_in if i == 0 else channels_out,
                channels_out,
                3,
                stride=stride if is_last else 1,
                padding=dilation,
                dilation=dilation,
            ),
            nn.ReLU(inplace=True),
        ]
    return layers


def init_he(module: nn.Module) -> None:
    """He initialisation of every convolution (the substitute for the released 'magic init')."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def count_parameters(module: nn.Module) -> int:
    """Number of learned numbers."""
    return sum(p.numel() for p in module.parameters())


def no_grad_eval(model: Colorizer) -> Colorizer:
    """Set for use: evaluation mode, no gradients, channels last in memory (fast on CPUs with bf16 units)."""
    for p in model.parameters():
        p.requires_grad_(False)
    return model.eval().to(memory_format=torch.channels_last)
