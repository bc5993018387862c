"""The two small networks of Emil Wallner, "How to colorize black & white photos with just 100 lines", 2017.

The alpha version learns a single photograph by heart; the beta version learns from many.  Both take raw L (0 to
100), give ab/128 through tanh and are trained by squared error.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.models.base import RegressingColorizer

AB_SCALE = 128.0
_UP = 0  # in a list of layers: double the size by repeating pixels

# (channels, stride) of each 3 x 3 convolution.
_ALPHA = ((8, 2), (8, 1), (16, 1), (16, 2), (32, 1), (32, 2), _UP, (32, 1), _UP, (16, 1), _UP, (2, 1))
_BETA = ((64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (256, 1), (128, 1), _UP, (64, 1), _UP,
         (32, 1), (2, 1), _UP)  # fmt: skip


class _SameConv(nn.Conv2d):
    """3 x 3 convolution with Keras's "same" padding: at stride 2 the missing pixel is on the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1) if self.stride[0] == 2 else (1, 1, 1, 1)))


class _Wallner(RegressingColorizer):
    multiple = 8
    stride = 1

    def __init__(self, layers: tuple[tuple[int, int] | int, ...]) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        c_in = 1
        for layer in layers:
            if isinstance(layer, int):
                modules.append(nn.Upsample(scale_factor=2, mode="nearest"))
                continue
            c_out, stride = layer
            modules += [_SameConv(c_in, c_out, 3, stride=stride), nn.Tanh() if c_out == 2 else nn.ReLU()]
            c_in = c_out
        self.layers = nn.Sequential(*modules)
        for module in modules:
            if isinstance(module, nn.Conv2d):  # Keras's defaults
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> ab (B, 2, H, W) in CIE units."""
        ab: Tensor = self.layers(L_B1HW) * AB_SCALE
        return ab


class WallnerAlpha(_Wallner):
    """The alpha bot: 32,202 parameters, made to overfit one photograph."""

    name = "wallner-alpha"

    def __init__(self) -> None:
        super().__init__(_ALPHA)


class WallnerBeta(_Wallner):
    """The beta version: 3.9 M parameters, trained on many photographs."""

    name = "wallner-beta"

    def __init__(self) -> None:
        super().__init__(_BETA)
