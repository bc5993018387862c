"""Everything that a report prints, computed once from an export and a plan."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.archive import ExportError
from analysis.compare import Difference, pairwise
from analysis.detection import (
    Detection,
    LapseCorrection,
    Share,
    detection,
    interval_bias,
    lapse_correction,
    side_bias,
)
from analysis.estimate import FoolRate, fool_rate
from analysis.exclusions import (
    RULES,
    ExclusionFlow,
    Selection,
    exposure_error_frames,
    planned_rules,
    select,
    with_excluding,
)
from analysis.plan import Plan, read_plan
from analysis.proportions import wilson
from analysis.shrinkage import heterogeneity_p, shrunken_rates
from analysis.trials import Export


@dataclass(frozen=True)
class Variant:
    """The fool rates under another choice of who is analysed."""

    name: str
    reads: str
    fool_rates: tuple[FoolRate, ...]


@dataclass(frozen=True)
class Instructed:
    """Instructed trials of the analysed sessions, and how many went against the instruction."""

    n_trials: int
    n_failed: int
    n_participants_failed: int


@dataclass(frozen=True)
class Exposure:
    """How long pictures of scored test trials were seen; errors are achieved − nominal, per picture.

    `n_measured` pictures carry a measured exposure; shares are of those.
    """

    n_measured: int
    mean_error_ms: float
    sd_ms: float
    share_within_half_frame: float
    share_within_one_frame: float
    n_trials_badly_timed: int
    n_trials_dropped_frames: int
    n_trials_void: int
    errors_ms: pd.Series[float]


@dataclass(frozen=True)
class Results:
    """One study's results.  Frames: `images` and `participants` have one row per condition and unit."""

    export: Export
    plan: Plan
    selection: Selection
    fool_rates: tuple[FoolRate, ...]
    anchors: tuple[FoolRate, ...]
    differences: tuple[Difference, ...]
    images: pd.DataFrame
    participants: pd.DataFrame
    variants: tuple[Variant, ...]
    image_spread_p: dict[str, float]
    instructed: Instructed
    lapses: dict[str, LapseCorrection | None]
    side_bias: Share
    interval_bias: Share
    detection: Detection | None
    exposure: Exposure
    test: pd.DataFrame
    anomalies: tuple[str, ...]

    @property
    def flow(self) -> ExclusionFlow:
        """Who entered, who is analysed, and why others are not."""
        return self.selection.flow


def analyse(export: Export) -> Results:
    """Compute all results of an export under the plan of its definition."""
    plan = read_plan(export.definition)
    selection = select(export.sessions, export.trials, plan)
    if selection.test.empty:
        raise ExportError(
            f"{export.source}: expected scored test trials of complete sessions, got none "
            f"({_short_flow(selection.flow)}); wait for complete sessions, then export again"
        )
    test, trials = selection.test, selection.trials
    order = [name for name in export.manifest["conditions"] if name in set(test["condition_a"])]
    rates = condition_rates(test, order, plan.confidence)
    low_anchor = trials[trials["control"] == "low_anchor"]
    anchors = condition_rates(low_anchor, sorted(set(low_anchor["condition_a"])), plan.confidence, others=rates)
    instructed = trials[trials["control"] == "instructed"]
    wrong = instructed[~instructed["correct"].fillna(value=True).astype(bool)]
    long = pd.DataFrame(
        {
            "condition": test["condition_a"],
            "participant": test["participant_id"],
            "image": test["image_id"],
            "fooled": test["fooled"].astype(float),
        }
    )
    images = image_table(export, test)
    return Results(
        export=export,
        plan=plan,
        selection=selection,
        fool_rates=rates,
        anchors=anchors,
        differences=pairwise(long, order, confidence=plan.confidence),
        images=images,
        participants=participant_table(test, trials),
        variants=_variants(export, plan, order),
        image_spread_p={
            str(name): heterogeneity_p(rows["n_fooled"], rows["n_trials"], 0.5)
            for name, rows in images.groupby("condition", sort=False)
        },
        instructed=Instructed(len(instructed), len(wrong), int(wrong["participant_id"].nunique())),
        lapses={rate.condition: lapse_correction(rate, len(instructed), len(wrong)) for rate in rates},
        side_bias=side_bias(test),
        interval_bias=interval_bias(test),
        detection=detection(test),
        exposure=_exposure(export, selection, plan),
        test=test,
        anomalies=_anomalies(export, selection),
    )


