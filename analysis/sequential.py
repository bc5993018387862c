"""An interval that may be looked at after every participant: a betting confidence sequence.

An ordinary interval holds for one look at a size fixed beforehand; who looks after every five people and stops when
it suits is wrong in most studies.  Here a bet is placed, before each participant's mean is known, against every rate
m from 0 to 1; while m is the truth the capital is a martingale and exceeds 1/α at any time in at most a share α of
studies (Ville 1939).  What has not gone bankrupt the bank is the interval: Waudby-Smith and Ramdas 2024, "hedged
capital", doi:10.1093/jrsssb/qkad009.

Participants are independent draws, photographs are not drawn anew: the statement is about these photographs only.

Shape suffixes: T participants in the order of their coming, M rates on a grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.designs import PAIR, refuse_other

Floats = npt.NDArray[np.float64]

ESTIMAND = "this population of participants, and these photographs only; valid at every look"
GRID = np.linspace(0.0, 1.0, 1001)
# A bet may lose at most this share of the capital.
LARGEST_BET = 0.5


@dataclass(frozen=True)
class Sequence:
    """Interval after each of T participants, running intersection; rates in [0, 1]."""

    n_participants: int
    means_T: Floats
    low_T: Floats
    high_T: Floats
    confidence: float
    estimand: str = ESTIMAND

    @property
    def mean(self) -> float:
        """Mean of the participants' means so far."""
        return float(self.means_T[-1])

    @property
    def low(self) -> float:
        """Lower end now."""
        return float(self.low_T[-1])

    @property
    def high(self) -> float:
        """Upper end now."""
        return float(self.high_T[-1])


def log_capital(means: npt.ArrayLike, rate: npt.ArrayLike, confidence: float = 0.95) -> Floats:
    """Log of the hedged capital against `rate` (...) after each of T means (..., T) in [0, 1]; shape (..., T).

    Capital above 1/α rules a rate out.  Bets follow the variance so far, one participant late.
    """
    x, m = np.asarray(means, dtype=np.float64), np.asarray(rate, dtype=np.float64)[..., None]
    alpha = 1 - confidence
    t = np.arange(1, x.shape[-1] + 1)
    # Half a participant at ½ and a variance of ¼ come first, so that the first bet is defined.
    mean = (0.5 + np.cumsum(x, axis=-1)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=-1)) / (t + 1)
    known = np.concatenate([np.full((*x.shape[:-1], 1), 0.25), variance[..., :-1]], axis=-1)
    bet = np.sqrt(2 * math.log(2 / alpha) / (known * t * np.log(t + 1)))
    with np.errstate(divide="ignore"):
        up, down = np.minimum(bet, LARGEST_BET / m), np.minimum(bet, LARGEST_BET / (1 - m))
    richer = np.cumsum(np.log1p(up * (x - m)), axis=-1)
    poorer = np.cumsum(np.log1p(-down * (x - m)), axis=-1)
    return np.asarray(np.maximum(richer, poorer) - math.log(2))


def confidence_sequence(means: npt.ArrayLike, *, confidence: float = 0.95, design: str = PAIR) -> Sequence:
    """Follow T participants' fool rates, in the order in which they finished.

    Raises ValueError where a mean is missing or outside [0, 1], or where the `design` is not one of pairs.
    """
    refuse_other("sequence", design, PAIR)
    x = np.asarray(means, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0:
        raise ValueError(f"sequence: expected one mean per participant, got an array of shape {x.shape}")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("sequence: expected participants' rates from 0 to 1, got others or NaN; drop unfinished ones")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}; use 0.95 for 95 %")
    alive_MT = np.logical_and.accumulate(
        log_capital(np.broadcast_to(x, (len(GRID), len(x))), GRID, confidence) < math.log(1 / (1 - confidence)), axis=1
    )
    running = np.cumsum(x) / np.arange(1, len(x) + 1)
    step = GRID[1]
    # The truth may lie between two rates of the grid, one of which is ruled out: ends open by a step.
    low = np.where(alive_MT.any(axis=0), np.maximum(GRID[alive_MT.argmax(axis=0)] - step, 0), np.nan)
    last = len(GRID) - 1 - alive_MT[::-1].argmax(axis=0)
    high = np.where(alive_MT.any(axis=0), np.minimum(GRID[last] + step, 1), np.nan)
    return Sequence(len(x), running, low, high, confidence)
