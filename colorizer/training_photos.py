"""The photographs of a training run: what it learns from, and what it is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.arguments import counted
from colorizer.data import MEMORY_BYTES, AnyPhoto, Photo, Refusal, centre_square, scan_photos
from colorizer.distributed import World
from colorizer.motifs import Motifs, Search, find_motifs, split_holdout
from colorizer.recipe import Recipe, RecipeError

LEAST_PHOTOS = 8
NOT_SEARCHED = (
    "photographs that are cut out of others were not looked for and may be on both sides of the split; --excerpts yes "
    "does, in a time that grows with the square of their number"
)


@dataclass(frozen=True)
class Photographs:
    """What a run learns from and is judged by: `squares_N3HW` uint8 are held out."""

    training: list[AnyPhoto]
    squares_N3HW: Tensor
    phashes: list[int]  # of all of them: a study must not show what the network has seen
    source_N: list[int]  # which source of `data` each training photograph is from


def refuse_mix(recipe: Recipe, data: Sequence[Path | str]) -> None:
    """Raise RecipeError unless the recipe's `mix` has a share for each source."""
    if recipe.mix and len(recipe.mix) != len(data):
        shares = ", ".join(f"{x:g}" for x in recipe.mix)
        raise RecipeError(f"mix: expected one share for each of the {len(data)} sources of --data, got {shares}")


def gather_photographs(
    recipe: Recipe,
    data: Sequence[Path | str],
    held_out: Sequence[Path | str],
    world: World,
    workers: int,
    *,
    search: Search = "auto",
) -> Photographs:
    """Scan the sources and split them, each motif on one side; `held_out` sources are for validation only."""
    options: dict[str, Any] = {"longest_px": 2 * recipe.crop_px, "shortest_px": 16, "workers": workers, "world": world}
    refuse_mix(recipe, data)
    photos: list[AnyPhoto] = []
    refused: list[Refusal] = []
    source: list[int] = []
    for number, one in enumerate(data):
        used = sum(p.rgb_HW3.nbytes for p in photos if isinstance(p, Photo))
        some, others = scan_photos([one], memory_bytes=MEMORY_BYTES - used, **options)
        photos += some
        refused += others
        source += [number] * len(some)
    if world.is_first:
        for reason in sorted({r.reason for r in refused}):
            n = sum(r.reason == reason for r in refused)
            tqdm.write(f"not used: {counted(n, 'photograph')} ({reason})")
    if len(photos) < LEAST_PHOTOS:
        raise RecipeError(
            f"expected at least {LEAST_PHOTOS} usable photographs, got {len(photos)} from "
            f"{', '.join(map(str, data))}; `train --check` says why the others are not"
        )
    if held_out:
        held, _ = scan_photos(held_out, **options)
        keep = list(range(len(photos)))
    else:
        motifs = find_motifs(photos, search=search, world=world)
        if world.is_first:
            _tell(motifs)
        keep, rest = split_holdout(motifs.group_N, share=recipe.holdout_share, seed=recipe.seed)
        held = [photos[i] for i in rest]
    if not held and world.is_first:
        tqdm.write("nothing is held out: validation sees a photograph that is trained on and says nothing of others")
    training = [photos[i] for i in keep]
    judged = (held or training[:1])[: recipe.holdout_max]
    squares = torch.stack([centre_square(p.rgb_HW3, recipe.crop_px) for p in judged])
    return Photographs(training, squares, [p.phash for p in [*training, *held]], [source[i] for i in keep])


def _tell(motifs: Motifs) -> None:
    if motifs.excerpts:
        parts = len({e.part for e in motifs.excerpts})
        tqdm.write(f"{counted(parts, 'photograph')} found to be cut out of others: kept on their side of the split")
    if not motifs.is_searched:
        tqdm.write(f"{NOT_SEARCHED} ({len(motifs.group_N)} photographs)")
