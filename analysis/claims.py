"""What may be written beside a result, and what may not.

A mean of 50 % can be half the photographs at 30 and half at 70, or people who press at random; so
"indistinguishable" needs three things at once (statistics.md, "What 50 % does not mean").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.about import FOOL_RATE, PREFERENCE
from analysis.compare import Difference
from analysis.estimate import BOTH, CHANCE, FoolRate
from analysis.published import FULL_2016
from analysis.results import Results
from analysis.sensitivity import YesNo
from analysis.sentences import ends, level, p_text, percent, settled
from analysis.thresholds import Threshold

# The low anchor counts as well detected if the upper end of its interval is at or below this fool rate:
# twice what attentive people missed of it in 2016 (13 %), rounded up.
ANCHOR_CEILING = 0.30

ZHANG = "zhang2016"

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
    versus: Versus | None = None


@dataclass(frozen=True)
class Versus:
    """What may and what may not be written about one condition beside Zhang et al. (2016)."""

    may_write: str
    may_not_write: str
    has_concurrent_arm: bool


def claims_of(results: Results) -> tuple[Claim, ...]:
    """Check every condition of a study; an outcome without a chance level has other claims than a fool rate."""
    if results.about.outcome.key == PREFERENCE.key:
        return tuple(preference_claim(rate) for rate in results.fool_rates)
    if results.thresholds:
        return tuple(threshold_claim(one, results.plan.staircase_target) for one in results.thresholds)
    if results.about.outcome.key != FOOL_RATE.key:
        return (yes_no_claim(results.yes_no),) if results.yes_no else ()
    return tuple(
        replace(
            claim(rate, results.anchors, results.image_spread_p[rate.condition], results.plan.margin),
            versus=versus_2016(rate, _concurrent(results), results.differences),
        )
        for rate in results.fool_rates
    )


def _concurrent(results: Results) -> tuple[str, ...]:
    """Name the conditions of this study that are the 2016 system, judged on photographs that others were judged on."""
    made = results.about.manifest.get("conditions", {})
    names = {rate.condition for rate in results.fool_rates}
    return tuple(
        name for name in names if str(made.get(name, {}).get("model") or name).split("-")[0] in {ZHANG, "zhang"}
    )


def versus_2016(rate: FoolRate, concurrent: tuple[str, ...], differences: tuple[Difference, ...]) -> Versus:
    """Compare with Zhang et al. (2016): a contrast only against their system run at the same time."""
    published = f"{percent(FULL_2016.fool_rate)} ± {percent(FULL_2016.se)}%"
    never = (
        f"… “better (or worse) than Zhang et al. (2016)” from {published}: that figure comes from other people and "
        "other photographs."
    )
    if rate.condition in concurrent:
        return Versus(
            f"{rate.condition} reached {percent(rate.fool_rate)}% here; {published} was published for the 2016 system.",
            "… that the published figure was reproduced, or was not: people and photographs differ.",
            has_concurrent_arm=True,
        )
    for pair in differences:
        other = {pair.condition_a, pair.condition_b} - {rate.condition}
        if rate.condition not in {pair.condition_a, pair.condition_b} or not other & set(concurrent):
            continue
        sign = 1 if pair.condition_a == rate.condition else -1
        low, high = sorted((sign * pair.ci_low, sign * pair.ci_high))
        verdict = "was not told apart from" if low <= 0 <= high else ("fooled more often than" if low > 0 else "less")
        verdict = "fooled less often than" if verdict == "less" else verdict
        (name,) = other
        return Versus(
            f"{rate.condition} {verdict} {name}, run at the same time: difference {percent(sign * pair.difference)} "
            f"points, 95% CI {ends(low, high)}, {p_text(pair.p_holm)} (Holm).",
            never,
            has_concurrent_arm=True,
        )
    return Versus(
        f"The published rate of the 2016 system was {published}, of other people and other photographs.",
        never + " It takes a zhang2016 arm run at the same time.",
        has_concurrent_arm=False,
    )


def yes_no_claim(judged: YesNo | None) -> Claim:
    """What single-picture judgements allow: telling apart is d′, and a share judged real depends on bias."""
    assert judged is not None
    sensitivity = judged.sensitivity
    if sensitivity is None:
        may = f"{percent(judged.accuracy.fool_rate)}% of the pictures were judged rightly by this participant."
    elif sensitivity.d_low > 0:
        may = "Participants told fakes from originals better than by chance."
    elif sensitivity.d_high < 0:
        may = "Participants called originals fake more often than fakes."
    else:
        may = "The data do not settle whether participants told fakes from originals."
    c = f" (criterion here: {sensitivity.criterion:.2f})".replace("-", "−") if sensitivity else ""
    may_not = (
        f"… that {percent(judged.accuracy_fake.fool_rate, 0)}% of fakes found, or the rest missed, measures the fakes "
        f"alone: it moves with how readily people say “real”{c}; or that 50% is chance for it."
    )
    return Claim("single pictures", may, may_not, is_indistinguishable=False, checks=())


def preference_claim(rate: FoolRate) -> Claim:
    """What a preference allows: which of two looks more natural, and nothing about being fooled."""
    first, second = rate.condition.split(" vs ", 1)
    if rate.ci_low > CHANCE or rate.ci_high < CHANCE:
        better, worse = (first, second) if rate.ci_low > CHANCE else (second, first)
        may = f"The colours of {better} were preferred to those of {worse}."
    else:
        may = f"The data do not settle whether {first} or {second} is preferred; that is no proof of equality."
    may_not = (
        "… that one fools people, or fools them more often: no original was shown, and a preference is no fool rate."
    )
    return Claim(rate.condition, may, may_not, is_indistinguishable=False, checks=())


def threshold_claim(one: Threshold, target: float | None) -> Claim:
    """What an exposure threshold allows: how long a look was needed by these people with these pictures."""
    if one.fit:
        may = (
            f"With {one.condition}, looks of {one.fit.threshold_ms:.0f} ms, {level(one.fit.confidence)} "
            f"[{one.fit.ci_low_ms:.0f}, {one.fit.ci_high_ms:.0f}], gave three right answers of four: it is told from "
            "originals more often with longer ones, less often with shorter ones."
        )
    elif settled(one, target):
        may = f"The threshold of {one.condition} was not reached: the staircases had not settled."
    else:
        may = (
            f"The staircases of {one.condition} settled at looks of {one.threshold_ms:.0f} ms: with longer ones it is "
            "told from originals more often, with shorter ones less."
        )
    unsettled = f"… that the staircases rested at {one.threshold_ms:.0f} ms; " if settled(one, target) else "… "
    may_not = (
        f"{unsettled}that the fakes are indistinguishable below it, or a fool rate: a threshold is a time, of these "
        "pictures and of the staircase's steps."
    )
    return Claim(one.condition, may, may_not, is_indistinguishable=False, checks=())


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
