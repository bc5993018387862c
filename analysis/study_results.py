"""All results of an export, by what its design measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from analysis.about import FOOL_RATE, JUDGED_REAL, PREFERENCE, THRESHOLD, About, Outcome
from analysis.archive import ExportError
from analysis.compare import pairwise
from analysis.designs import PAIR, SINGLE, STAIRCASE, kind_of
from analysis.designs import PREFERENCE as PREFERRED
from analysis.detection import Share, detection, interval_bias, lapse_correction, share_of, side_bias
from analysis.estimate import FoolRate
from analysis.exclusions import RULES, ExclusionFlow, Selection, planned_rules, select, with_excluding
from analysis.export_about import about_export
from analysis.exports import Export
from analysis.findings import Finding, found_in_export
from analysis.long_table import REAL, VERSUS, long_table, trace
from analysis.plan import Plan, read_plan
from analysis.preference import bradley_terry
from analysis.quality import exposure, instructed
from analysis.results import Detail, Results, Variant, assemble, condition_rates
from analysis.secondary import Mixed
from analysis.singles import single_results
from analysis.thresholds import courses, per_participant, thresholds
from analysis.units import add_behaviour


@dataclass(frozen=True)
class _Read:
    """An export with its plan applied: what every design's analysis starts from."""

    export: Export
    plan: Plan
    selection: Selection
    test: pd.DataFrame
    kind: str
    about: About
    findings: tuple[Finding, ...]
    trace: pd.DataFrame


def analyse(export: Export) -> Results:
    """Compute all results of an export under the plan of its definition, by the estimators of its design."""
    plan = read_plan(export.definition)
    selection = select(export.sessions, export.trials, plan)
    if selection.test.empty:
        raise ExportError(
            f"{export.source}: expected scored test trials of complete sessions, got none "
            f"({_short_flow(selection.flow)}); wait for complete sessions, then export again"
        )
    kind = kind_of(selection.test, export.source)
    outcome, compute = OF_KIND[kind]
    design = " and ".join(sorted(selection.test["design"].unique()))
    read = _Read(
        export,
        plan,
        selection,
        long_table(selection.test, kind),
        kind,
        about_export(export, outcome, design),
        found_in_export(export, selection),
        trace(export, selection, kind),
    )
    results = compute(read)
    return replace(
        results,
        participants=add_behaviour(results.participants, selection.trials),
        export=export,
        sessions=selection.sessions,
        detail=_detail(read, results.fool_rates),
    )


def _pairs(read: _Read) -> Results:
    trials, plan = read.selection.trials, read.plan
    order = _manifest_order(read)
    rates = condition_rates(read.test, order, plan.confidence, PAIR)
    low_anchor = long_table(trials[trials["control"] == "low_anchor"], PAIR)
    anchors = condition_rates(low_anchor, sorted(low_anchor["condition"].unique()), plan.confidence, PAIR, others=rates)
    results = assemble(
        read.about,
        plan,
        read.selection.flow,
        read.test,
        rates,
        pairwise(read.test, order, confidence=plan.confidence),
        read.findings,
        read.trace,
    )
    return replace(results, anchors=anchors, variants=_variants(read, order, rates))


def _singles(read: _Read) -> Results:
    order = _manifest_order(read)
    results = single_results(
        read.test, read.about, read.plan, read.selection.flow, read.findings, read.trace, order=order
    )
    return replace(results, variants=_variants(read, order, results.fool_rates))


def _preferences(read: _Read) -> Results:
    order = [str(name) for name in read.test["condition"].unique()]
    plan, test = read.plan, read.test
    rates = condition_rates(test, order, plan.confidence, PREFERRED)
    # Differences between shares of different pairs say nothing: abilities do.
    results = assemble(read.about, plan, read.selection.flow, test, rates, (), read.findings, read.trace)
    # The colour difference of a pair of fakes is not in the manifest, and the original was not shown.
    results = replace(results, colour=())
    ability, note = None, ""
    try:
        systems = test["condition"].str.split(VERSUS, n=1, expand=True)
        first = next(name for name in read.export.manifest["conditions"] if systems.isin([name]).any(axis=None))
        people, photos = (
            labels if len(labels.unique()) > 1 else None for labels in (test["participant"], test["image"])
        )
        ability = bradley_terry(
            systems[0], systems[1], test["fooled"], participant=people, image=photos, reference=first
        )
    except ValueError as error:
        note = str(error)
    return replace(results, bradley_terry=ability, note=note, variants=_variants(read, order, rates))


