"""Everything that a report prints, computed once from an export and a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.about import FOOL_RATE, About, Deviation
from analysis.archive import ExportError
from analysis.colour import Association, associations
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
from analysis.exclusions import RULES, ExclusionFlow, Selection, planned_rules, select, with_excluding
from analysis.findings import Finding, found_in_export
from analysis.plan import Plan, read_plan
from analysis.quality import Exposure, Instructed, exposure, instructed
from analysis.ratings import MeanRating
from analysis.secondary import Estimate, Mixed, mixed, secondary_estimates
from analysis.shrinkage import heterogeneity_p
from analysis.trials import Export
from analysis.units import add_behaviour, image_table, participant_table
from analysis.yes_no import YesNo

OF_TRIALS = {"condition_a": "condition", "participant_id": "participant", "image_id": "image"}


@dataclass(frozen=True)
class Variant:
    """The fool rates under another choice of who is analysed."""

    name: str
    reads: str
    fool_rates: tuple[FoolRate, ...]


@dataclass(frozen=True)
class Detail:
    """What only our own exports tell: controls, biases, timing."""

    instructed: Instructed
    lapses: dict[str, LapseCorrection | None]
    side_bias: Share
    interval_bias: Share
    detection: Detection | None
    exposure: Exposure


@dataclass(frozen=True)
class Results:
    """One study's results.  Frames: `images` and `participants` have one row per condition and unit.

    `test` holds the scored trials: condition, participant, image, fooled (0/1) and, where known, rt_ms.
    `trace` names every test trial presented by its line in the data, and the rule that left it out ("" if none did).
    `export` and `detail` are None for other people's tables; `yes_no` and `ratings` are for those designs only.
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
    ratings: tuple[MeanRating, ...] = ()


def analyse(export: Export) -> Results:
    """Compute all results of an export under the plan of its definition."""
    plan = read_plan(export.definition)
    selection = select(export.sessions, export.trials, plan)
    if selection.test.empty:
        raise ExportError(
            f"{export.source}: expected scored test trials of complete sessions, got none "
            f"({_short_flow(selection.flow)}); wait for complete sessions, then export again"
        )
    trials = selection.trials
    test = long_table(selection.test)
    order = [name for name in export.manifest["conditions"] if name in set(test["condition"].unique())]
    design = " and ".join(selection.test["design"].unique())
    rates = condition_rates(test, order, plan.confidence, design)
    low_anchor = long_table(trials[trials["control"] == "low_anchor"])
    anchors = condition_rates(
        low_anchor, sorted(low_anchor["condition"].unique()), plan.confidence, design, others=rates
    )
    asked = instructed(trials)
    results = assemble(
        _about(export, design),
        plan,
        selection.flow,
        test,
        rates,
        pairwise(test, order, confidence=plan.confidence),
        found_in_export(export, selection),
        _trace(export, selection),
    )
    return replace(
        results,
        anchors=anchors,
        participants=add_behaviour(results.participants, trials),
        variants=_variants(export, plan, order, design, rates),
        export=export,
        sessions=selection.sessions,
        detail=Detail(
            instructed=asked,
            lapses={rate.condition: lapse_correction(rate, asked.n_trials, asked.n_failed) for rate in rates},
            side_bias=side_bias(selection.test),
            interval_bias=interval_bias(selection.test),
            detection=detection(selection.test),
            exposure=exposure(export, selection, plan),
        ),
    )


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
    model = mixed(test, plan.confidence)
    return Results(
        about=about,
        plan=plan,
        flow=flow,
        fool_rates=rates,
        anchors=(),
        differences=differences,
        secondary={rate.condition: secondary_estimates(rate, model) for rate in rates},
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


def _trace(export: Export, selection: Selection) -> pd.DataFrame:
    """Every test trial presented, by its line in trials.csv, and which rule left it out."""
    trials = export.trials.loc[selection.left_out_by.index]
    renamed = trials.rename(columns={"condition_a": "condition"})
    columns = ["session_id", "trial_index", "participant_id", "condition", "image_id", "fooled"]
    line = trials.index.to_numpy() + 2  # the header is line 1, so row 0 is line 2
    return renamed[columns].assign(line=line, left_out_by=selection.left_out_by)[["line", *columns, "left_out_by"]]


def long_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Rename the columns of an export's scored trials as every estimator calls them."""
    columns = [*OF_TRIALS, "fooled", "rt_ms"]
    return trials[columns].rename(columns=OF_TRIALS).assign(fooled=trials["fooled"].astype("Float64").astype(float))


def condition_rates(
    test: pd.DataFrame,
    conditions: list[str],
    confidence: float,
    design: str,
    *,
    others: tuple[FoolRate, ...] = (),
) -> tuple[FoolRate, ...]:
    """Fool rate of each condition of a long table, in the given order.

    Where none or all were fooled, the largest design effect of the study's other conditions is assumed
    (statistics.md), `others` among them.
    """
    rows_of = {str(name): rows for name, rows in test.groupby("condition", sort=False, observed=True)}

    def estimate(condition: str, extreme_design_effect: float | None = None) -> FoolRate:
        rows = rows_of[condition]
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


def _about(export: Export, design: str) -> About:
    study, manifest = export.study, export.manifest
    simulation = study.get("simulation") or {}
    listed = study.get("deviations")
    return About(
        title=study["title"],
        study=study["study"],
        source=export.source,
        outcome=FOOL_RATE,
        design=design,
        rows="rows of trials.csv with kind = test, a response and no void_reason, of sessions with status = complete",
        is_simulated=export.is_simulated,
        exported=str(study.get("exported_at_utc", "")),
        definition=export.definition,
        manifest=manifest,
        truth={name: float(rate) for name, rate in (simulation.get("fool_rate") or {}).items()},
        deviations=None
        if listed is None
        else tuple(Deviation(str(one["key"]), _shown(one["preset"]), _shown(one["study"])) for one in listed),
        provenance={
            "export": export.source,
            **{f"SHA-256 of {name}": digest for name, digest in export.sha256.items()},
            "definition SHA-256": study["definition_sha256"],
            "stimulus set": f"{manifest.get('name', '')}, SHA-256 {study['manifest_sha256']}",
            "study seed": str(study.get("study_seed", "")),
            "study ran on": f"truehue {study.get('truehue_version', '')}, commit {study.get('commit') or 'unknown'}",
            "stimuli made at commit": str(manifest.get("commit") or "unknown"),
            "exported": str(study.get("exported_at_utc", "")),
        },
    )


def _shown(value: Any) -> str:
    """Write a value of a definition for a reader."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(one.get("item_id", one) if isinstance(one, dict) else one) for one in value) + "]"
    return str(value)


def _variants(
    export: Export, plan: Plan, order: list[str], design: str, rates: tuple[FoolRate, ...]
) -> tuple[Variant, ...]:
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
        if rules == planned:
            # The main result, and any choice that comes to the same: nothing to compute again.
            variants.append(Variant(name, reads, rates))
            continue
        test = long_table(select(export.sessions, export.trials, plan, rules).test)
        found = set(test["condition"].unique())
        present = [condition for condition in order if condition in found]
        variants.append(Variant(name, reads, condition_rates(test, present, plan.confidence, design)))
    return tuple(variants)


def _short_flow(flow: ExclusionFlow) -> str:
    out = ", ".join(
        f"{s.n_sessions} {s.rule}" for s in flow.steps if s.excludes and s.unit == "session" and s.n_sessions
    )
    return f"{flow.n_sessions_entered} sessions entered{', ' + out if out else ''}"
