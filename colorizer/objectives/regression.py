"""Regression of ab under the Euclidean loss: the *L2* rows of Zhang et al. 2016, table 1 (equation 1)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from colorizer.metrics import auc_raw
from colorizer.models import Colorizer
from colorizer.objectives.base import MODEL, Loss, Objective, lab_of, subsampled

_AB_NORM = 110.0  # the loss is in units of 110, so that its gradients are of the size of the other losses'


class Regression(Objective):
    """Half the squared error of ab / 110, summed over pixels and divided by the batch size."""

    metrics = ("loss", "rmse_ab", "auc_raw")
    shown_unit = "half squared error of ab / 110 per pixel"

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Equation 1 of the paper, on the model's own grid."""
        L, ab = lab_of(rgb_B3HW)
        predicted = networks[MODEL](L).float()
        ab = subsampled(ab, L.shape[-1] // predicted.shape[-1])
        total = 0.5 * ((predicted - ab) / _AB_NORM).square().sum() / len(ab)
        return Loss(total, float(total.detach()) / (ab.shape[-1] * ab.shape[-2]))

    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """The loss per pixel, the root mean square error of ab (CIE units) and raw AuC."""
        L, ab = lab_of(rgb_B3HW)
        predicted = model(L).float()
        ab = subsampled(ab, L.shape[-1] // predicted.shape[-1])
        squared = (predicted - ab).square().sum(1).mean((1, 2))  # (B,)
        return {
            "loss": float(0.5 * squared.sum()) / _AB_NORM**2,
            "rmse_ab": float(squared.sqrt().sum()),
            "auc_raw": float(auc_raw(predicted, ab).sum()),
        }
