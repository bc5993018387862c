"""The tables of a report, and how they are written into a directory."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import design_tables
from analysis.estimate import FoolRate
from analysis.results import Results
from analysis.sentences import level, number, p_text, percent
from analysis.table import Shown, Table, interval_cell, text_cell

FOOL_RATE_COLUMNS = ("condition", *design_tables.SHARE_COLUMNS)
DIFFERENCE_COLUMNS = ("condition_a", "condition_b", "difference", "ci_low", "ci_high", "t", "df", "p", "p_holm", "p_bh")
MIXED_COLUMNS = ("term", "estimate", "se")
SECONDARY_COLUMNS = ("condition", "method", "estimand", "rate", "ci_low", "ci_high", "note")

# Above this many rows the list of trials is compressed.
MANY_TRIALS = 200_000

SIMULATED_NOTE = (
    "SIMULATED\n\nThe numbers in these tables come from simulated sessions (is_simulated in the export), "
    "not from people.\n"
)


def fool_rates(rates: tuple[FoolRate, ...]) -> Table:
    """The model conditions of the test trials, then the low anchor from its own trials."""
    rows = [[getattr(rate, name) for name in FOOL_RATE_COLUMNS] for rate in rates]
    confidence = level(rates[0].confidence) if rates else "95% CI"
    return Table(
        "fool_rates",
        "fool rates in percent",
        pd.DataFrame(rows, columns=list(FOOL_RATE_COLUMNS)),
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown("k", text_cell("n_fooled")),
            Shown("n", text_cell("n_trials")),
            Shown("Fooled (%)", lambda row: percent(row.fool_rate)),
            Shown(confidence, interval_cell),
            Shown("Design effect", lambda row: number(row.design_effect, 1)),
            Shown("Participants", text_cell("n_participants")),
            Shown("Images", text_cell("n_images")),
        ),
    )


def differences(results: Results) -> Table:
    """All pairs of model conditions; only a header if there is one condition."""
    digits = (lambda value: number(value, 2)) if results.ratings else percent

    def interval(row: Any) -> str:
        return f"[{digits(row.ci_low)}, {digits(row.ci_high)}]"

    return Table(
        "differences",
        "pairwise differences" + ("" if results.ratings else ", percentage points"),
        pd.DataFrame([asdict(pair) for pair in results.differences], columns=list(DIFFERENCE_COLUMNS)),
        (
            Shown("Contrast", lambda row: f"{row.condition_a} − {row.condition_b}", is_text=True),
            Shown("Difference", lambda row: digits(row.difference)),
            Shown(level(results.plan.confidence), interval),
            Shown("t", lambda row: number(row.t)),
            Shown("df", lambda row: number(row.df, 0)),
            Shown("p", lambda row: p_text(row.p)),
            Shown("p (Holm)", lambda row: p_text(row.p_holm)),
            Shown("p (BH)", lambda row: p_text(row.p_bh)),
        ),
    )


def mixed_model(results: Results) -> Table:
    """Fixed effects on the logit and standard deviations of the random effects; a header where there is no model."""
    return Table(
        "mixed_model",
        "logistic mixed model, logit scale",
        pd.DataFrame([asdict(term) for term in results.mixed.terms], columns=list(MIXED_COLUMNS)),
        (
            Shown("Term", text_cell("term"), is_text=True),
            Shown("Estimate", lambda row: number(row.estimate, 3)),
            Shown("s.e.", lambda row: number(math.nan if pd.isna(row.se) else row.se, 3)),
        ),
    )


def secondary(results: Results) -> Table:
    """Every other method's estimate of the same rates."""
    rows = [
        [condition, *(getattr(one, name) for name in SECONDARY_COLUMNS[1:])]
        for condition, estimates in results.secondary.items()
        for one in estimates
    ]
    return Table(
        "secondary",
        "the same rates by other methods, percent",
        pd.DataFrame(rows, columns=list(SECONDARY_COLUMNS)),
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown("Method", text_cell("method"), is_text=True),
            Shown("Estimand", text_cell("estimand"), is_text=True),
            Shown("Rate (%)", lambda row: percent(row.rate)),
            Shown("Interval", interval_cell),
        ),
    )


