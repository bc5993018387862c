"""Rates of single photographs and single participants, as tables."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from analysis.proportions import wilson
from analysis.shrinkage import shrunken_rates

IMAGE_FACTS = ("mean_chroma", "group", "source", "author", "licence", "credit")


def rates_by(test: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Count k of n per condition and unit, with a Wilson interval that ignores clustering and a shrunken rate.

    `test` has columns condition, `unit` and fooled (0/1).
    """
    groups = test.groupby(["condition", unit], sort=False, observed=True)
    table = groups["fooled"].agg(n_trials="size", n_fooled="sum").astype(np.int64).reset_index()
    table["fool_rate"] = table["n_fooled"] / table["n_trials"]
    table["ci_low"], table["ci_high"] = wilson(table["n_fooled"], table["n_trials"])
    shrunken = pd.Series(np.nan, index=table.index)
    for _, rows in table.groupby("condition", sort=False, observed=True):
        shrunken[rows.index] = shrunken_rates(rows["n_fooled"], rows["n_trials"])
    return table.assign(shrunken_rate=shrunken)


def image_table(test: pd.DataFrame, manifest: dict[str, Any]) -> pd.DataFrame:
    """One row per condition and photograph, from most to least fooling by the shrunken rate.

    What the manifest tells of a photograph stands beside it; without a manifest those columns are absent.
    """
    table = rates_by(test, "image").rename(columns={"image": "image_id"})
    if manifest:
        images = {image["image_id"]: image for image in manifest["images"]}
        delta = {(s["image_id"], s["condition"]): s.get("delta_e00_mean") for s in manifest["stimuli"]}
        keys = zip(table["image_id"], table["condition"], strict=True)
        table["delta_e00_mean"] = pd.to_numeric(pd.Series([delta.get(key) for key in keys], dtype=object))
        for name in IMAGE_FACTS:
            table[name] = [images.get(image, {}).get(name) for image in table["image_id"]]
        table["seen_in_training"] = table["image_id"].isin(set(manifest.get("seen_in_training", [])))
    order = ["condition", "shrunken_rate", "fool_rate", "image_id"]
    return table.sort_values(order, ascending=[True, False, False, True]).reset_index(drop=True)


def participant_table(test: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and participant, in the order of the data."""
    table = rates_by(test, "participant").rename(columns={"participant": "participant_id"})
    if "rt_ms" in test.columns:
        table["rt_median_ms"] = table["participant_id"].map(
            test.groupby("participant", observed=True)["rt_ms"].median()
        )
    return table


def add_behaviour(table: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Add to a participant table, from all trials of an export: controls, side, speed."""

    def per_person(values: pd.Series[Any], how: str, missing: float = np.nan) -> list[Any]:
        people = trials.loc[values.index, "participant_id"]
        found: dict[Hashable, Any] = values.groupby(people).agg(how).to_dict()
        return [found.get(person, missing) for person in table["participant_id"]]

    anchor = trials["control"] == "low_anchor"
    instructed = trials["control"] == "instructed"
    is_test = trials["kind"] == "test"
    fooled = trials["fooled"].fillna(value=False).astype(int)
    failed = (~trials["correct"].fillna(value=True).astype(bool)).astype(int)
    return table.assign(
        n_anchor_trials=per_person(anchor[anchor].astype(int), "sum", 0),
        n_anchor_fooled=per_person(fooled[anchor], "sum", 0),
        n_instructed_trials=per_person(instructed[instructed].astype(int), "sum", 0),
        n_instructed_failed=per_person(failed[instructed], "sum", 0),
        left_share=per_person((trials["response"] == "left")[is_test].astype(float), "mean"),
        rt_median_ms=per_person(trials["rt_ms"][is_test], "median"),
    )
