"""Classification with an adversary: a discriminator looks at the picture that the distribution is decoded to.

The discriminator is the 70 x 70 PatchGAN of Isola et al. 2017, conditioned on L; the gradient reaches the network
through the annealed mean (Zhang et al. 2016, eq. 5), which is differentiable in the logits.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import soft_encode
from colorizer.decoding import annealed_mean
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.models.pix2pix import PatchDiscriminator
from colorizer.objectives.adversarial import DISCRIMINATOR, called
from colorizer.objectives.base import MODEL, Loss, lab_of, subsampled
from colorizer.objectives.classification import Classification
from colorizer.recipe import Recipe

_ARGUMENTS = {"weight": 0.1, "temperature": 0.6, "width": 0.5}


class Judged(Classification):
    """Each step the discriminator's turn, then the network's, whose loss has a term for every patch that is found out.

    That is `weight` nats per pixel for each nat of the binary cross-entropy of taking its picture for a photograph.
    """

    all_phases = (DISCRIMINATOR, MODEL)

    @classmethod
    def refuse(cls, recipe: Recipe) -> None:
        """Known arguments only, and a network that classifies."""
        cls.refuse_arguments(recipe, _ARGUMENTS)

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__(recipe, device)
        given = _ARGUMENTS | recipe.objective_arguments
        self._weight, self._temperature = float(given["weight"]), float(given["temperature"])
        self._width = float(given["width"])

    def companions(self) -> dict[str, nn.Module]:
        """The discriminator: learns along, is kept in the checkpoint."""
        return {DISCRIMINATOR: PatchDiscriminator(self._width)}

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """The discriminator's binary cross-entropy; or the network's loss, summed over pixels, by the batch size."""
        L, ab = lab_of(rgb_B3HW)
        judge = networks[DISCRIMINATOR]
        if phase == DISCRIMINATOR:
            with torch.no_grad():
                made = self._decoded(networks[MODEL](L), L)
            total = 0.5 * (called(judge(L, ab), real=True) + called(judge(L, made), real=False))
            return Loss(total, float(total.detach()))
        small = subsampled(ab, 4)
        logits = networks[MODEL](L)
        code = soft_encode(small, k=self.recipe.k)
        total = rebalanced_cross_entropy(logits, code, self.weights_Q, non_grey_mask(small))
        pixels = small.shape[-1] * small.shape[-2]
        total = total + self._weight * pixels * called(judge(L, self._decoded(logits, L)), real=True)
        return Loss(total, float(total.detach()) / pixels)

    def _decoded(self, logits: Tensor, L_B1HW: Tensor) -> Tensor:
        small = annealed_mean(logits.float(), temperature=self._temperature)
        return F.interpolate(small, size=L_B1HW.shape[-2:], mode="bilinear")
