"""What there is: every colorizer with its size, where its weights are and the recipe that makes them."""

import torch

from colorizer.baselines import CONTROLS
from colorizer.checkpoints import read_checkpoint, shipped_path, trained_path
from colorizer.models import MODELS
from colorizer.models.base import count_parameters
from colorizer.recipe_files import read_recipe, shipped_recipes, small_recipe
from colorizer.weights_by_name import PUBLISHED, cached

_CONTROLS_TOLD = {
    "gray": "no colour: ab = 0",
    "random": "the colours of another photograph, seeded",
    "obvious": "the photograph's own colours, hue + 180 degrees, chroma x 1.5 (attention checks)",
    "real": "the photograph's own colours (always in a stimulus set; a row of `evaluate`)",
}


def list_models() -> str:
    """The table of `python -m colorizer models`, for a terminal."""
    lines = ["colorizers (train RECIPE, or give --weights)"]
    for name, made in MODELS.items():
        recipe = read_recipe(small_recipe(name))
        shipped = shipped_path(name)
        arguments = {} if shipped is None else read_checkpoint(shipped).arguments
        with torch.device("meta"):
            size = count_parameters(made(**arguments)) / 1e6
        told = (made.__doc__ or "").splitlines()[0]
        how = f"recipe {recipe.name}" + (f", {recipe.minutes:g} min" if recipe.minutes else "")
        lines.append(f"  {name:<15} {size:6.2f} M  {_weights_of(name):<34} {how:<34} {told}")
    lines.append("trained recipes of your own in runs/ (usable by name)")
    own = [(r, trained_path(r)) for r in shipped_recipes()]
    lines += [f"  {recipe:<24} {path}" for recipe, path in own if path is not None] or ["  none yet"]
    lines.append("published weights (usable by name)")
    for name, known in PUBLISHED.items():
        here = "in the cache" if cached(known) else "fetched when asked for" if known.url else "put it there by hand"
        lines.append(f"  {name:<24} {here:<24} {known.told}")
    lines.append("controls")
    lines += [f"  {name:<24} {told}" for name, told in _CONTROLS_TOLD.items() if name in (*CONTROLS, "real")]
    lines.append("anything else: stimuli --fake NAME=DIR or NAME='command {input} {output}'")
    return "\n".join(lines)


def _weights_of(name: str) -> str:
    shipped, own = shipped_path(name), trained_path(name) or trained_path(small_recipe(name))
    if shipped is not None:
        return f"shipped ({shipped.stat().st_size / 1e6:.1f} MB)"
    if own is not None:
        return f"trained here: {own.parent}"
    published = [n for n, w in PUBLISHED.items() if w.model == name]
    return f"none here; published: {published[0]}" if published else "none here: train them"
