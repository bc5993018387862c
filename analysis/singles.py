"""Results of single pictures, “real or fake?”, wherever the rows came from: an export or a foreign table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.about import About
from analysis.compare import pairwise
from analysis.designs import SINGLE
from analysis.exclusions import ExclusionFlow
from analysis.findings import Finding
from analysis.hype import hype_infinity
from analysis.plan import Plan
from analysis.results import Judged, Results, assemble, condition_rates
from analysis.secondary import mixed, secondary_estimates
from analysis.sensitivity import YesNo, yes_no


def single_results(
    rows: pd.DataFrame,
    about: About,
    plan: Plan,
    flow: ExclusionFlow,
    findings: tuple[Finding, ...],
    trace: pd.DataFrame,
    *,
    order: list[str],
) -> Results:
    """Analyse rows with condition, participant, image, is_fake and fooled (judged real, 0/1)."""
    # A fake taken for real is the outcome; originals enter d′, accuracy and error rates only.
    fakes = rows[rows["is_fake"]]
    if unpaired := _without_common_photographs(rows):
        findings = (*findings, unpaired)
    judged = yes_no(rows.rename(columns={"fooled": "judged_real"}), confidence=plan.confidence)
    rates = condition_rates(fakes, order, plan.confidence, SINGLE)
    results = assemble(
        about,
        plan,
        flow,
        fakes,
        rates,
        pairwise(fakes, order, confidence=plan.confidence, design=SINGLE),
        findings,
        trace,
    )
    correct = rows.assign(fooled=(rows["fooled"].astype(bool) != rows["is_fake"]).astype(float))
    accuracy = replace(judged.accuracy, condition="accuracy, fakes and originals")
    whole = correct.assign(condition=accuracy.condition)
    return replace(
        results,
        yes_no=judged,
        judged=_by_condition(rows, judged, order, plan),
        secondary={
            accuracy.condition: secondary_estimates(accuracy, mixed(whole, plan.confidence, SINGLE), whole, SINGLE),
            **results.secondary,
        },
    )


def _without_common_photographs(rows: pd.DataFrame) -> Finding | None:
    """A warning where no photograph was shown both ways: archive photographs beside others' originals."""
    originals, coloured = (set(rows.loc[rows["is_fake"] == fake, "image"].unique()) for fake in (False, True))
    if not originals or originals & coloured:
        return None
    return Finding(
        "originals_of_other_photographs",
        len(originals),
        "original",
        "none of a photograph that was also judged as a fake, so what tells the two kinds of photographs apart besides "
        "their colours (age, subject, grain) counts as telling real from fake",
        "kept",
    )


def _by_condition(rows: pd.DataFrame, all_judged: YesNo, order: list[str], plan: Plan) -> tuple[Judged, ...]:
    """Each condition with the originals of the people who saw it; nothing for a condition whose people saw none."""
    found = []
    is_fake = rows["is_fake"].to_numpy(dtype=bool)
    for condition in order:
        of_it = is_fake & rows["condition"].eq(condition).to_numpy()
        people = rows.loc[of_it, "participant"].unique()
        mine = rows[of_it | (~is_fake & rows["participant"].isin(people).to_numpy())]
        if mine["is_fake"].all():
            continue
        whole = len(order) == 1
        judged = (
            all_judged if whole else yes_no(mine.rename(columns={"fooled": "judged_real"}), confidence=plan.confidence)
        )
        wrong = mine["fooled"].astype(bool) == mine["is_fake"]
        hype = hype_infinity(wrong, ~mine["is_fake"], mine["participant"].to_numpy()) if len(people) > 1 else None
        found.append(Judged(condition, judged, hype))
    return tuple(found)
