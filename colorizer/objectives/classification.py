"""The paper's objective: multinomial cross-entropy over ab bins, rebalanced (Zhang et al. 2016, section 2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from colorizer.ab_bins import soft_encode
from colorizer.decoding import annealed_mean
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.metrics import auc_raw
from colorizer.models import MODELS, ClassifyingColorizer, Colorizer
from colorizer.objectives.base import MODEL, Loss, Objective, lab_of, subsampled
from colorizer.rebalancing import load_prior, rebalancing_weights, unweighting
from colorizer.recipe import Recipe


class Classification(Objective):
    """Soft targets over the k nearest bins; rare colours count more; grey photographs not at all."""

    metrics = ("loss", "cross_entropy", "auc_raw")
    shown_unit = "nats per pixel"

    @staticmethod
    def refuse_arguments(recipe: Recipe, known: Mapping[str, float]) -> None:
        """For objectives that add a term: raise ValueError unless its weight and temperature can be."""
        given = recipe.objective_arguments
        if unknown := set(given) - set(known):
            raise ValueError(f"objective_arguments: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        if given.get("weight", 1.0) < 0 or min((v for k, v in given.items() if k != "weight"), default=1.0) <= 0:
            raise ValueError(
                "objective_arguments: expected a weight of at least 0, a temperature and a width above 0, "
                f"got {', '.join(f'{k} {v}' for k, v in given.items())}"
            )
        if not issubclass(MODELS[recipe.model], ClassifyingColorizer):
            message = f"objective: {recipe.objective}: expected a model that classifies, got {recipe.model}"
            raise ValueError(message)  # noqa: TRY004 (what is wrong is a recipe's value)

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__(recipe, device)
        prior_Q = load_prior(Path(recipe.prior) if recipe.prior else None)
        self.weights_Q = rebalancing_weights(prior_Q, lam=recipe.lam).to(device)

    def learns(self, phase: str, networks: Mapping[str, nn.Module]) -> list[dict[str, Any]]:
        """The model; a pretrained encoder with a learning rate of its own, if the recipe has one."""
        named = list(networks[phase].named_parameters())
        encoder = [p for n, p in named if n.startswith("encoder.")]
        rest = [p for n, p in named if not n.startswith("encoder.")]
        own = self.recipe.encoder_learning_rate
        factor = own / self.recipe.learning_rate if own else 1.0
        return [{"params": rest}] + ([{"params": encoder, "lr_factor": factor}] if encoder else [])

    def finish(self, model: Colorizer) -> None:
        """Take the recipe's share of the rebalancing back."""
        if self.recipe.unweighting and isinstance(model, ClassifyingColorizer):
            model.shift_logits(unweighting(self.weights_Q, share=self.recipe.unweighting))

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Summed over pixels and divided by the batch size, as the released solver has it."""
        L, ab = lab_of(rgb_B3HW)
        ab = subsampled(ab, 4)
        code = soft_encode(ab, k=self.recipe.k)
        logits = networks[MODEL](L)
        total = rebalanced_cross_entropy(logits, code, self.weights_Q, non_grey_mask(ab))
        return Loss(total, float(total.detach()) / (ab.shape[-1] * ab.shape[-2]))

    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """Loss per pixel (nats, rebalanced and plain) and raw AuC of the annealed mean."""
        L, ab = lab_of(rgb_B3HW)
        ab = subsampled(ab, 4)
        logits = model(L).float()
        code = soft_encode(ab, k=self.recipe.k)
        images, pixels = len(ab), ab.shape[-1] * ab.shape[-2]
        plain_Q = torch.ones_like(self.weights_Q)
        decoded = annealed_mean(logits, temperature=self.recipe.temperature)
        return {
            "loss": float(rebalanced_cross_entropy(logits, code, self.weights_Q)) * images / pixels,
            "cross_entropy": float(rebalanced_cross_entropy(logits, code, plain_Q)) * images / pixels,
            "auc_raw": float(auc_raw(decoded, ab).sum()),
        }
