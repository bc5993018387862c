"""What training needs to know of a way of learning: which networks learn, in which order, from which loss.

The loop (colorizer/train.py) does the rest: batches, micro-batches, devices, hosts, schedules, averages, resuming.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from colorizer.lab import rgb_to_lab
from colorizer.models import Colorizer
from colorizer.recipe import Recipe

MODEL = "model"  # the phase, and the network, that every objective has


@dataclass(frozen=True)
class Loss:
    """A micro-batch's loss: `total` is what is differentiated, `shown` (nats per pixel, CIE units …) what is logged."""

    total: Tensor
    shown: float


class Objective(ABC):
    """One way of learning to colour.

    A training step runs through `phases(step)`.  Each phase has its own optimizer over `learns(phase)` and one loss,
    whose gradient is averaged over micro-batches and processes.  A plain objective has the one phase `model`; a GAN
    has `discriminator` and `model`.
    """

    metrics: Sequence[str] = ()  # what `validate` gives, in this order; the first one is best when least
    shown_unit: str = ""  # of Loss.shown
    all_phases: Sequence[str] = (MODEL,)  # every phase that a step may have; each has an optimizer

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device

    @classmethod
    def refuse(cls, recipe: Recipe) -> None:
        """Raise ValueError for a recipe that this objective cannot run (`objective_arguments` it does not know …)."""
        if recipe.objective_arguments:
            raise ValueError(f"objective_arguments: expected none, got {', '.join(recipe.objective_arguments)}")

    def companions(self) -> dict[str, nn.Module]:
        """Networks that train along (a discriminator), by name; saved beside the model, also in its checkpoint.

        Called once; the loop moves them to the device and gives them back in `loss`.
        """
        return {}

    def phases(self, step: int) -> Sequence[str]:
        """The phases of this step in their order."""
        return self.all_phases

    def learns(self, phase: str, networks: Mapping[str, nn.Module]) -> list[dict[str, Any]]:
        """The optimizer's parameter groups of a phase; `lr_factor` in a group scales the recipe's learning rate."""
        return [{"params": list(networks[phase].parameters())}]

    @abstractmethod
    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """The loss of one micro-batch of uint8 crops.

        `networks` holds the model (called with what its `forward` takes) and the companions, wrapped as the run needs
        them.  All randomness comes from `draw` (a CPU generator seeded by step and micro-batch), so that a resumed run
        repeats it.  The forward pass runs under the loop's autocast; losses belong in fp32.
        """

    def finish(self, model: Colorizer) -> None:  # noqa: B027 - most networks are done when training is
        """Make of the network that training ends with the one that is saved; validation has seen the former."""

    @abstractmethod
    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """Sums over the images of a held-out batch, by `metrics`."""


def lab_of(rgb_B3HW: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 crops to L (B, 1, H, W) in [0, 100] and ab (B, 2, H, W) in CIE units."""
    lab = rgb_to_lab(rgb_B3HW.float() / 255.0)
    return lab[:, :1].contiguous(memory_format=torch.channels_last), lab[:, 1:]


def subsampled(ab_B2HW: Tensor, stride: int) -> Tensor:
    """The top-left sample of each block, as the released code takes it (no averaging)."""
    return ab_B2HW[:, :, ::stride, ::stride].contiguous()
