"""A recipe: everything a training run depends on but the photographs and the machine."""

import math
from dataclasses import dataclass, field
from typing import Any


class RecipeError(ValueError):
    """A recipe that cannot be run; the message names the key."""


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on but the photographs.  Units and sources stand in the recipe files."""

    model: str
    name: str = ""  # the recipe file's; the trained network is called truehue-<name>
    minutes: float = 0.0  # what it takes on two CPU cores that do nothing else; 0: not stated
    arguments: dict[str, Any] = field(default_factory=dict)
    objective: str = ""  # empty: the model's own
    objective_arguments: dict[str, Any] = field(default_factory=dict)
    start: str = "scratch"  # or "imagenet" for a model with a pretrained encoder; "weights": only with --init
    steps: int = 1000
    batch: int = 32  # over all processes and micro-batches together
    accumulate: int = 1  # micro-batches per step and process
    mix: tuple[float, ...] = ()  # share of each --data source among the draws; empty: by their numbers of photographs
    crop_px: int = 128
    scale_min: float = 1.0
    scale_max: float = 1.0
    squash: bool = False  # crops are as wide as the photograph is: the released code squashes to a square first
    mirror: bool = True
    k: int = 5
    lam: float = 0.5
    prior: str = ""  # a .npy file; empty: the paper's
    temperature: float = 0.38
    saturation: float = 1.0
    working_px: int = 0  # short side that the trained network is given; 0: its model's own
    shown_saturation: float = 0.0  # what the trained network's colours are multiplied by; 0: its model's own
    unweighting: float = 0.0  # share of the rebalancing that the trained network takes back (colorizer/rebalancing.py)
    optimizer: str = "adam"
    learning_rate: float = 3e-5
    encoder_learning_rate: float = 0.0  # 0: the same as learning_rate
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-3
    schedule: str = "constant"  # or "cosine" or "steps"
    milestones: tuple[tuple[int, float], ...] = ()  # for "steps": from this step on, this factor
    warmup_steps: int = 0
    ema_decay: float = 0.0
    holdout_share: float = 0.03
    holdout_max: int = 2000  # photographs that validation sees at most
    validate_every: int = 500
    checkpoint_every: int = 250
    seed: int = 0
    bf16: bool = True
    winograd: bool = True  # convolutions in fewer products, where bf16 on a CPU makes that the faster way
    recompute_activations: bool = False  # activation checkpointing: less memory, a third more time


def learning_rate_factor(step: int, recipe: Recipe) -> float:
    """Factor on the learning rate at this step: linear warm-up, then constant, steps, or a cosine to 1 %."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "steps":
        return next((factor for at, factor in sorted(recipe.milestones, reverse=True) if step >= at), 1.0)
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