def condition_rates(
    trials: pd.DataFrame, conditions: list[str], confidence: float, *, others: tuple[FoolRate, ...] = ()
) -> tuple[FoolRate, ...]:
    """Fool rate of each condition of a trials table, in the given order.

    Where none or all were fooled, the largest design effect of the study's other conditions is assumed
    (statistics.md), `others` among them.
    """

    def estimate(condition: str, extreme_design_effect: float | None = None) -> FoolRate:
        rows = trials[trials["condition_a"] == condition]
        return fool_rate(
            rows["fooled"].astype("Float64"),
            rows["participant_id"],
            rows["image_id"],
            condition=condition,
            confidence=confidence,
            design=" and ".join(rows["design"].unique()),
            extreme_design_effect=extreme_design_effect,
        )

    first = [estimate(condition) for condition in conditions]
    known = [rate.design_effect for rate in (*first, *others) if 0 < rate.n_fooled < rate.n_trials]
    return tuple(
        estimate(rate.condition, max(known)) if known and rate.n_fooled in {0, rate.n_trials} else rate
        for rate in first
    )


def _rates_by(groups: pd.api.typing.DataFrameGroupBy[Any, Any]) -> pd.DataFrame:
    """Count k of n per group, with a Wilson interval that ignores clustering."""
    table = groups["fooled"].agg(n_trials="size", n_fooled="sum").astype(np.int64).reset_index()
    table["fool_rate"] = table["n_fooled"] / table["n_trials"]
    table["ci_low"], table["ci_high"] = wilson(table["n_fooled"], table["n_trials"])
    return table


def _add_shrunken(table: pd.DataFrame) -> pd.DataFrame:
    shrunken = pd.Series(np.nan, index=table.index)
    for _, rows in table.groupby("condition", sort=False):
        shrunken[rows.index] = shrunken_rates(rows["n_fooled"], rows["n_trials"])
    return table.assign(shrunken_rate=shrunken)


