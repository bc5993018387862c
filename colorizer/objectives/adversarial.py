"""The conditional GAN of Isola et al. 2017, with the generator trained by L1 alone first (as in DeOldify's NoGAN)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.metrics import auc_raw
from colorizer.models import MODELS, Colorizer, RegressingColorizer
from colorizer.models.pix2pix import AB_SCALE, PatchDiscriminator
from colorizer.objectives.base import MODEL, Loss, Objective, lab_of
from colorizer.recipe import Recipe

DISCRIMINATOR = "discriminator"
L1_WEIGHT = 100.0  # Isola et al. 2017, section 3.3
_ARGUMENTS = {"l1_share": 0.5, "width": 1.0}


class Adversarial(Objective):
    """First `l1_share` of the steps: 100 L1.  Then, each step, the discriminator's turn and the generator's."""

    metrics = ("l1_ab", "auc_raw")
    shown_unit = "generator's loss"
    all_phases = (DISCRIMINATOR, MODEL)

    @classmethod
    def refuse(cls, recipe: Recipe) -> None:
        """Known arguments only, and a network with one ab per pixel of L."""
        if unknown := set(recipe.objective_arguments) - set(_ARGUMENTS):
            raise ValueError(
                f"objective_arguments: unknown {', '.join(sorted(unknown))}; known: {', '.join(_ARGUMENTS)}"
            )
        share = recipe.objective_arguments.get("l1_share", 0.5)
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"objective_arguments: l1_share: expected a share in [0, 1], got {share}")
        made = MODELS[recipe.model]
        if not issubclass(made, RegressingColorizer) or made.stride != 1:
            raise ValueError(f"objective: adversarial: expected a model with ab at full size, got {recipe.model}")

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__(recipe, device)
        self._is_judged = False

    def companions(self) -> dict[str, nn.Module]:
        """The discriminator: learns along, is kept in the checkpoint."""
        return {DISCRIMINATOR: PatchDiscriminator(self.recipe.objective_arguments.get("width", 1.0))}

    def phases(self, step: int) -> Sequence[str]:
        """The generator alone, then both; the loss of this step depends on it, too."""
        self._is_judged = step >= self.recipe.objective_arguments.get("l1_share", 0.5) * self.recipe.steps
        return self.all_phases if self._is_judged else (MODEL,)

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Binary cross-entropy on patches; the generator's has 100 times the mean |error| of ab/110 added."""
        L, ab = lab_of(rgb_B3HW)
        judge = networks[DISCRIMINATOR]
        if phase == DISCRIMINATOR:
            with torch.no_grad():
                made = networks[MODEL](L)
            on_real, on_made = judge(L, ab), judge(L, made)
            total = 0.5 * (called(on_real, real=True) + called(on_made, real=False))
            return Loss(total, float(total.detach()))
        made = networks[MODEL](L)
        total = L1_WEIGHT * ((made.float() - ab) / AB_SCALE).abs().mean()
        if self._is_judged:
            total = total + called(judge(L, made), real=True)
        return Loss(total, float(total.detach()))

    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """Mean |error| of a and b in CIE units, and raw AuC."""
        L, ab = lab_of(rgb_B3HW)
        made = model(L).float()
        return {"l1_ab": float((made - ab).abs().mean((1, 2, 3)).sum()), "auc_raw": float(auc_raw(made, ab).sum())}


def called(logits: Tensor, *, real: bool) -> Tensor:
    """Binary cross-entropy of calling every patch real (or made)."""
    logits = logits.float()
    wanted = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return F.binary_cross_entropy_with_logits(logits, wanted)
