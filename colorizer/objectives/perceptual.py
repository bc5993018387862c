"""Classification with a perceptual term: what a network that knows ImageNet makes of picture and photograph.

Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer", with the distance of Zhang et al. 2018 (LPIPS)
at equal weights: features normalised over their channels.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import soft_encode
from colorizer.decoding import annealed_mean
from colorizer.judges import EfficientNetLite, imagenet_normalised
from colorizer.lab import lab_to_rgb
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.objectives.base import MODEL, Loss, lab_of, subsampled
from colorizer.objectives.classification import Classification

if TYPE_CHECKING:
    from colorizer.recipe import Recipe

_ARGUMENTS = {"weight": 1.0, "temperature": 0.6}
_TAPS = (0, 1, 2)  # strides 4, 8 and 16 of EfficientNet-lite0


def feature_distance(encoder: nn.Module, rgb_B3HW: Tensor, true_B3HW: Tensor) -> Tensor:
    """Mean squared difference of unit-length features, averaged over positions, summed over taps; 0 to 4 each."""
    with torch.no_grad():
        wanted = encoder(imagenet_normalised(true_B3HW))
    total = torch.zeros((), device=rgb_B3HW.device)
    for i, tap in enumerate(encoder(imagenet_normalised(rgb_B3HW))):
        if i in _TAPS:
            difference = F.normalize(tap.float(), dim=1) - F.normalize(wanted[i].float(), dim=1)
            total = total + difference.square().sum(1).mean()
    return total


class Perceptual(Classification):
    """The classification's loss plus `weight` nats per pixel for each unit of feature distance.

    The picture is decoded at `temperature`, upsampled and given the photograph's own L, as it will be shown.
    """

    @classmethod
    def refuse(cls, recipe: "Recipe") -> None:
        """Known arguments only, and a network that classifies."""
        cls.refuse_arguments(recipe, _ARGUMENTS)

    def __init__(self, recipe: "Recipe", device: torch.device) -> None:
        super().__init__(recipe, device)
        given = _ARGUMENTS | recipe.objective_arguments
        self._weight, self._temperature = float(given["weight"]), float(given["temperature"])
        # Not a companion: it neither learns nor belongs into the checkpoint.
        self._encoder = EfficientNetLite().encoder.requires_grad_(False).to(device)

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Summed over pixels and divided by the batch size, both terms."""
        L, ab = lab_of(rgb_B3HW)
        small = subsampled(ab, 4)
        logits = networks[MODEL](L)
        code = soft_encode(small, k=self.recipe.k)
        total = rebalanced_cross_entropy(logits, code, self.weights_Q, non_grey_mask(small))
        pixels = small.shape[-1] * small.shape[-2]
        made = F.interpolate(
            annealed_mean(logits.float(), temperature=self._temperature), size=L.shape[-2:], mode="bilinear"
        )
        distance = feature_distance(self._encoder, lab_to_rgb(torch.cat((L, made), dim=1)), rgb_B3HW.float() / 255.0)
        total = total + self._weight * pixels * distance
        return Loss(total, float(total.detach()) / pixels)
