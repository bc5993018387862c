"""Bootstraps: of participants and photographs, of participants, and the nested one of AMT_Real_vs_Fake."""

from __future__ import annotations

import pandas as pd

from analysis.bootstrap import nested_bootstrap, participant_bootstrap, two_way_bootstrap
from analysis.estimate import BOTH, FoolRate
from analysis.estimators.base import LARGEST_FIT, Estimate, capital

# Enough for a table's second digit; percentiles of 2,000 draws are good to a twentieth of the interval's width.
TWO_WAY_DRAWS, NESTED_DRAWS = 2_000, 2_000
NESTED = "nested bootstrap of AMT_Real_vs_Fake, mean ± sd"


def estimates(rate: FoolRate, rows: pd.DataFrame, design: str) -> list[Estimate]:
    """The bootstraps that the layout allows; none of a rate without variance, which they would call certain."""
    if rate.n_fooled in {0, rate.n_trials} or rate.n_participants < 2 or len(rows) > LARGEST_FIT:
        return []
    found = []
    if rate.n_images > 1:
        both = two_way_bootstrap(
            rows["fooled"],
            rows["participant"],
            rows["image"],
            confidence=rate.confidence,
            n_draws=TWO_WAY_DRAWS,
            design=design,
        )
        found.append(Estimate(_drawn(both.method, both.n_draws), BOTH, rate.fool_rate, both.ci_low, both.ci_high))
    people = participant_bootstrap(rows["fooled"], rows["participant"], confidence=rate.confidence, design=design)
    found.append(
        Estimate(_drawn(people.method, people.n_draws), people.estimand, rate.fool_rate, people.ci_low, people.ci_high)
    )
    nested = nested_bootstrap(rows["fooled"], rows["participant"], n_draws=NESTED_DRAWS, design=design)
    mean, sd = float(nested.mean[0]), float(nested.sd[0])
    reads = "mean ± 1 sd, as papers that used the tool print it: these images, participants' noise counted twice"
    found.append(Estimate(_drawn(NESTED, nested.n_draws), reads, mean, mean - sd, mean + sd, "± sd"))
    return found


def _drawn(method: str, n_draws: int) -> str:
    return f"{capital(method)}, {n_draws:,} draws"
