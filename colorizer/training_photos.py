"""The photographs of a training run: what it learns from, and what it is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.data import AnyPhoto, centre_square, scan_photos, split_holdout
from colorizer.distributed import World
from colorizer.recipe import Recipe, RecipeError

LEAST_PHOTOS = 8


@dataclass(frozen=True)
class Photographs:
    """What a run learns from and is judged by: `squares_N3HW` uint8 are held out."""

    training: list[AnyPhoto]
    squares_N3HW: Tensor
    phashes: list[int]  # of all of them: a study must not show what the network has seen


def gather_photographs(
    recipe: Recipe, data: Sequence[Path | str], held_out: Sequence[Path | str], world: World, workers: int
) -> Photographs:
    """Scan the sources and split them, near-duplicates together; `held_out` sources are for validation only."""
    options: dict[str, Any] = {"longest_px": 2 * recipe.crop_px, "shortest_px": 16, "workers": workers, "world": world}
    photos, refused = scan_photos(data, **options)
    if world.is_first:
        for reason in sorted({r.reason for r in refused}):
            tqdm.write(f"not used: {sum(r.reason == reason for r in refused)} photographs ({reason})")
    if len(photos) < LEAST_PHOTOS:
        raise RecipeError(
            f"expected at least {LEAST_PHOTOS} usable photographs, got {len(photos)} from "
            f"{', '.join(map(str, data))}; `train --check` says why the others are not"
        )
    if held_out:
        others, _ = scan_photos(held_out, **options)
        training, held = photos, others
    else:
        keep, rest = split_holdout(photos, share=recipe.holdout_share, seed=recipe.seed)
        training, held = [photos[i] for i in keep], [photos[i] for i in rest]
    judged = (held or training[:1])[: recipe.holdout_max]
    squares = torch.stack([centre_square(p.rgb_HW3, recipe.crop_px) for p in judged])
    return Photographs(training, squares, [p.phash for p in [*training, *held]])
