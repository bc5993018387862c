"""What every other estimate of a rate is: a method, what it is about, and an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from analysis.estimate import FoolRate

# A fit, or a bootstrap, of more trials takes longer than the rest of the report.
LARGEST_FIT = 50_000
THESE_TRIALS = "these trials only: ignores clustering"


@dataclass(frozen=True)
class Estimate:
    """One method's rate and interval for one condition, with its estimand."""

    method: str
    estimand: str
    rate: float
    ci_low: float
    ci_high: float
    note: str = ""

    @property
    def short(self) -> str:
        """The method's name up to its first comma, for a figure."""
        return self.method.split(",")[0].split(" (")[0]


class Estimator(Protocol):
    """A module of this folder.

    `estimates` gives one condition's estimates, none where the method does not apply: `rate` is the primary one, `rows`
    the condition's trials with participant, image and fooled (0/1), `design` theirs (analysis/designs.py).
    """

    def estimates(self, rate: FoolRate, rows: pd.DataFrame, design: str) -> Iterable[Estimate]:
        """Estimate one condition's rate again."""


def capital(text: str) -> str:
    """Begin with a capital."""
    return text[0].upper() + text[1:]
