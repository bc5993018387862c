"""The sentences of a report, in APA style: percentages with one decimal, p without a leading zero."""

from __future__ import annotations

import math

from analysis.compare import Difference
from analysis.detection import Share
from analysis.estimate import ONE_OF_EACH, ONE_PARTICIPANT, FoolRate
from analysis.ratings import MeanRating
from analysis.sensitivity import Sensitivity
from analysis.thresholds import Threshold

# What templates may call by name.
FILTERS = (
    "percent", "p_text", "number", "counted", "level", "ends", "main_sentence", "against", "bias_sentence",
    "accuracy_sentence", "taken_in_sentence", "rating_sentence", "sensitivity_sentence", "difference_sentence",
    "of_hundred", "share_sentence", "preference_sentence", "threshold_sentence", "settled",
)  # fmt: skip


def percent(rate: float, digits: int = 1) -> str:
    """Write a rate in [0, 1] as a percentage without its sign: .3069 as 30.7."""
    return _signed(f"{100 * rate:.{digits}f}")


def p_text(p: float) -> str:
    """Write a p-value as APA does, with spaces that do not break: p < .001, p = .032, p > .999."""
    if math.isnan(p):
        return "p not defined"
    if p < 0.001:
        text = "p < .001"
    elif p > 0.999:
        text = "p > .999"
    else:
        text = f"p = {p:.3f}".replace("0.", ".")
    return text.replace(" ", "\u00a0")


def number(value: float, digits: int = 2) -> str:
    """Write a number with fixed decimals, and nothing that is not a number."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else _signed(f"{value:,.{digits}f}")


def _signed(text: str) -> str:
    """Write a minus as wide as a plus, and no minus before a rounded zero."""
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.,") else "−" + text[1:]
    return text


def counted(n: int, noun: str) -> str:
    """Write a count with its noun: 1 participant, 1,600 trials."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def level(confidence: float) -> str:
    """Write a confidence level: 95% CI."""
    return f"{100 * confidence:g}% CI"


def ends(low: float, high: float) -> str:
    """Write an interval of rates as percentages: [24.6, 37.5]."""
    return f"[{percent(low)}, {percent(high)}]"


def main_sentence(rate: FoolRate, *, name_condition: bool = False) -> str:
    """Say the fool rate of a condition in one sentence that can go into a paper."""
    one = rate.estimand in {ONE_PARTICIPANT, ONE_OF_EACH}
    who = "the participant was" if one else "participants were"
    start = f"With {rate.condition}, {who}" if name_condition else who.capitalize()
    return (
        f"{start} fooled on {percent(rate.fool_rate)}% of trials, {level(rate.confidence)} "
        f"{ends(rate.ci_low, rate.ci_high)} ({rate.n_fooled:,}/{rate.n_trials:,} trials; "
        f"{counted(rate.n_participants, 'participant')}, {counted(rate.n_images, 'image')}; "
        f"design effect {rate.design_effect:.1f})."
    )


def against(rate: FoolRate, null: float, name: str) -> str:
    """Compare with a rate fixed beforehand: which side the estimate is on, and the p of the inverted interval."""
    p = rate.p_value(null)
    low, high = rate.ci_low, rate.ci_high
    if high < null:
        where = f"is below {name}"
    elif low > null:
        where = f"is above {name}"
    else:
        where = f"is not distinguished from {name} by these data"
    return f"The rate {where} ({percent(null, 0)}%), {p_text(p)}."


def bias_sentence(share: Share) -> str:
    """Say how often one place was chosen, and whether that is a bias."""
    biased = share.ci_low > 0.5 or share.ci_high < 0.5
    verdict = "a bias" if biased else "no bias shown"
    return (
        f"{share.name.capitalize()} on {percent(share.share)}% of trials, 95% CI "
        f"{ends(share.ci_low, share.ci_high)}: {verdict}."
    )


def _base(rate: FoolRate) -> str:
    """The brackets of an APA sentence: counts, units, design effect."""
    return (
        f"({rate.n_fooled:,}/{rate.n_trials:,} trials; {counted(rate.n_participants, 'participant')}, "
        f"{counted(rate.n_images, 'image')}; design effect {rate.design_effect:.1f})"
    )


def accuracy_sentence(rate: FoolRate, what: str = "pictures") -> str:
    """Say an accuracy of single-picture judgements."""
    return (
        f"Participants judged {percent(rate.fool_rate)}% of {what} rightly, {level(rate.confidence)} "
        f"{ends(rate.ci_low, rate.ci_high)} {_base(rate)}."
    )


