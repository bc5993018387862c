"""The network of Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016.

The layer names are those of the released PyTorch module, so its state dict loads unchanged at width 1.
"""

from typing import Self

import torch
from torch import Tensor, nn

from colorizer.ab_bins import N_BINS
from colorizer.models.base import ClassifyingColorizer, Colorizer, RegressingColorizer, conv_stack, init_he

CAFFE_INVERSE_TEMPERATURE = 2.606  # what the released Caffe network multiplies its logits by
_AB_NORM = 110.0  # the released PyTorch module's output is ab / 110


class _Trunk(Colorizer):
    """Eight blocks of 3x3 convolutions, dilated in the fifth and sixth; `width` scales every channel count.

    `has_affine_norm` says whether BatchNorm learns scale and shift: the released PyTorch module's does, the
    paper's Caffe network does not.
    """

    multiple = 8

    def __init__(self, width: float, n_out: int, *, has_affine_norm: bool) -> None:
        super().__init__()
        c1, c2, c3, c4 = (max(8, round(width * c)) for c in (64, 128, 256, 512))

        def block(c_in: int, c_out: int, n: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
            norm = nn.BatchNorm2d(c_out, affine=has_affine_norm)
            return nn.Sequential(*conv_stack(c_in, c_out, n, stride=stride, dilation=dilation), norm)

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
            nn.Conv2d(c3, n_out, 1),
        )
        init_he(self)

    def forward(self, L_B1HW: Tensor) -> Tensor:
        x = (L_B1HW - 50.0) / 100.0
        for block in (self.model1, self.model2):  # a quarter of all activations, a tenth of the work
            x = self.run_block(block[:-1], x, kept="never")
            x = block[-1](x)
        for block in (self.model3, self.model4, self.model5, self.model6, self.model7):
            x = self.run_block(block, x)
        return self.run_block(self.model8, x, kept="always")  # its gradient comes first, when little else takes memory


class Zhang2016(_Trunk, ClassifyingColorizer):
    """The paper's classification over 313 ab bins.

    Width 1 is the paper's network (32.2 M parameters); width 0.5 has 8.1 M.
    """

    name = "zhang2016"

    def __init__(self, width: float = 1.0, *, has_affine_norm: bool = True) -> None:
        super().__init__(width, N_BINS, has_affine_norm=has_affine_norm)

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> logits over the bins, (B, 313, H/4, W/4)."""
        return super().forward(L_B1HW)

    @classmethod
    def from_published(cls, state: dict[str, Tensor], *, flavour: str) -> Self:
        """The released state dict (`pytorch`), or the blobs of the released Caffe network by layer (`caffe`).

        Both run as released: PyTorch's without a temperature (T = 1), Caffe's with logits times 2.606.
        """
        state = _from_caffe(state) if flavour == "caffe" else dict(state)
        decoding = state.pop("model_out.weight", None)
        with torch.device("meta"):  # no random weights for what is filled at once
            model = cls()
        # Very old checkpoints lack BatchNorm's step counters, which nothing here reads.
        counters = {k: torch.tensor(0) for k in model.state_dict() if k.endswith("num_batches_tracked")}
        model.load_state_dict(counters | {k: v.float() for k, v in state.items() if k not in counters}, assign=True)
        if decoding is not None:
            if tuple(decoding.shape) != (2, N_BINS, 1, 1):
                raise ValueError(f"model_out.weight: expected shape (2, {N_BINS}, 1, 1), got {tuple(decoding.shape)}")
            model.colours_Q2 = decoding[:, :, 0, 0].T.float() * _AB_NORM
        model.temperature = 1.0 / CAFFE_INVERSE_TEMPERATURE if flavour == "caffe" else 1.0
        return model


class Zhang2016L2(_Trunk, RegressingColorizer):
    """The paper's *L2* variant: the same trunk with a head that regresses ab (in units of 110)."""

    name = "zhang2016-l2"

    def __init__(self, width: float = 1.0, *, has_affine_norm: bool = True) -> None:
        super().__init__(width, 2, has_affine_norm=has_affine_norm)
        last = self.model8[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.normal_(last.weight, std=0.01)  # starts near grey, the calmest guess

    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] -> ab in CIE units, (B, 2, H/4, W/4)."""
        return super().forward(L_B1HW) * _AB_NORM


# Caffe's layers in the order of computation; each block ends with its BatchNorm.
_CAFFE_BLOCKS = {
    "model1": ("bw_conv1_1", "conv1_2"),
    "model2": ("conv2_1", "conv2_2"),
    "model3": ("conv3_1", "conv3_2", "conv3_3"),
    "model4": ("conv4_1", "conv4_2", "conv4_3"),
    "model5": ("conv5_1", "conv5_2", "conv5_3"),
    "model6": ("conv6_1", "conv6_2", "conv6_3"),
    "model7": ("conv7_1", "conv7_2", "conv7_3"),
    "model8": ("conv8_1", "conv8_2", "conv8_3", "conv8_313"),
}


def _from_caffe(blobs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Caffe's blobs, named `<layer>.<index>`, as the PyTorch state dict of the same function.

    Caffe's network reads L - 50 where PyTorch's reads a hundredth of it, which the first convolution takes over;
    its BatchNorm has no scale and shift, and keeps its sums with a common factor in the third blob.
    """
    state: dict[str, Tensor] = {}
    try:
        for block, layers in _CAFFE_BLOCKS.items():
            for i, layer in enumerate(layers):
                state[f"{block}.{2 * i}.weight"] = blobs[f"{layer}.0"]
                state[f"{block}.{2 * i}.bias"] = blobs[f"{layer}.1"].flatten()
            if block == "model8":
                break
            norm = f"{block}.{2 * len(layers)}"
            source = layers[-1].removeprefix("bw_") + "norm"
            factor = float(blobs[f"{source}.2"].flatten()[0]) or 1.0
            mean, var = (blobs[f"{source}.{i}"].flatten() / factor for i in (0, 1))
            state |= {
                f"{norm}.running_mean": mean,
                f"{norm}.running_var": var,
                f"{norm}.weight": torch.ones_like(mean),
                f"{norm}.bias": torch.zeros_like(mean),
            }
    except KeyError as missing:
        raise ValueError(f"expected the blob {missing} of the released Caffe network; it has {len(blobs)}") from None
    state["model1.0.weight"] = state["model1.0.weight"] * 100.0
    return state
