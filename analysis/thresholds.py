"""Staircases (HYPE-time): per participant the exposure at which they settle, per condition the mean of those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.hype import HypeTime, hype_time, staircase_threshold
from analysis.psychometric import Psychometric, psychometric_threshold


@dataclass(frozen=True)
class Threshold:
    """One condition's threshold.  `hype` is None with one participant: there is no spread to draw from.

    `share_correct` should be near the staircase's target, else it did not settle; `median_level_ms` is over the later
    half of every block, a second reading of the same level.  `n_at_limit` staircases have their mode at a limit.
    `fit` is the 75 % point of a curve through all looks, wherever the staircase began; None with `fit_note` saying why.
    """

    condition: str
    threshold_ms: float
    hype: HypeTime | None
    share_correct: float
    median_level_ms: float
    n_trials: int
    n_participants: int
    n_at_limit: int
    fit: Psychometric | None = None
    fit_note: str = ""


def per_participant(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and participant: threshold (mean of the blocks' modes), blocks, share right, speed.

    `rows` has condition, participant, block, level_ms, correct (0/1) and rt_ms, in the order of presentation.
    """
    blocks = rows.groupby(["condition", "participant", "block"], sort=False)["level_ms"].agg(
        lambda ms: staircase_threshold(ms)
    )
    people = rows.groupby(["condition", "participant"], sort=False)
    table = people.agg(
        n_trials=("level_ms", "size"), share_correct=("correct", "mean"), rt_median_ms=("rt_ms", "median")
    )
    modes = blocks.groupby(level=[0, 1], sort=False)
    table.insert(0, "threshold_ms", modes.mean())
    table.insert(1, "n_blocks", modes.size())
    return table.reset_index().rename(columns={"participant": "participant_id"})


def thresholds(
    rows: pd.DataFrame,
    order: list[str],
    limits_ms: tuple[float, float] | None = None,
    confidence: float = 0.95,
) -> tuple[Threshold, ...]:
    """Estimate every condition's threshold; `limits_ms` are the staircase's own."""
    found = []
    by_condition = {str(name): part for name, part in rows.groupby("condition", sort=False, observed=True)}
    for condition in order:
        part = by_condition[condition]
        modes = part.groupby(["participant", "block"], sort=False)["level_ms"].agg(lambda ms: staircase_threshold(ms))
        place = part.groupby(["participant", "block"], sort=False).cumcount()
        length = part.groupby(["participant", "block"], sort=False)["level_ms"].transform("size")
        n_people = part["participant"].nunique()
        per_person = modes.groupby(level=0, sort=False).mean()
        fit, note = None, ""
        try:
            fit = psychometric_threshold(part["correct"], part["level_ms"], part["participant"], confidence=confidence)
        except ValueError as error:
            note = str(error)
        found.append(
            Threshold(
                condition=condition,
                threshold_ms=float(per_person.mean()),
                hype=hype_time(part["level_ms"], part["participant"], part["block"]) if n_people > 1 else None,
                share_correct=float(part["correct"].mean()),
                median_level_ms=float(part.loc[place >= length / 2, "level_ms"].median()),
                n_trials=len(part),
                n_participants=n_people,
                n_at_limit=0 if limits_ms is None else int(np.isin(modes, limits_ms).sum()),
                fit=fit,
                fit_note=note,
            )
        )
    return tuple(found)


def courses(rows: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles of the level at each place of a block: columns condition, place, low, median, high."""
    place = rows.groupby(["condition", "participant", "block"], sort=False).cumcount()
    groups = rows.assign(place=place).groupby(["condition", "place"], sort=False)["level_ms"]
    quartiles = {name: groups.quantile(at) for name, at in (("low", 0.25), ("median", 0.5), ("high", 0.75))}
    return pd.DataFrame(quartiles).reset_index()