def taken_in_sentence(rate: FoolRate) -> str:
    """Say how often fakes of a condition were judged real, one picture at a time."""
    of = "" if rate.condition in {"fake", "all"} else f" of {rate.condition}"
    return (
        f"{percent(rate.fool_rate)}% of the fakes{of} were judged real, {level(rate.confidence)} "
        f"{ends(rate.ci_low, rate.ci_high)} {_base(rate)}."
    )


def rating_sentence(one: MeanRating, confidence: float) -> str:
    """Say a mean rating."""
    return (
        f"{one.condition} was rated {number(one.mean)} on average, {level(confidence)} "
        f"[{number(one.ci_low)}, {number(one.ci_high)}] ({one.n_trials:,} ratings; "
        f"{counted(one.n_participants, 'participant')}, {counted(one.n_images, 'image')}; "
        f"design effect {number(one.design_effect, 1)})."
    )


def sensitivity_sentence(found: Sensitivity, confidence: float) -> str:
    """Say d′ and the criterion of a yes-no task."""
    tendency = "say “real”" if found.criterion > 0 else "say “fake”"
    return (
        f"d′ = {number(found.d_prime)}, {level(confidence)} [{number(found.d_low)}, {number(found.d_high)}]; "
        f"criterion c = {number(found.criterion)} [{number(found.c_low)}, {number(found.c_high)}] "
        f"(people tend to {tendency})."
    )


def difference_sentence(pair: Difference, confidence: float) -> str:
    """Say a difference of two rates, with the p of its own clustered t."""
    return (
        f"{percent(pair.difference)} percentage points, {level(confidence)} {ends(pair.ci_low, pair.ci_high)}, "
        f"t({number(pair.df, 0)}) = {number(pair.t)}, {p_text(pair.p)}."
    )


def of_hundred(rate: float) -> str:
    """Say a rate for someone who reads nothing else: about 31 of 100."""
    if rate < 0.005:
        return "fewer than 1 of 100"
    return "more than 99 of 100" if rate > 0.995 else f"about {round(100 * rate)} of 100"


def share_sentence(share: Share) -> str:
    """Say a share of trials with its interval."""
    return (
        f"{share.name.capitalize()} on {percent(share.share)}% of trials ({share.k}/{share.n_trials}), 95% CI "
        f"{ends(share.ci_low, share.ci_high)}."
    )


def preference_sentence(rate: FoolRate) -> str:
    """Say how often the first of two conditions was preferred, as a paper says it."""
    first, second = rate.condition.split(" vs ", 1)
    return (
        f"{first} was preferred to {second} on {percent(rate.fool_rate)}% of trials, {level(rate.confidence)} "
        f"{ends(rate.ci_low, rate.ci_high)} {_base(rate)}; against no preference (50%), {p_text(rate.p_value(0.5))}."
    )


def threshold_sentence(one: Threshold) -> str:
    """Say a condition's exposure threshold, as a paper says it."""
    interval = ""
    if one.hype:
        interval = f", 95% bootstrap CI [{number(one.hype.ci_low_ms, 0)}, {number(one.hype.ci_high_ms, 0)}]"
    return (
        f"The staircases of {one.condition} stood most often at {number(one.threshold_ms, 0)} ms{interval} "
        f"({counted(one.n_participants, 'participant')}, {counted(one.n_trials, 'trial')}; "
        f"{percent(one.share_correct)}% right answers)."
        + (
            f" A curve through all looks puts three of four right answers at {number(one.fit.threshold_ms, 0)} ms, "
            f"{level(one.fit.confidence)} [{number(one.fit.ci_low_ms, 0)}, {number(one.fit.ci_high_ms, 0)}]."
            if one.fit
            else ""
        )
    )


# Beyond this distance from the staircase's target the share of right answers says that it had not settled.
SETTLED_WITHIN = 0.04


def settled(one: Threshold, target: float | None) -> str:
    """Warn where the share of right answers is not the staircase's target; empty if it is, or the target unknown."""
    if target is None or abs(one.share_correct - target) <= SETTLED_WITHIN:
        return ""
    where = (
        "easier, so the threshold is shorter" if one.share_correct > target else "harder, so the threshold is longer"
    )
    return (
        f"{one.condition}: people were right on {percent(one.share_correct)}%, and the staircase aims at "
        f"{percent(target, 0)}%. It had not settled, or stood at a limit: its looks were {where} than the number says."
    )
