"""Recipes as files: those that come with the package, and one's own; what cannot be run is refused by its key."""

import math
import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from colorizer.models import MODELS
from colorizer.models.base import MAX_SATURATION
from colorizer.objectives import OBJECTIVES, Classification, objective_of
from colorizer.recipe import Recipe, RecipeError

_FOLDER = "recipes"


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
        if expected is str and not isinstance(value, str):
            raise RecipeError(f"{path}: {key}: expected text, got {value!r}")
        if expected == dict[str, Any] and not isinstance(value, dict):
            raise RecipeError(f"{path}: {key}: expected a table of arguments, got {value!r}")
    if "model" not in table or table["model"] not in MODELS:
        raise RecipeError(f"{path}: model: expected one of {', '.join(MODELS)}, got {table.get('model')!r}")
    for key, allowed in {
        "optimizer": ("adam", "adamw", "rmsprop"),
        "schedule": ("constant", "cosine", "steps"),
        "start": ("scratch", "imagenet", "weights"),
        "objective": ("", *OBJECTIVES),
    }.items():
        if table.get(key, allowed[0]) not in allowed:
            raise RecipeError(f"{path}: {key}: expected one of {', '.join(allowed)}, got {table[key]!r}")
    for key, read, told in (
        ("betas", _betas, "two numbers"),
        ("milestones", _milestones, "[[step, factor], …]"),
        ("mix", _shares, "positive numbers, one for each source of --data"),
    ):
        if key in table:
            try:
                table[key] = read(table[key])
            except (TypeError, ValueError):
                raise RecipeError(f"{path}: {key}: expected {told}, got {table[key]!r}") from None
    recipe = Recipe(**table)
    _check_together(recipe, path)
    return recipe


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError
    return float(given)


def _betas(given: Any) -> tuple[float, float]:
    first, second = given
    return _number(first), _number(second)


def _milestones(given: Any) -> tuple[tuple[int, float], ...]:
    return tuple((int(_number(at)), _number(factor)) for at, factor in given)


def _shares(given: Any) -> tuple[float, ...]:
    shares = tuple(map(_number, given if isinstance(given, list | tuple) else [given]))
    if not all(0 < x < math.inf for x in shares):
        raise ValueError
    return shares


def _check_together(recipe: Recipe, path: Path) -> None:
    for key in ("steps", "batch", "accumulate", "crop_px", "validate_every", "checkpoint_every"):
        if getattr(recipe, key) < 1:
            raise RecipeError(f"{path}: {key}: expected at least 1, got {getattr(recipe, key)}")
    if not 0.0 <= recipe.holdout_share < 1.0:
        raise RecipeError(f"{path}: holdout_share: expected a share below 1, got {recipe.holdout_share}")
    if not 0.0 <= recipe.unweighting <= 1.0:
        raise RecipeError(f"{path}: unweighting: expected a share in [0, 1], got {recipe.unweighting}")
    if recipe.unweighting and not issubclass(objective_of(recipe), Classification):
        raise RecipeError(f"{path}: unweighting: nothing to take back, {recipe.model} learns without rebalancing")
    if not 0.0 <= recipe.shown_saturation <= MAX_SATURATION:
        told = f"expected 0 (its model's own) to {MAX_SATURATION:g}, got {recipe.shown_saturation}"
        raise RecipeError(f"{path}: shown_saturation: {told}")
    if recipe.batch % recipe.accumulate:
        raise RecipeError(f"{path}: batch: expected a multiple of accumulate ({recipe.accumulate}), got {recipe.batch}")
    if recipe.schedule == "steps" and not recipe.milestones:
        raise RecipeError(f"{path}: milestones: expected [[step, factor], …] for the schedule `steps`, got none")
    try:
        objective_of(recipe).refuse(recipe)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from None
