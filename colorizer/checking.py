"""`train --check`: what a training run would use, how long it would take, and what such a number has given before."""

import csv
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from colorizer.arguments import counted
from colorizer.data import Crops, Refusal, ResumableBatches, scan_photos
from colorizer.distributed import World, pick_device
from colorizer.motifs import Search, find_motifs, split_holdout
from colorizer.recipe import Recipe, RecipeError
from colorizer.stopping import StopAsked
from colorizer.train import Run
from colorizer.training_photos import NOT_SEARCHED, refuse_mix

_MEASURED_STEPS = 3


@dataclass(frozen=True)
class Experience:
    """One measured run: so many photographs gave this on photographs held out."""

    recipe: str
    start: str
    n_photos: int
    steps: int
    auc_raw: float
    auc_raw_gray: float
    judged_on: str


@dataclass(frozen=True)
class Check:
    """The answer of `train --check`; `step_seconds` is the median of a few real steps, without validation."""

    n_usable: int
    refused: list[Refusal]
    n_motifs: int
    n_held_out: int
    step_seconds: float
    steps: int
    like_it: list[Experience]
    excerpts: list[tuple[str, str]] = field(default_factory=list)
    """Names of a photograph that is cut out of another one, and of that one."""
    is_searched: bool = True

    @property
    def hours(self) -> float:
        """Estimated time of the whole run."""
        return self.step_seconds * self.steps / 3600


def read_experience() -> list[Experience]:
    """Every run that was measured so far (colorizer/data/experience.csv)."""
    with (files("colorizer") / "data" / "experience.csv").open("r", encoding="utf-8") as file:
        return [
            Experience(
                row["recipe"], row["start"], int(row["n_photos"]), int(row["steps"]), float(row["auc_raw"]),
                float(row["auc_raw_gray"]), row["judged_on"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def check_training(
    recipe: Recipe,
    data: Sequence[Path | str],
    *,
    workers: int = 0,
    init: str = "",
    device: str = "cpu",
    held_out: Sequence[Path | str] = (),
    search: Search = "auto",
) -> Check:
    """Scan the photographs, group them, take a few steps on them, and write nothing."""
    refuse_mix(recipe, data)
    world = World(device=pick_device(device))
    photos, refused = scan_photos(data, longest_px=2 * recipe.crop_px, shortest_px=16, workers=workers)
    motifs = find_motifs(photos, search="no" if held_out else search)  # nothing is split off where others are held out
    if held_out:
        n_held_out = len(scan_photos(held_out, longest_px=2 * recipe.crop_px, shortest_px=16, workers=workers)[0])
    else:
        n_held_out = len(split_holdout(motifs.group_N, share=recipe.holdout_share, seed=recipe.seed)[1])
    seconds = 0.0
    if photos:
        # In a folder that does not exist: a run writes nothing until it is told to learn.
        run = Run(recipe, Path("nowhere"), world, resume=False, compiled=False, synchronised_norm=False)
        run.build(init)
        crops = Crops(
            photos, crop_px=recipe.crop_px, scale=(recipe.scale_min, recipe.scale_max), mirror=recipe.mirror,
            seed=recipe.seed, squash=recipe.squash,
        )  # fmt: skip
        batches = ResumableBatches(
            len(photos), batch=recipe.batch, steps=_MEASURED_STEPS, first_step=0, seed=recipe.seed,
            parts=recipe.accumulate,
        )  # fmt: skip
        loader, times = iter(DataLoader(crops, batch_sampler=batches)), []
        for _ in range(_MEASURED_STEPS):
            started = time.perf_counter()
            run.take_step(run.networks, loader, StopAsked())
            times.append(time.perf_counter() - started)
        seconds = statistics.median(times)
    past = [e for e in read_experience() if e.recipe == recipe.name] or [
        e for e in read_experience() if e.recipe.split("-")[0] == recipe.model.split("-")[0]
    ]
    past.sort(key=lambda e: abs(np.log(e.n_photos / max(1, len(photos)))))
    return Check(
        len(photos), refused, len(motifs), n_held_out, seconds,
        recipe.steps, sorted(past[:3], key=lambda e: e.n_photos),
        [(photos[e.part].name, photos[e.whole].name) for e in motifs.excerpts],
        motifs.is_searched or bool(held_out),
    )  # fmt: skip


def as_text(check: Check, *, n_shown: int = 20) -> str:
    """The answer for a terminal."""
    lines = [
        f"{check.n_usable} photographs are usable, {len(check.refused)} are not",
        f"{check.n_motifs} different motifs (bursts, copies and parts of others count once and stay on one side); "
        f"held out for validation: {check.n_held_out}",
    ]
    if not check.is_searched:
        lines.append(NOT_SEARCHED)
    if check.excerpts:
        lines.append(f"cut out of others: {counted(len({part for part, _ in check.excerpts}), 'photograph')}")
        lines += [f"  {part}: out of {whole}" for part, whole in check.excerpts[:n_shown]]
    if len(check.excerpts) > n_shown:
        lines.append(f"  … and {len(check.excerpts) - n_shown} more")
    for reason in sorted({r.reason for r in check.refused}):
        of_it = [r for r in check.refused if r.reason == reason]
        lines.append(f"not usable, {reason}: {len(of_it)}")
        lines += [f"  {r.name}: {r.detail}" for r in of_it[:n_shown]]
        if len(of_it) > n_shown:
            lines.append(f"  … and {len(of_it) - n_shown} more")
    if check.n_usable:
        how = f"{check.hours:.1f} hours" if check.hours >= 1 else f"{check.hours * 60:.0f} minutes"
        lines.append(
            f"a step takes {check.step_seconds:.2f} s here now: about {how} for {check.steps} steps (validation apart)"
        )
    lines.append("what such numbers have given before (raw AuC on photographs held out; higher is better):")
    lines += [
        f"  {e.n_photos} photographs, {e.steps} steps of {e.recipe} from {e.start}: {e.auc_raw:.3f}, where "
        f"no colour at all gives {e.auc_raw_gray:.3f} ({e.judged_on})"
        for e in check.like_it
    ] or ["  nothing was measured with this recipe yet"]
    return "\n".join(lines)


def refuse_too_few(check: Check, least: int) -> None:
    """Raise RecipeError if training would refuse these photographs."""
    if check.n_usable < least:
        raise RecipeError(f"expected at least {least} usable photographs, got {check.n_usable}")
