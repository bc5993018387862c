"""A recipe: everything a training run depends on but the photographs and the machine."""

import math
import tomllib
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from colorizer.models import MODELS
from colorizer.objectives import OBJECTIVES

_FOLDER = "recipes"


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
    start: str = "scratch"  # or "imagenet" for a model with a pretrained encoder
    steps: int = 1000
    batch: int = 32  # over all processes and micro-batches together
    accumulate: int = 1  # micro-batches per step and process
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
    recompute_activations: bool = False  # activation checkpointing: less memory, a third more time


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(p.stem for p in Path(str(files("colorizer") / _FOLDER)).glob("*.toml"))


def small_recipe(model: str) -> str:
    """The name of the quickest shipped recipe for this model, those that state their minutes first."""
    own = [r for r in map(read_recipe, shipped_recipes()) if r.model == model]
    if not own:
        raise RecipeError(f"{model}: no shipped recipe trains it; write one, see colorizer/recipes")
    return min(own, key=lambda r: (r.minutes or math.inf, len(r.name))).name


def read_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by shipped name (`truehue-lite`) or by path; unknown keys are errors."""
    path = Path(name)
    if path.suffix != ".toml":
        path = Path(str(files("colorizer") / _FOLDER / f"{name}.toml"))
    if not path.is_file():
        raise RecipeError(f"{name}: no such recipe; shipped ones: {', '.join(shipped_recipes())}")
    try:
        table = {"name": path.stem} | tomllib.loads(path.read_text(encoding="utf-8")) | (overrides or {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    known_keys = {f.name: f for f in fields(Recipe)}
    for key, value in table.items():
        if key not in known_keys:
            raise RecipeError(f"{path}: unknown key {key!r}; known: {', '.join(sorted(known_keys))}")
        expected = known_keys[key].type
        if expected in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RecipeError(f"{path}: {key}: expected a number, got {value!r}")
        if expected is int and not float(value).is_integer():
            raise RecipeError(f"{path}: {key}: expected a whole number, got {value!r}")
        if expected is bool and not isinstance(value, bool):
            raise RecipeError(f"{path}: {key}: expected true or false, got {value!r}")
    if "model" not in table or table["model"] not in MODELS:
        raise RecipeError(f"{path}: model: expected one of {', '.join(MODELS)}, got {table.get('model')!r}")
    for key, allowed in {
        "optimizer": ("adam", "adamw", "rmsprop"),
        "schedule": ("constant", "cosine", "steps"),
        "start": ("scratch", "imagenet"),
        "objective": ("", *OBJECTIVES),
    }.items():
        if table.get(key, allowed[0]) not in allowed:
            raise RecipeError(f"{path}: {key}: expected one of {', '.join(allowed)}, got {table[key]!r}")
    if "betas" in table:
        table["betas"] = tuple(table["betas"])
    if "milestones" in table:
        table["milestones"] = tuple((int(at), float(factor)) for at, factor in table["milestones"])
    recipe = Recipe(**table)
    _check_together(recipe, path)
    return recipe


def _check_together(recipe: Recipe, path: Path) -> None:
    for key in ("steps", "batch", "accumulate", "crop_px", "validate_every", "checkpoint_every"):
        if getattr(recipe, key) < 1:
            raise RecipeError(f"{path}: {key}: expected at least 1, got {getattr(recipe, key)}")
    if recipe.batch % recipe.accumulate:
        raise RecipeError(f"{path}: batch: expected a multiple of accumulate ({recipe.accumulate}), got {recipe.batch}")
    if recipe.schedule == "steps" and not recipe.milestones:
        raise RecipeError(f"{path}: milestones: expected [[step, factor], …] for the schedule `steps`, got none")
    try:
        objective_of(recipe).refuse(recipe)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from None


def objective_of(recipe: Recipe) -> type[Any]:
    """The class of the recipe's objective: the one it names, or its model's own."""
    return OBJECTIVES[recipe.objective or MODELS[recipe.model].objective]


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