def image_table(export: Export, test: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and photograph, sorted from most to least fooling by the shrunken rate."""
    table = _rates_by(test.groupby(["condition_a", "image_id"], sort=False))
    table = _add_shrunken(table.rename(columns={"condition_a": "condition"}))
    images = {image["image_id"]: image for image in export.manifest["images"]}
    stimuli = {(s["image_id"], s["condition"]): s for s in export.manifest["stimuli"]}
    seen = set(export.manifest.get("seen_in_training", []))

    def about(name: str) -> list[Any]:
        return [images.get(image, {}).get(name) for image in table["image_id"]]

    table["delta_e00_mean"] = [
        stimuli[image, condition].get("delta_e00_mean")
        for image, condition in zip(table["image_id"], table["condition"], strict=True)
    ]
    for name in ("mean_chroma", "group", "source", "author", "licence", "credit"):
        table[name] = about(name)
    table["seen_in_training"] = table["image_id"].isin(seen)
    return table.sort_values(
        ["condition", "shrunken_rate", "fool_rate", "image_id"], ascending=[True, False, False, True]
    ).reset_index(drop=True)


def participant_table(test: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and participant: fool rate, controls, side, speed."""
    table = _rates_by(test.groupby(["condition_a", "participant_id"], sort=False))
    table = _add_shrunken(table.rename(columns={"condition_a": "condition"}))

    def per_person(values: pd.Series[Any], how: str, missing: float = np.nan) -> list[Any]:
        found: dict[Hashable, Any] = values.groupby(trials["participant_id"]).agg(how).to_dict()
        return [found.get(person, missing) for person in table["participant_id"]]

    anchor = trials["control"] == "low_anchor"
    instructed = trials["control"] == "instructed"
    is_test = trials["kind"] == "test"
    fooled = trials["fooled"].fillna(value=False).astype(int)
    failed = (~trials["correct"].fillna(value=True).astype(bool)).astype(int)
    table["n_anchor_trials"] = per_person(anchor[anchor].astype(int), "sum", 0)
    table["n_anchor_fooled"] = per_person(fooled[anchor], "sum", 0)
    table["n_instructed_trials"] = per_person(instructed[instructed].astype(int), "sum", 0)
    table["n_instructed_failed"] = per_person(failed[instructed], "sum", 0)
    table["left_share"] = per_person((trials["response"] == "left")[is_test].astype(float), "mean")
    table["rt_median_ms"] = per_person(trials["rt_ms"][is_test], "median")
    return table


def _variants(export: Export, plan: Plan, order: list[str]) -> tuple[Variant, ...]:
    """The rates with and without exclusions, from the most lenient choice to the strictest."""
    planned = planned_rules(plan)
    choices = (
        (
            "no exclusions",
            "every answered test trial, unfinished sessions included",
            with_excluding(RULES, {"incomplete": False, "no_trials": False, "instructed": False, "timing": False}),
        ),
        ("analysed", "as declared: the main result", planned),
        (
            "attentive",
            "and without sessions that failed an instructed trial too often",
            with_excluding(planned, {"instructed": True}),
        ),
        (
            "well timed",
            "and without trials whose exposure was off",
            with_excluding(planned, {"timing": True}),
        ),
    )
    variants = []
    for name, reads, rules in choices:
        test = select(export.sessions, export.trials, plan, rules).test
        present = [condition for condition in order if condition in set(test["condition_a"])]
        variants.append(Variant(name, reads, condition_rates(test, present, plan.confidence)))
    return tuple(variants)


def _exposure(export: Export, selection: Selection, plan: Plan) -> Exposure:
    test = selection.test
    nominal, refresh_hz = test["exposure_ms_nominal"], test["refresh_hz"]
    errors = pd.concat([test["exposure_a_ms_achieved"] - nominal, test["exposure_b_ms_achieved"] - nominal])
    frames = errors.abs() * pd.concat([refresh_hz, refresh_hz]).fillna(60.0) / 1000
    measured = errors.notna()
    shown = export.trials[
        export.trials["session_id"].isin(selection.sessions["session_id"]) & (export.trials["kind"] == "test")
    ]
    return Exposure(
        n_measured=int(measured.sum()),
        mean_error_ms=float(errors.mean()),
        sd_ms=float(errors.std()),
        share_within_half_frame=float((frames[measured] <= 0.5).mean()),
        share_within_one_frame=float((frames[measured] <= 1).mean()),
        n_trials_badly_timed=int((exposure_error_frames(test) > plan.max_exposure_error_frames).sum()),
        n_trials_dropped_frames=int((test["dropped_frames"] > 0).sum()),
        n_trials_void=int((shown["void_reason"] != "").sum()),
        errors_ms=errors[measured],
    )


def _anomalies(export: Export, selection: Selection) -> tuple[str, ...]:
    """Things that are allowed but that a reader must know."""
    found = []
    sessions = selection.sessions
    again = sessions["participant_id"].duplicated(keep=False)
    if again.any():
        people = sessions.loc[again, "participant_id"].nunique()
        found.append(f"{people} participants have more than one analysed session; their trials share a cluster.")
    for name, what in (("definition_sha256", "study definition"), ("manifest_sha256", "stimulus set")):
        versions = sessions[name].nunique()
        if versions > 1:
            found.append(f"The analysed sessions ran under {versions} versions of the {what}.")
    kinds = sessions["is_simulated"].astype(bool)
    if kinds.any() and not kinds.all():
        found.append(f"{int(kinds.sum())} of {len(sessions)} analysed sessions are simulated.")
    seen_twice = selection.test.duplicated(["participant_id", "image_id"]).sum()
    if seen_twice:
        found.append(f"{seen_twice} test trials show a photograph that the participant had seen before.")
    backwards = export.trials["answered_at_utc"] < export.trials["shown_at_utc"]
    if backwards.any():
        found.append(f"{int(backwards.sum())} trials were answered before they were shown, by the server's clock.")
    return tuple(found)


def _short_flow(flow: ExclusionFlow) -> str:
    out = ", ".join(
        f"{s.n_sessions} {s.rule}" for s in flow.steps if s.excludes and s.unit == "session" and s.n_sessions
    )
    return f"{flow.n_sessions_entered} sessions entered{', ' + out if out else ''}"
