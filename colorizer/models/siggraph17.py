"""The interactive network of Zhang et al., "Real-Time User-Guided Image Colorization", SIGGRAPH 2017.

It colours by itself and lets a person steer it with coloured points (hints).  The layer names are those of the
released PyTorch module, so its state dict loads unchanged at width 1.
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.models.base import Colorizer, check_lightness, conv_stack, init_he, pad_to_multiple

AB_SCALE = 110.0  # ab are divided by it inside (released module)
N_CLASSES = 529  # of the class head: a 23 x 23 grid of 10 CIE units over [-110, 110]
_GRID_STEP, _GRID_SIDE = 10.0, 23


def class_of(ab_B2HW: Tensor) -> Tensor:
    """The nearest of the 529 grid colours, (B, H, W) int64, a-major, as the released training code counts them."""
    cell = ((ab_B2HW + AB_SCALE) / _GRID_STEP).round().long().clamp(0, _GRID_SIDE - 1)
    return cell[:, 0] * _GRID_SIDE + cell[:, 1]


def _every_other(x_BCHW: Tensor) -> Tensor:
    """x[:, :, ::2, ::2], as a pooling of single pixels: OpenCV's ONNX reader has no strided slices."""
    return F.max_pool2d(x_BCHW, kernel_size=1, stride=2)


class Siggraph17(Colorizer):
    """Ten blocks: down to an eighth by leaving out every other pixel, up again with shortcuts; 34.2 M parameters.

    `mask_centre` is subtracted from the hint mask: 0 for the released weights, 0.5 in the released training code.
    `width` scales every channel count.
    """

    name = "siggraph17"
    multiple = 8
    objective = "hints"
    takes_hints = True

    def __init__(self, width: float = 1.0, mask_centre: float = 0.0) -> None:
        super().__init__()
        for name, numbers in (("shift", (50.0, 0.0, 0.0, mask_centre)), ("scale", (100.0, AB_SCALE, AB_SCALE, 1.0))):
            self.register_buffer(name, torch.tensor(numbers).view(1, 4, 1, 1), persistent=False)
        self.shift: Tensor
        self.scale: Tensor
        c1, c2, c3, c4 = (max(8, round(width * c)) for c in (64, 128, 256, 512))

        def block(c_in: int, c_out: int, n: int, *, dilation: int = 1) -> nn.Sequential:
            return nn.Sequential(*conv_stack(c_in, c_out, n, dilation=dilation), nn.BatchNorm2d(c_out))

        def up(c_in: int, c_out: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1))

        def short(c_in: int, c_out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1))

        self.model1 = block(4, c1, 2)
        self.model2 = block(c1, c2, 2)
        self.model3 = block(c2, c3, 3)
        self.model4 = block(c3, c4, 3)
        self.model5 = block(c4, c4, 3, dilation=2)
        self.model6 = block(c4, c4, 3, dilation=2)
        self.model7 = block(c4, c4, 3)
        self.model8up, self.model3short8 = up(c4, c3), short(c3, c3)
        self.model8 = nn.Sequential(nn.ReLU(), *conv_stack(c3, c3, 2), nn.BatchNorm2d(c3))
        self.model9up, self.model2short9 = up(c3, c2), short(c2, c2)
        self.model9 = nn.Sequential(nn.ReLU(), *conv_stack(c2, c2, 1), nn.BatchNorm2d(c2))
        self.model10up, self.model1short10 = up(c2, c2), short(c1, c2)
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(c2, c2, 3, padding=1), nn.LeakyReLU(0.2))
        self.model_class = nn.Sequential(nn.Conv2d(c3, N_CLASSES, 1))
        self.model_out = nn.Sequential(nn.Conv2d(c2, 2, 1), nn.Tanh())
        init_he(self)
        for head in (self.model_class, self.model_out):
            nn.init.zeros_(head[0].weight)  # type: ignore[arg-type] # starts undecided and grey: a calm first step

    def forward(self, given_B4HW: Tensor) -> tuple[Tensor, Tensor]:
        """L, hint a, hint b, hint mask -> ab (B, 2, H, W) in CIE units, and class logits (B, 529, H/4, W/4).

        L is in [0, 100], hints in CIE units (0 where there are none), the mask 1 where there is one.  Sides are
        multiples of 8.  Only training reads the classes.
        """
        x1 = self.run_block(self.model1, (given_B4HW - self.shift) / self.scale)
        x2 = self.run_block(self.model2, _every_other(x1))
        x3 = self.run_block(self.model3, _every_other(x2))
        x = self.run_block(self.model4, _every_other(x3))
        for block in (self.model5, self.model6, self.model7):
            x = self.run_block(block, x)
        x8 = self.run_block(self.model8, self.model8up(x) + self.model3short8(x3))
        x = self.run_block(self.model9, self.model9up(x8) + self.model2short9(x2))
        x = self.run_block(self.model10, self.model10up(x) + self.model1short10(x1))
        return self.model_out(x) * AB_SCALE, self.model_class(x8)

    def predict_ab(
        self,
        L_B1HW: Tensor,
        *,
        temperature: float | None = None,
        hint_ab: Tensor | None = None,
        hint_mask: Tensor | None = None,
    ) -> Tensor:
        """ab at the size of L, steered by hints if there are any; `temperature` has no meaning here.

        `hint_ab` is (B, 2, H, W) in CIE units, `hint_mask` (B, 1, H, W) with 1 at hinted pixels; both or neither.
        """
        height, width = L_B1HW.shape[-2:]
        ab: Tensor = self(stack_hints(L_B1HW, hint_ab, hint_mask, multiple=self.multiple, name=self.name))[0]
        return ab[..., :height, :width].float()

    @classmethod
    def from_published(cls, state: dict[str, Tensor], *, flavour: str) -> Self:
        """The released state dict (`pytorch`); the released weights want the mask as it is."""
        if flavour != "pytorch":
            return super().from_published(state, flavour=flavour)
        model = cls()
        # Very old checkpoints lack BatchNorm's step counters, which nothing here reads.
        counters = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
        model.load_state_dict(counters | state)
        return model


def stack_hints(
    L_B1HW: Tensor, hint_ab: Tensor | None, hint_mask: Tensor | None, *, multiple: int, name: str
) -> Tensor:
    """What the network takes: L, hints and mask as four channels, sides padded to `multiple`.

    Raises ValueError for shapes that do not belong together.
    """
    check_lightness(L_B1HW, name)
    if (hint_ab is None) != (hint_mask is None):
        raise ValueError(f"{name}: expected hint_ab and hint_mask together, got one of them")
    batch, _, height, width = L_B1HW.shape
    L_padded = pad_to_multiple(L_B1HW, multiple)
    if hint_ab is None or hint_mask is None:
        return torch.cat((L_padded, torch.zeros_like(L_padded).expand(-1, 3, -1, -1)), dim=1)
    for told, tensor, channels in (("hint_ab", hint_ab, 2), ("hint_mask", hint_mask, 1)):
        expected = (batch, channels, height, width)
        if tuple(tensor.shape) != expected:
            raise ValueError(f"{name}: expected {told} of shape {expected}, got {tuple(tensor.shape)}")
    # A hint on the edge must not be smeared over the padding, which has no hints.
    hints = F.pad(torch.cat((hint_ab * hint_mask, hint_mask), dim=1), (0, -width % multiple, 0, -height % multiple))
    return torch.cat((L_padded, hints), dim=1)
