"""What may be written beside a result, and what may not.

A mean of 50 % can be half the photographs at 30 and half at 70, or people who press at random; so
"indistinguishable" needs three things at once (statistics.md, "What 50 % does not mean").
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimate import BOTH, CHANCE, FoolRate
from analysis.sentences import ends, p_text, percent

# The low anchor counts as well detected if the upper end of its interval is at or below this fool rate:
# twice what attentive people missed of it in 2016 (13 %), rounded up.
ANCHOR_CEILING = 0.30

# Per-image rates count as incompatible with a common 50 % below this p of the χ² of shrinkage.heterogeneity_p.
SPREAD_ALPHA = 0.05


@dataclass(frozen=True)
class Check:
    """One of the three conditions: whether it holds, and a sentence with the numbers."""

    name: str
    holds: bool
    reads: str


@dataclass(frozen=True)
class Claim:
    """What may be written about one condition against chance, what may not, and why."""

    condition: str
    may_write: str
    may_not_write: str
    is_indistinguishable: bool
    checks: tuple[Check, ...]


def claim(rate: FoolRate, anchors: tuple[FoolRate, ...], spread_p: float, margin: float | None) -> Claim:
    """Check a condition's rate against chance; `spread_p` is the χ² p of a common 50 % over its images."""
    checks = (_equivalence(rate, margin), _assay(anchors), _spread(spread_p))
    everything = all(check.holds for check in checks)
    people = "the participant" if rate.n_participants == 1 else "participants"
    if everything:
        may = f"Under these viewing conditions, {people} could not tell {rate.condition} from the original."
        may_not = "… that no one could tell them apart, or that it would hold at leisure or on other photographs."
    elif rate.ci_low > CHANCE:
        may = f"Fakes of {rate.condition} were judged more real than the originals."
        may_not = "… that they are indistinguishable: people do tell them apart, and prefer the fake."
    elif rate.ci_high < CHANCE:
        may = f"On average, {people} told {rate.condition} from the original better than by chance."
        may_not = "… that it is indistinguishable from the original, or that it “passes” the test."
    else:
        may = f"The data do not settle whether {people} told {rate.condition} from the original."
        may_not = "… that it is indistinguishable: an interval that includes 50% is not evidence of equality."
    if rate.estimand != BOTH:
        may += f" The interval is about {rate.estimand}."
    return Claim(rate.condition, may, may_not, everything, checks)


def _equivalence(rate: FoolRate, margin: float | None) -> Check:
    name = "The 90% interval lies inside the margin declared beforehand"
    if margin is None:
        return Check(name, holds=False, reads="No margin was declared in the study definition (analysis.margin).")
    low, high = rate.interval(0.90)
    holds = CHANCE - margin < low and high < CHANCE + margin
    return Check(
        name,
        holds,
        f"90% CI {ends(low, high)}, margin {ends(CHANCE - margin, CHANCE + margin)}.",
    )


def _assay(anchors: tuple[FoolRate, ...]) -> Check:
    name = "The same participants detect the low anchor well"
    if not anchors:
        return Check(name, holds=False, reads="The study had no low-anchor trials.")
    worst = max(anchors, key=lambda rate: rate.ci_high)
    return Check(
        name,
        worst.ci_high <= ANCHOR_CEILING,
        f"{worst.condition}: fooled on {percent(worst.fool_rate)}%, 95% CI {ends(worst.ci_low, worst.ci_high)}; "
        f"the upper end must not exceed {percent(ANCHOR_CEILING, 0)}.",
    )


def _spread(spread_p: float) -> Check:
    return Check(
        "The rates of single photographs are compatible with a common 50%",
        spread_p >= SPREAD_ALPHA,
        f"χ² test of a common 50% over photographs: {p_text(spread_p)}.",
    )
