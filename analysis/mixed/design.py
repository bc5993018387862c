"""What a mixed model is fitted to: columns of trials, checked, and what of them cannot be fitted, named."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.clustered import Labels
from analysis.outcomes import labels_of, outcomes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WHAT = "mixed model"


@dataclass(frozen=True)
class Design:
    """Trials that a model can be fitted to.

    `factors` has the codes of participants and images where several levels were seen; `infinite` the conditions with
    none (−infinity) or all fooled, whose trials are left out: in the limit they say nothing about anything else.
    """

    fooled_n: Floats
    condition_n: Integers
    factors: dict[str, Integers]
    conditions: tuple[str, ...]
    infinite: dict[str, float]
    n_trials: int
    n_participants: int
    n_images: int
    warnings: tuple[str, ...]


def read_design(fooled: Labels, participant: Labels | None, image: Labels | None, condition: Labels | None) -> Design:
    """Check n trials; conditions are named and ordered by their labels.  Raises ValueError with one line."""
    y = outcomes(fooled, WHAT)
    warnings: list[str] = []
    condition_n, names = _conditions(condition, len(y))
    n_fooled, n_each = np.bincount(condition_n, weights=y), np.bincount(condition_n)
    is_none, is_all = n_fooled == 0, n_fooled == n_each
    if (is_none | is_all).all():
        raise ValueError(
            "mixed model: expected a condition with some trials fooled and some not, got all or none in each; "
            "use the primary estimator"
        )
    infinite = {}
    for k in np.flatnonzero(is_none | is_all):
        infinite[names[k]] = math.inf if is_all[k] else -math.inf
        warnings.append(
            f"{'all' if is_all[k] else 'none'} of {n_each[k]} trials of {names[k]} fooled: its estimate is infinite; "
            "the other conditions are fitted without it"
        )
    kept = ~(is_none | is_all)[condition_n]
    factors: dict[str, Integers] = {}
    sizes = {"participant": 0, "image": 0}
    for name, labels in (("participant", participant), ("image", image)):
        found = labels_of(labels, len(y), name, WHAT)
        if found is None:
            continue
        codes, levels = found
        sizes[name] = len(levels)
        kept_codes = pd.factorize(codes[kept])[0].astype(np.int64)
        if kept_codes.max() == 0:
            warnings.append(f"one {name} only: the model says nothing about others")
        elif np.bincount(kept_codes).max() == 1:
            warnings.append(f"each {name} has one trial: no spread between them can be told from chance; left out")
        else:
            factors[name] = kept_codes
    if not factors:
        raise ValueError(
            "mixed model: expected several participants or images, got one of each; use a binomial interval"
        )
    return Design(
        fooled_n=y[kept],
        condition_n=pd.factorize(condition_n[kept], sort=True)[0].astype(np.int64),
        factors=factors,
        conditions=tuple(name for name in names if name not in infinite),
        infinite=infinite,
        n_trials=len(y),
        n_participants=sizes["participant"],
        n_images=sizes["image"],
        warnings=tuple(warnings),
    )


def _conditions(condition: Labels | None, n: int) -> tuple[Integers, list[str]]:
    """Codes of the conditions' labels in the order of their names, and the names."""
    found = labels_of(condition, n, "condition", WHAT)
    if found is None:
        return np.zeros(n, dtype=np.int64), ["all"]
    codes, labels = found
    names = [str(label) for label in labels]
    order = np.array(sorted(range(len(names)), key=names.__getitem__))
    return np.argsort(order)[codes], [names[k] for k in order]
