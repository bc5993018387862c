"""Learning to colour with hints: Zhang et al. 2017, "Real-Time User-Guided Image Colorization", section 3."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.hints import simulate_hints
from colorizer.metrics import auc_raw
from colorizer.models import Colorizer
from colorizer.models.siggraph17 import AB_SCALE, Siggraph17, class_of
from colorizer.objectives.base import MODEL, Loss, Objective, lab_of, subsampled
from colorizer.recipe import Recipe

REGRESSION_WEIGHT = 10.0
_VALIDATION_SEED = 2017


class HintedRegression(Objective):
    """Cross-entropy over 529 colours at a quarter of the size, plus ten times the mean absolute error of ab/110."""

    metrics = ("l1_ab", "l1_ab_hinted", "auc_raw")
    shown_unit = "nats per pixel + 10 |ab| / 110"

    @classmethod
    def refuse(cls, recipe: Recipe) -> None:
        """Only a network that takes hints can learn from them."""
        super().refuse(recipe)
        if recipe.model != Siggraph17.name:
            raise ValueError(f"objective: hints: expected the model {Siggraph17.name}, got {recipe.model}")

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Both heads learn from the same simulated hints."""
        L, ab = lab_of(rgb_B3HW)
        hints, mask = (t.to(ab.device) for t in simulate_hints(ab.cpu(), draw))
        predicted, logits = networks[MODEL](torch.cat((L, hints, mask), dim=1))
        classes = F.cross_entropy(logits.float(), class_of(subsampled(ab, 4)))
        distance = ((predicted.float() - ab) / AB_SCALE).abs().mean()
        total = classes + REGRESSION_WEIGHT * distance
        return Loss(total, float(total.detach()))

    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """Mean |error| of a and b in CIE units without and with (the same) simulated hints, and raw AuC without."""
        L, ab = lab_of(rgb_B3HW)
        draw = torch.Generator().manual_seed(_VALIDATION_SEED)
        hints, mask = (t.to(ab.device) for t in simulate_hints(ab.cpu(), draw))
        none = torch.zeros_like(torch.cat((hints, mask), dim=1))
        plain = model(torch.cat((L, none), dim=1))[0].float()
        hinted = model(torch.cat((L, hints, mask), dim=1))[0].float()
        return {
            "l1_ab": float((plain - ab).abs().mean((1, 2, 3)).sum()),
            "l1_ab_hinted": float((hinted - ab).abs().mean((1, 2, 3)).sum()),
            "auc_raw": float(auc_raw(plain, ab).sum()),
        }