def _staircases(read: _Read) -> Results:
    rows, staircase = read.test, read.export.definition.get("staircase", {})
    limits = (staircase["min_ms"], staircase["max_ms"]) if {"min_ms", "max_ms"} <= staircase.keys() else None
    order = [str(name) for name in rows["condition"].unique()]
    images = rows.groupby(["condition", "image"], sort=False)["correct"].agg(n_trials="size", share_correct="mean")
    return Results(
        about=read.about,
        plan=read.plan,
        flow=read.selection.flow,
        fool_rates=(),
        anchors=(),
        differences=(),
        secondary={},
        mixed=Mixed(),
        images=images.reset_index().rename(columns={"image": "image_id"}),
        participants=per_participant(rows),
        variants=(),
        image_spread_p={},
        colour=(),
        findings=read.findings,
        test=rows,
        trace=read.trace,
        thresholds=thresholds(rows, order, limits, read.plan.confidence),
        courses=courses(rows),
    )


# What each kind of design measures, and how.
OF_KIND: dict[str, tuple[Outcome, Callable[[_Read], Results]]] = {
    PAIR: (FOOL_RATE, _pairs),
    SINGLE: (JUDGED_REAL, _singles),
    STAIRCASE: (THRESHOLD, _staircases),
    PREFERRED: (PREFERENCE, _preferences),
}


def _manifest_order(read: _Read) -> list[str]:
    found = set(read.test["condition"].unique())
    return [name for name in read.export.manifest["conditions"] if name in found and name != REAL]


def _detail(read: _Read, rates: tuple[FoolRate, ...]) -> Detail:
    test, trials = read.selection.test, read.selection.trials
    asked = instructed(trials)
    has_sides = read.kind in {PAIR, PREFERRED}
    has_order = bool((test["order_of_a"] != "").all())

    def control(name: str, share: str, hit: pd.Series[bool]) -> Share | None:
        rows = trials[trials["control"] == name]
        return share_of(share, hit.loc[rows.index], rows) if len(rows) else None

    return Detail(
        instructed=asked,
        exposure=exposure(read.export, read.selection, read.plan),
        lapses={rate.condition: lapse_correction(rate, asked.n_trials, asked.n_failed) for rate in rates}
        if read.kind == PAIR
        else {},
        side_bias=side_bias(test) if has_sides else None,
        interval_bias=interval_bias(test) if has_sides and has_order else None,
        detection=detection(test) if read.kind == PAIR else None,
        obvious_caught=control("obvious", "obvious control caught", trials["correct"].fillna(value=False).astype(bool)),
        same_left=control("same", "left chosen of two copies of one picture", trials["response"] == "left"),
    )


def _variants(read: _Read, order: list[str], rates: tuple[FoolRate, ...]) -> tuple[Variant, ...]:
    """The rates with and without exclusions, from the most lenient choice to the strictest."""
    planned = planned_rules(read.plan)
    nobody = {"incomplete": False, "unqualified": False, "no_trials": False, "instructed": False, "timing": False}
    choices = (
        (
            "no exclusions",
            "every answered test trial, unfinished sessions included",
            with_excluding(RULES, nobody),
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
        other = {rule.name for rule, mine in zip(rules, planned, strict=True) if rule != mine}
        if not any(step.n_sessions or step.n_trials for step in read.selection.flow.steps if step.rule in other):
            # The main result, and any choice that comes to the same: nothing to compute again.
            variants.append(Variant(name, reads, rates))
            continue
        selection = select(read.export.sessions, read.export.trials, read.plan, rules)
        test = long_table(selection.test, read.kind)
        found = set(test["condition"].unique())
        present = [condition for condition in order if condition in found]
        variants.append(Variant(name, reads, condition_rates(test, present, read.plan.confidence, read.kind)))
    return tuple(variants)


def _short_flow(flow: ExclusionFlow) -> str:
    out = ", ".join(
        f"{s.n_sessions} {s.rule}" for s in flow.steps if s.excludes and s.unit == "session" and s.n_sessions
    )
    return f"{flow.n_sessions_entered} sessions entered{', ' + out if out else ''}"
