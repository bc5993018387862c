"""The most and the least fooling pairs as pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from analysis.about import PREFERENCE
from analysis.exports import Export
from analysis.results import Results

N_PAIRS = 4
MIME = {".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class Pair:
    """One photograph in its own and in the colorizer's colours, as data URIs, with its count and its credit.

    `real_uri` is empty for a photograph that has no original.
    """

    image_id: str
    real_uri: str
    fake_uri: str
    n_fooled: int
    n_trials: int
    fool_rate: float
    shrunken_rate: float
    delta_e00_mean: float | None
    credit: str
    is_seen_in_training: bool


def pairs(results: Results) -> dict[str, dict[str, list[Pair]]]:
    """Return for each condition the most and the least fooling photographs, by their shrunken rates."""
    chosen: dict[str, dict[str, list[Pair]]] = {}
    if results.export is None or results.about.outcome.key == PREFERENCE.key:
        return chosen
    for rate in results.fool_rates:
        rows = results.images[results.images["condition"] == rate.condition]
        # Only what lies on its side of the mean may be called most or least fooling.
        most = rows[rows["fool_rate"] > rate.fool_rate].head(N_PAIRS)
        least = rows[rows["fool_rate"] < rate.fool_rate].tail(N_PAIRS).iloc[::-1]
        chosen[rate.condition] = {
            "most": [_pair(results.export, row) for row in most.to_dict("records")],
            "least": [_pair(results.export, row) for row in least.to_dict("records")],
        }
    return chosen


def _pair(export: Export, row: dict[Any, Any]) -> Pair:
    parts = [row["author"], row["licence"], row["credit"]]
    return Pair(
        image_id=row["image_id"],
        real_uri=_data_uri(export, row["image_id"], "real") if export.has_original(row["image_id"]) else "",
        fake_uri=_data_uri(export, row["image_id"], row["condition"]),
        n_fooled=row["n_fooled"],
        n_trials=row["n_trials"],
        fool_rate=row["fool_rate"],
        shrunken_rate=row["shrunken_rate"],
        delta_e00_mean=row["delta_e00_mean"] if pd.notna(row["delta_e00_mean"]) else None,
        credit=" · ".join(part for part in parts if isinstance(part, str) and part) or "no credit in the manifest",
        is_seen_in_training=row["seen_in_training"],
    )


def _data_uri(export: Export, image_id: str, condition: str) -> str:
    stimulus = export.stimulus(image_id, condition)
    mime = MIME.get(PurePosixPath(stimulus["file"]).suffix.lower(), "application/octet-stream")
    data = base64.b64encode(export.files.read(stimulus["file"])).decode("ascii")
    return f"data:{mime};base64,{data}"
