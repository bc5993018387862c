"""The network of Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016.

The layer names are those of the released PyTorch module, so its state dict loads unchanged at width 1.
"""

import torch
from torch import Tensor, nn

from colorizer.ab_bins import N_BINS
from colorizer.models.base import ClassifyingColorizer, conv_stack, init_he


class Zhang2016(ClassifyingColorizer):
    """Eight blocks of 3x3 convolutions, dilated in the fifth and sixth; `width` scales every channel count.

    Width 1 is the paper's network (32.2 M parameters); width 0.5 has 8.1 M.
    """

    name = "zhang2016"
    multiple = 8

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (max(8, round(width * c)) for c in (64, 128, 256, 512))

        def block(c_in: int, c_out: int, n: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
            return nn.Sequential(*conv_stack(c_in, c_out, n, stride=stride, dilation=dilation), nn.BatchNorm2d(c_out))

        self.model1 = block(1, c1, 2, stride=2)
        self.model2 = block(c1, c2, 2, stride=2)
        self.model3 = block(c2, c3, 3, stride=2)
        self.model4 = block(c3, c4, 3)
        self.model5 = block(c4, c4, 3, dilation=2)
        self.model6 = block(c4, c4, 3, dilation=2)
        self.model7 = block(c4, c4, 3)
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(c4, c3, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            *conv_stack(c3, c3, 2),
            nn.Conv2d(c3, N_BINS, 1),
        )
        init_he(self)

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> logits over the bins, (B, 313, H/4, W/4)."""
        x = (L_B1HW - 50.0) / 100.0
        for block in (self.model1, self.model2, self.model3, self.model4):
            x = block(x)
        for block in (self.model5, self.model6, self.model7, self.model8):
            x = block(x)
        return torch.as_tensor(x)
