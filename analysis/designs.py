"""Which design a table is from.  Each has an outcome of its own, so every estimator refuses the tables of another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.archive import ExportError

PAIR, SINGLE, STAIRCASE, PREFERENCE, RATING = "pair", "single", "staircase", "preference", "rating"
OUTCOMES = {
    PAIR: "pairs of a fake and its original have a fool rate (fool_rate)",
    SINGLE: "single pictures have error rates, d′ and a criterion (yes_no, hype_infinity)",
    STAIRCASE: "a staircase has exposure thresholds (hype_time, psychometric_threshold)",
    PREFERENCE: "preferences have win shares and Bradley–Terry abilities (bradley_terry)",
    RATING: "ratings have means on their own scale (mean_rating)",
}
# A share of trials means something in these; a staircase holds its share of right answers where it wants it.
SHARES = (PAIR, SINGLE, PREFERENCE)
# A difference of two conditions does in these; preferences have abilities instead.
COMPARED = (PAIR, SINGLE, RATING)
# What a design is called in trials.csv, where its question is of real and fake.
KIND_OF = {"sequential_pair": PAIR, "simultaneous_pair": PAIR, "single": SINGLE}
PAIR_DESIGNS = frozenset(name for name, kind in KIND_OF.items() if kind == PAIR)


def refuse_other(estimator: str, design: str, *expected: str) -> None:
    """Raise ValueError where a table's design is not one that an estimator is for."""
    kind = KIND_OF.get(design, design)
    if kind not in expected:
        hint = OUTCOMES.get(kind, f"the designs are {', '.join(OUTCOMES)}")
        raise ValueError(f"{estimator}: expected a {' or '.join(expected)} design, got {design!r}; {hint}")


def kind_of(trials: pd.DataFrame, source: str) -> str:
    """Say which kind of design an export's scored test trials are from; refuse mixtures and designs unknown."""
    is_natural = (trials["question"] == "natural").to_numpy()
    is_staircase = trials["staircase_level_ms"].notna().to_numpy() & (trials["design"] == "single").to_numpy()
    named = trials["design"].map(KIND_OF).fillna(trials["design"]).to_numpy(dtype=object)
    kinds = np.where(is_natural, PREFERENCE, np.where(is_staircase, STAIRCASE, named))
    found = sorted(set(kinds))
    if len(found) > 1:
        raise ExportError(
            f"{source}: expected the test trials of one design, got {' and '.join(found)}; their outcomes differ: "
            "make a study for each"
        )
    if found[0] not in {PAIR, SINGLE, STAIRCASE, PREFERENCE}:
        raise ExportError(
            f"{source}: expected a design of {', '.join(KIND_OF)}, got {found[0]!r}; "
            "use the truehue version that wrote it"
        )
    return str(found[0])
