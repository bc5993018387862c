"""Columns of trials, checked: zeros and ones, and one label per trial."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.clustered import Labels

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def outcomes(fooled: Labels, what: str = "fool rate") -> Floats:
    """Turn outcomes into n zeros and ones, or say what is wrong with them; `what` begins the message."""
    values = pd.Series(np.asarray(fooled))
    if len(values) == 0:
        raise ValueError(f"{what}: expected at least one scored trial, got none; check kind and exclusions")
    if values.isna().any():
        raise ValueError(
            f"{what}: expected 0 or 1 in every trial, got {int(values.isna().sum())} missing of {len(values)}; "
            "drop void and unanswered trials first"
        )
    try:
        y = values.to_numpy().astype(np.float64)
    except (TypeError, ValueError):
        y = np.full(len(values), np.nan)
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError(
            f"{what}: expected only 0 and 1, got {values[~np.isin(y, (0.0, 1.0))].iloc[0]}; code fooled as 0/1"
        )
    return y


def labels_of(labels: Labels | None, n: int, name: str, what: str) -> tuple[Integers, npt.NDArray[Any]] | None:
    """Codes of n labels and the labels in the order of their codes; None stays None, missing labels are refused."""
    if labels is None:
        return None
    values = np.asarray(labels)
    if len(values) != n:
        raise ValueError(f"{what}: expected one {name} per trial ({n}), got {len(values)}; pass columns of one table")
    codes, found = pd.factorize(values)
    if codes.min() < 0:
        raise ValueError(
            f"{what}: expected one {name} per trial, got {int((codes < 0).sum())} missing; "
            "drop those trials or name them"
        )
    return codes.astype(np.int64), np.asarray(found)
