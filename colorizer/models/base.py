"""What every colorizer is: a module that turns L into ab."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from colorizer.ab_bins import N_BINS, bin_centres
from colorizer.decoding import PAPER_TEMPERATURE, annealed_mean
from colorizer.winograd_training import ConvReLU

MAX_SATURATION = 4.0
_PICTURES_TOGETHER = 10  # of a batch, in a block that is never kept


class Colorizer(nn.Module, ABC):
    """A system that colours: `predict_ab(L_B1HW) -> ab_B2HW`, L in [0, 100], ab in CIE units.

    `multiple` is what height and width must be multiples of inside; `predict_ab` pads and crops by itself.
    `objective` names the way it learns unless a recipe says otherwise (colorizer/objectives).
    """

    name: str = ""
    multiple: int = 8
    working_px: int = 256  # short side at which it colours best
    objective: str = "classification"
    temperature: float = PAPER_TEMPERATURE  # of the annealed mean; means nothing to a regression
    saturation: float = 1.0  # the predicted colours are multiplied by it
    takes_hints: bool = False  # `predict_ab` has hint_ab and hint_mask
    keeps_activations: bool = True  # False: training recomputes them block by block, for memory

    @property
    def knobs(self) -> tuple[float, ...]:
        """Further numbers that its colours depend on: a file made of it holds for these only."""
        return ()

    @abstractmethod
    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Colours for these lightnesses, at the same height and width."""

    @classmethod
    def from_published(cls, state: dict[str, Tensor], *, flavour: str) -> Self:
        """The model with weights that others published; `flavour` is `pytorch` or `caffe`.

        Raises ValueError when `state` is not such a file's content.
        """
        raise ValueError(f"{cls.name}: no published weights of flavour {flavour} are known for it")

    def run_block(
        self, block: Callable[[Tensor], Tensor], x: Tensor, *, kept: Literal["as asked", "never", "always"] = "as asked"
    ) -> Tensor:
        """Compute one block, keeping its inner activations for the gradient, or not (`keeps_activations`).

        On a CPU, `kept` is `never` for a block of much memory and little work, `always` for one whose memory is free
        again when others need theirs.
        """
        is_kept = self.keeps_activations if kept == "as asked" or x.device.type != "cpu" else kept == "always"
        if is_kept or not torch.is_grad_enabled():
            return block(x)
        modules = block.modules() if isinstance(block, nn.Module) else iter(())
        norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), _statistics_kept(norms)

        # Without BatchNorm pictures know nothing of each other: a few at a time need less memory for their gradient.
        parts = torch.split(x, _PICTURES_TOGETHER) if kept == "never" and not norms else (x,)
        found = [checkpoint(block, part, use_reentrant=False, context_fn=contexts) for part in parts]
        return torch.cat(found) if len(found) > 1 else torch.as_tensor(found[0])


@contextmanager
def _statistics_kept(norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    """The second computation of a block must not count its batch a second time in the running statistics."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter


def pad_to_multiple(L_B1HW: Tensor, multiple: int) -> Tensor:
    """L with its right and lower edge repeated until both sides are multiples of `multiple`."""
    height, width = L_B1HW.shape[-2:]
    # Replicating the edge is the one padding that also works for images smaller than the padding.
    return F.pad(L_B1HW, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def check_lightness(L_B1HW: Tensor, name: str) -> None:
    """Raise ValueError for anything but one lightness channel."""
    if L_B1HW.dim() != 4 or L_B1HW.shape[1] != 1:
        raise ValueError(f"{name}: expected L of shape (B, 1, H, W), got {tuple(L_B1HW.shape)}")


class ClassifyingColorizer(Colorizer):
    """A colorizer that predicts a distribution over the 313 ab bins at a quarter of the size."""

    stride: int = 4  # of the logits
    colours_Q2: Tensor | None = None  # what each bin is decoded to, CIE units; None: its centre

    @abstractmethod
    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] with sides that are multiples of `multiple` -> logits (B, 313, H/4, W/4)."""

    @torch.no_grad()
    def shift_logits(self, by_Q: Tensor) -> None:
        """Add to every logit of each bin, (Q,), for good: in the bias of the last layer."""
        (last,) = (m for m in self.modules() if isinstance(m, nn.Conv2d) and m.out_channels == N_BINS)
        torch.as_tensor(last.bias).add_(by_Q.to(last.weight))

    def decode(self, logits_BQHW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Logits to ab at their own size, (B, 2, h, w) in CIE units: the annealed mean."""
        colours = bin_centres() if self.colours_Q2 is None else self.colours_Q2
        T = self.temperature if temperature is None else temperature
        return annealed_mean(logits_BQHW, temperature=T, colours_Q2=colours)

    def small_ab(self, L_B1HW: Tensor, decode: Callable[[Tensor], Tensor]) -> Tensor:
        """Colours at the size of the logits, (B, 2, H/4, W/4); `decode` makes ab of logits of any size."""
        return decode(self(L_B1HW))

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Annealed mean of the predicted distribution times `saturation`, upsampled (bilinear) to the size of L."""
        check_lightness(L_B1HW, self.name)
        height, width = L_B1HW.shape[-2:]
        padded = pad_to_multiple(L_B1HW, self.multiple)
        ab = self.small_ab(padded, partial(self.decode, temperature=temperature)) * self.saturation
        ab = F.interpolate(ab, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return ab[..., :height, :width]


class RegressingColorizer(Colorizer):
    """A colorizer that predicts ab itself; `stride` is the size of L over that of its output."""

    objective = "regression"
    stride: int = 4

    @abstractmethod
    def forward(self, L_B1HW: Tensor) -> Tensor:
        """L in [0, 100] with sides that are multiples of `multiple` -> ab (B, 2, H/stride, W/stride), CIE units."""

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """The regressed ab times `saturation`, upsampled (bilinear) to the size of L; no `temperature` here."""
        check_lightness(L_B1HW, self.name)
        height, width = L_B1HW.shape[-2:]
        padded = pad_to_multiple(L_B1HW, self.multiple)
        ab = self(padded).float() * self.saturation
        ab = F.interpolate(ab, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return torch.as_tensor(ab[..., :height, :width])


def conv_stack(channels_in: int, channels_out: int, n: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """`n` times 3x3 convolution and ReLU; the stride sits in the last one (as in Zhang et al. 2016)."""
    layers: list[nn.Module] = []
    for i in range(n):
        is_last = i == n - 1
        layers += [
            ConvReLU(
                channels_in if i == 0 else channels_out,
                channels_out,
                3,
                stride=stride if is_last else 1,
                padding=dilation,
                dilation=dilation,
            ),
            nn.Identity(),  # the place of the ReLU in the published networks' numbering
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