def exclusions(results: Results) -> Table:
    """The exclusion flow, one row per step, from everyone who entered to the analysed set."""
    flow = results.flow
    entered = {
        "rule": "entered",
        "unit": "session",
        "reads": "everyone who opened the study" if results.export else "every row of the table",
        "excludes": False,
        "n_sessions": flow.n_sessions_entered,
        "n_trials": flow.n_trials_entered,
        "n_sessions_left": flow.n_sessions_entered,
        "n_trials_left": flow.n_trials_entered,
    }
    analysed = {
        **entered,
        "rule": "analysed",
        "reads": "in the main result",
        "n_sessions": flow.n_sessions_analysed,
        "n_trials": flow.n_trials_analysed,
        "n_sessions_left": flow.n_sessions_analysed,
        "n_trials_left": flow.n_trials_analysed,
    }
    return Table(
        "exclusions",
        "exclusions in their order",
        pd.DataFrame([entered, *(asdict(step) for step in flow.steps), analysed]),
        (
            Shown("Rule", text_cell("rule"), is_text=True),
            Shown("Reads", text_cell("reads"), is_text=True),
            Shown("Sessions", text_cell("n_sessions")),
            Shown("Test trials", text_cell("n_trials")),
            Shown("Sessions left", text_cell("n_sessions_left")),
            Shown("Test trials left", text_cell("n_trials_left")),
        ),
    )


def _units(name: str, unit: str, frame: pd.DataFrame) -> Table:
    if "fool_rate" not in frame.columns:
        return Table(name, name, frame)
    return Table(
        name,
        f"{name}, rates in percent",
        frame,
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown(unit.removesuffix("_id").capitalize(), text_cell(unit), is_text=True),
            Shown("k", text_cell("n_fooled")),
            Shown("n", text_cell("n_trials")),
            Shown("Rate (%)", lambda row: percent(row.fool_rate, 0)),
            Shown("Shrunken (%)", lambda row: percent(row.shrunken_rate, 0)),
        ),
    )


def all_tables(results: Results) -> tuple[Table, ...]:
    """Return every table of a report but the list of trials."""
    found = [
        fool_rates((*results.fool_rates, *results.anchors)),
        differences(results),
        mixed_model(results),
        _units("images", "image_id", results.images),
        _units("participants", "participant_id", results.participants),
        exclusions(results),
        secondary(results),
    ]
    if results.yes_no is not None:
        found.append(design_tables.judgements(results))
    if results.judged:
        found.append(design_tables.sensitivity(results))
    if results.ratings:
        found.append(design_tables.ratings(results))
    if results.thresholds:
        found.append(design_tables.thresholds(results))
    if results.bradley_terry is not None:
        found.append(design_tables.preference(results))
    if results.about.history.attrition:
        found.append(
            Table("attrition", "attrition", pd.DataFrame([asdict(one) for one in results.about.history.attrition]))
        )
    if results.colour:
        found.append(Table("colour", "rates and colour", pd.DataFrame([asdict(one) for one in results.colour])))
    if results.findings:
        frame = pd.DataFrame([asdict(one) for one in results.findings])
        found.append(Table("findings", "bad data", frame.assign(examples=frame["examples"].map("; ".join))))
    return tuple(found)


def latex_fool_rates(rates: tuple[FoolRate, ...], *, is_simulated: bool) -> str:
    """Return the main table as a booktabs tabular; rates in percent."""
    return fool_rates(rates).latex(is_simulated=is_simulated)


def write_tables(results: Results, directory: Path) -> list[str]:
    """Write every table into a directory, CSV and LaTeX, and return the file names."""
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    for table in all_tables(results):
        (directory / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
        names.append(f"{table.name}.csv")
        if table.shown and len(table.frame):
            latex = table.latex(is_simulated=results.about.is_simulated)
            (directory / f"{table.name}.tex").write_text(latex, encoding="utf-8")
            names.append(f"{table.name}.tex")
    trials = "trials.csv" if len(results.trace) <= MANY_TRIALS else "trials.csv.gz"
    # The fixed time inside the gzip keeps the same data the same bytes; level 1 is fast.
    compression: Any = {"method": "gzip", "mtime": 0, "compresslevel": 1} if trials.endswith(".gz") else None
    results.trace.to_csv(directory / trials, index=False, lineterminator="\n", compression=compression)
    names.append(trials)
    if results.about.is_simulated:
        # The CSV columns are a contract, so the mark stands beside them.
        (directory / "SIMULATED.txt").write_text(SIMULATED_NOTE, encoding="utf-8")
        names.append("SIMULATED.txt")
    return names
