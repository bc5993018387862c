"""Everything that a report prints, computed once from an export and a plan."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.about import About
from analysis.colour import Association, associations
from analysis.compare import Difference
from analysis.designs import KIND_OF, PAIR
from analysis.detection import Detection, LapseCorrection, Share
from analysis.estimate import FoolRate, fool_rate
from analysis.estimators import Estimate
from analysis.exclusions import ExclusionFlow
from analysis.exports import Export
from analysis.findings import Finding
from analysis.hype import HypeInfinity
from analysis.plan import Plan
from analysis.preference import BradleyTerry
from analysis.quality import Exposure, Instructed
from analysis.ratings import MeanRating
from analysis.secondary import Mixed, mixed, secondary_estimates
from analysis.sensitivity import YesNo, share
from analysis.shrinkage import heterogeneity_p
from analysis.thresholds import Threshold
from analysis.units import image_table, participant_table


@dataclass(frozen=True)
class Variant:
    """The fool rates under another choice of who is analysed."""

    name: str
    reads: str
    fool_rates: tuple[FoolRate, ...]


@dataclass(frozen=True)
class Detail:
    """What only our own exports tell: controls, biases, timing; None where a design has no such thing.

    `obvious_caught`: share of the obviously wrong controls that were caught; `same_left`: left chosen of two copies.
    """

    instructed: Instructed
    exposure: Exposure
    lapses: dict[str, LapseCorrection | None]
    side_bias: Share | None = None
    interval_bias: Share | None = None
    detection: Detection | None = None
    obvious_caught: Share | None = None
    same_left: Share | None = None


@dataclass(frozen=True)
class Judged:
    """One condition's fakes beside the originals that the same people judged; `hype` is None with one participant."""

    condition: str
    yes_no: YesNo
    hype: HypeInfinity | None


@dataclass(frozen=True)
class Results:
    """One study's results.  Frames: `images` and `participants` have one row per condition and unit.

    `test` holds the scored trials: condition, participant, image, fooled (0/1) and, where known, rt_ms.
    `trace` names every test trial presented by its line in the data, and the rule that left it out ("" if none did).
    `export` and `detail` are None for other people's tables.  `yes_no` and `judged` (by condition) are of single
    pictures, `ratings`, `thresholds` (with `courses`, the levels' quartiles) and `bradley_terry` of those designs only;
    `note` says why something that belongs to the design is missing.
    """

    about: About
    plan: Plan
    flow: ExclusionFlow
    fool_rates: tuple[FoolRate, ...]
    anchors: tuple[FoolRate, ...]
    differences: tuple[Difference, ...]
    secondary: dict[str, tuple[Estimate, ...]]
    mixed: Mixed
    images: pd.DataFrame
    participants: pd.DataFrame
    variants: tuple[Variant, ...]
    image_spread_p: dict[str, float]
    colour: tuple[Association, ...]
    findings: tuple[Finding, ...]
    test: pd.DataFrame
    trace: pd.DataFrame
    export: Export | None = None
    sessions: pd.DataFrame | None = None
    detail: Detail | None = None
    yes_no: YesNo | None = None
    judged: tuple[Judged, ...] = ()
    ratings: tuple[MeanRating, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    courses: pd.DataFrame | None = None
    bradley_terry: BradleyTerry | None = None
    note: str = ""


def assemble(
    about: About,
    plan: Plan,
    flow: ExclusionFlow,
    test: pd.DataFrame,
    rates: tuple[FoolRate, ...],
    differences: tuple[Difference, ...],
    findings: tuple[Finding, ...],
    trace: pd.DataFrame,
) -> Results:
    """Compute what every table of 0/1 outcomes allows, wherever it came from."""
    images = image_table(test, about.manifest)
    kind = about.outcome.design
    model = mixed(test, plan.confidence, kind)
    return Results(
        about=about,
        plan=plan,
        flow=flow,
        fool_rates=rates,
        anchors=(),
        differences=differences,
        secondary=_secondary(test, rates, model, kind),
        mixed=model,
        images=images,
        participants=participant_table(test),
        variants=(),
        image_spread_p={
            str(name): heterogeneity_p(rows["n_fooled"], rows["n_trials"], 0.5)
            for name, rows in images.groupby("condition", sort=False)
        },
        colour=associations(images, plan.confidence),
        findings=findings,
        test=test,
        trace=trace,
    )


def condition_rates(
    test: pd.DataFrame,
    conditions: list[str],
    confidence: float,
    design: str,
    *,
    others: tuple[FoolRate, ...] = (),
) -> tuple[FoolRate, ...]:
    """Fool rate (pairs) or share (single pictures, preferences) of each condition of a long table, in the given order.

    Where none or all were fooled, the largest design effect of the study's other conditions is assumed
    (statistics.md), `others` among them.
    """
    rows_of = {str(name): rows for name, rows in test.groupby("condition", sort=False, observed=True)}

    def estimate(condition: str, extreme_design_effect: float | None = None) -> FoolRate:
        rows = rows_of[condition]
        if KIND_OF.get(design, design) != PAIR:
            return share(rows["fooled"], rows, condition, confidence, extreme_design_effect=extreme_design_effect)
        return fool_rate(
            rows["fooled"],
            rows["participant"],
            rows["image"],
            condition=condition,
            confidence=confidence,
            design=design,
            extreme_design_effect=extreme_design_effect,
        )

    first = [estimate(condition) for condition in conditions]
    known = [rate.design_effect for rate in (*first, *others) if 0 < rate.n_fooled < rate.n_trials]
    return tuple(
        estimate(rate.condition, max(known)) if known and rate.n_fooled in {0, rate.n_trials} else rate
        for rate in first
    )


def _secondary(
    test: pd.DataFrame, rates: tuple[FoolRate, ...], model: Mixed, design: str
) -> dict[str, tuple[Estimate, ...]]:
    rows_of = {str(name): rows for name, rows in test.groupby("condition", sort=False, observed=True)}
    return {rate.condition: secondary_estimates(rate, model, rows_of[rate.condition], design) for rate in rates}
