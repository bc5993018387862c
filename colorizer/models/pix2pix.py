"""Colorization by a conditional GAN: Isola et al., "Image-to-Image Translation with Conditional ...", CVPR 2017.

The generator is their U-Net-256, the discriminator their 70 x 70 PatchGAN; L/50 - 1 goes in, ab/110 comes out.
"""

import torch
from torch import Tensor, nn

from colorizer.models.base import RegressingColorizer

AB_SCALE = 110.0
_LEAK = 0.2


def init_normal(module: nn.Module) -> None:
    """Weights from N(0, 0.02), BatchNorm scales from N(1, 0.02) (Isola et al. 2017, section 6.2)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Pix2Pix(RegressingColorizer):
    """U-Net of 4 x 4 convolutions of stride 2: `n_downs` = 8 is the published U-Net-256, 7 its U-Net-128.

    Channels double from 64 `width` to 512 `width`.  BatchNorm everywhere but in the first and last layers down and
    the last up; dropout of one half in the first three ups of full width, in training only: in use it colours a
    photograph the same way each time.
    """

    name = "pix2pix"
    stride = 1
    objective = "adversarial"

    def __init__(self, n_downs: int = 8, width: float = 1.0) -> None:
        super().__init__()
        if n_downs < 5:
            raise ValueError(f"pix2pix: expected at least 5 halvings, got {n_downs}")
        self.multiple = 2**n_downs
        c = [max(8, round(width * min(512, 64 * 2**i))) for i in range(n_downs)]
        downs, ups = [], []
        for i in range(n_downs):
            is_plain = i in (0, n_downs - 1)
            layers: list[nn.Module] = [] if i == 0 else [nn.LeakyReLU(_LEAK)]
            layers.append(nn.Conv2d(c[i - 1] if i else 1, c[i], 4, stride=2, padding=1, bias=False))
            downs.append(nn.Sequential(*layers, *([] if is_plain else [nn.BatchNorm2d(c[i])])))
        for i in reversed(range(n_downs)):  # the up that mirrors down i; all but the innermost also read its output
            c_in = c[i] if i == n_downs - 1 else 2 * c[i]
            layers = [nn.ReLU(), nn.ConvTranspose2d(c_in, c[i - 1] if i else 2, 4, stride=2, padding=1, bias=i == 0)]
            if i == 0:
                layers.append(nn.Tanh())
            else:
                layers.append(nn.BatchNorm2d(c[i - 1]))
                if n_downs - 4 <= i < n_downs - 1:
                    layers.append(nn.Dropout(0.5))
            ups.append(nn.Sequential(*layers))
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        init_normal(self)

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> ab (B, 2, H, W) in CIE units."""
        x = L_B1HW / 50.0 - 1.0
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.ups[0](skips.pop())
        for up in self.ups[1:]:
            x = up(torch.cat((x, skips.pop()), dim=1))
        return torch.as_tensor(x * AB_SCALE)


class PatchDiscriminator(nn.Module):
    """Says of every 70 x 70 patch whether its colours are the photograph's own: logits, one per 8 pixels."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (max(8, round(width * c)) for c in (64, 128, 256, 512))
        layers: list[nn.Module] = [nn.Conv2d(3, c1, 4, stride=2, padding=1), nn.LeakyReLU(_LEAK)]
        for c_in, c_out, stride in ((c1, c2, 2), (c2, c3, 2), (c3, c4, 1)):
            layers += [nn.Conv2d(c_in, c_out, 4, stride=stride, padding=1, bias=False), nn.BatchNorm2d(c_out)]
            layers.append(nn.LeakyReLU(_LEAK))
        self.layers = nn.Sequential(*layers, nn.Conv2d(c4, 1, 4, padding=1))
        init_normal(self)

    def forward(self, L_B1HW: Tensor, ab_B2HW: Tensor) -> Tensor:
        """L in [0, 100] and ab in CIE units -> logits (B, 1, H/8 - 2, W/8 - 2); above 0 is "real"."""
        logits: Tensor = self.layers(torch.cat((L_B1HW / 50.0 - 1.0, ab_B2HW / AB_SCALE), dim=1))
        return logits
