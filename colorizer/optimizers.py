"""What turns gradients into weights: an optimizer for each phase of an objective, and the average of the weights."""

from functools import partial
from typing import Any

import torch
from torch import nn

from colorizer.objectives import Objective
from colorizer.recipe import Recipe


def optimizers_of(recipe: Recipe, objective: Objective, networks: dict[str, nn.Module]) -> dict[str, Any]:
    """One optimizer per phase.  Coupled decay (Adam) is the paper's solver; decoupled (AdamW) suits shorter runs."""
    kinds: dict[str, Any] = {
        "adam": partial(torch.optim.Adam, betas=recipe.betas),
        "adamw": partial(torch.optim.AdamW, betas=recipe.betas),
        "rmsprop": partial(torch.optim.RMSprop, alpha=0.9, eps=1e-7),  # Keras's defaults, which Wallner's bots use
    }
    made = {}
    for phase in objective.all_phases:
        groups = [{"lr_factor": 1.0, "lr": recipe.learning_rate, **g} for g in objective.learns(phase, networks)]
        groups = [g | {"params": [p for p in g["params"] if p.requires_grad]} for g in groups]
        made[phase] = kinds[recipe.optimizer](groups, weight_decay=recipe.weight_decay)
    return made


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, *, decay: float) -> None:
    """Exponential moving average of the weights and of BatchNorm's running statistics; what counts is copied.

    Those statistics hold the last ten batches or so.  Copied, they made the validation of a small batch jump more
    from check to check than a hundred steps of learning moved it (docs/results/experiments.md).
    """
    for mean, now in zip(ema.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1.0 - decay)
    for kept, latest in zip(ema.buffers(), model.buffers(), strict=True):
        if latest.is_floating_point():
            kept.lerp_(latest, 1.0 - decay)
        else:
            kept.copy_(latest)
