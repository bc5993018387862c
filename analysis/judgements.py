"""Results of a foreign long table: pairs, single pictures, or ratings."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.about import FOOL_RATE, JUDGED_REAL, RATING, About, Outcome
from analysis.compare import pairwise
from analysis.foreign import LongTable
from analysis.plan import Plan, read_plan
from analysis.ratings import mean_rating
from analysis.results import Results, Variant, assemble, condition_rates
from analysis.secondary import Mixed
from analysis.singles import single_results


def analyse_table(table: LongTable) -> Results:
    """Compute all that a foreign table allows under its mapping's plan."""
    plan = read_plan({"analysis": table.mapping.analysis})
    rows = table.rows.rename(columns={"item": "image", "outcome": "fooled"})
    if table.mapping.design == "rating":
        return _ratings(table, plan, rows)
    if table.mapping.design == "single":
        order = _conditions(rows[rows["is_fake"]])
        results = single_results(
            rows, _about(table, JUDGED_REAL), plan, table.flow, table.findings, _trace(table), order=order
        )
    else:
        order = _conditions(rows)
        results = assemble(
            _about(table, FOOL_RATE),
            plan,
            table.flow,
            rows,
            condition_rates(rows, order, plan.confidence, "pair"),
            pairwise(rows, order, confidence=plan.confidence),
            table.findings,
            _trace(table),
        )
    return replace(results, variants=_variants(table, plan, order))


def _trace(table: LongTable) -> pd.DataFrame:
    """Every row of the file by its line, and which rule left it out."""
    names = {"participant": "participant_id", "item": "image_id"}
    columns = ["line", "participant_id", "condition", "image_id", "outcome", "left_out_by"]
    return table.entered.rename(columns=names)[columns]


def _conditions(rows: pd.DataFrame) -> list[str]:
    """Conditions in the order in which the table names them first."""
    return [str(name) for name in rows["condition"].unique()]


def _ratings(table: LongTable, plan: Plan, rows: pd.DataFrame) -> Results:
    order = _conditions(rows)
    by_condition = {str(name): part for name, part in rows.groupby("condition", observed=True, sort=False)}
    ratings = tuple(
        mean_rating(part["fooled"], part["participant"], part["image"], condition=name, confidence=plan.confidence)
        for name, part in ((name, by_condition[name]) for name in order)
    )

    def means(unit: str, name: str) -> pd.DataFrame:
        groups = rows.groupby(["condition", unit], observed=True, sort=False)["fooled"]
        found = groups.agg(n_trials="size", mean_rating="mean").reset_index().rename(columns={unit: name})
        return found.sort_values(["condition", "mean_rating"], ascending=[True, False]).reset_index(drop=True)

    return Results(
        about=_about(table, RATING),
        plan=plan,
        flow=table.flow,
        fool_rates=(),
        anchors=(),
        differences=pairwise(rows, order, confidence=plan.confidence, design=table.mapping.design),
        secondary={},
        mixed=Mixed(),
        images=means("image", "image_id"),
        participants=means("participant", "participant_id"),
        variants=(),
        image_spread_p={},
        colour=(),
        findings=table.findings,
        test=rows,
        trace=_trace(table),
        ratings=ratings,
    )


def _variants(table: LongTable, plan: Plan, order: list[str]) -> tuple[Variant, ...]:
    """The rates with all rows that have an outcome, and as analysed; the same set is given once."""
    entered = table.entered.rename(columns={"item": "image", "outcome": "fooled"})
    entered = entered[entered["fooled"].notna() & ~entered["left_out_by"].str.startswith(("missing_", "impossible_"))]
    choices = {
        "no exclusions": ("every row with an answer, duplicates and excluded rows included", entered),
        "analysed": ("as mapped: the main result", entered[entered["left_out_by"] == ""]),
    }
    if len(choices["no exclusions"][1]) == len(choices["analysed"][1]):
        del choices["no exclusions"]
    variants = []
    for name, (reads, chosen) in choices.items():
        rows = chosen[chosen["is_fake"].astype(bool)] if table.mapping.design == "single" else chosen
        found = set(rows["condition"].unique())
        present = [condition for condition in order if condition in found]
        variants.append(Variant(name, reads, condition_rates(rows, present, plan.confidence, table.mapping.design)))
    return tuple(variants)


def _about(table: LongTable, outcome: Outcome) -> About:
    mapping = table.mapping
    stem = table.source.split(".")[0]
    last = int(np.max(table.entered["line"])) if len(table.entered) else 0
    return About(
        title=mapping.title or table.source,
        study=stem,
        source=table.source,
        outcome=outcome,
        design=mapping.design,
        rows=f"rows of {table.source} (lines {int(table.entered['line'].min())} to {last}) that no rule left out",
        provenance={
            "table": table.source,
            f"SHA-256 of {table.source}": table.sha256,
            "mapping": json.dumps(mapping.described(), ensure_ascii=False, sort_keys=True),
        },
    )
