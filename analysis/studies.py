"""Several studies side by side, with the published table of Zhang et al. (2016) beside them.

No test is made between studies: their people and photographs differ, and so do the days.  A contrast needs both
systems in one study, judged by people drawn for it on the same photographs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.about import FOOL_RATE
from analysis.published import RERUN_2017, TABLE_2016
from analysis.sentences import level, percent
from analysis.table import Shown, Table

NUMBERS = ("n_trials", "n_fooled", "fool_rate", "ci_low", "ci_high", "n_participants", "n_images")


class CompareError(ValueError):
    """The studies cannot stand in one table; the message is one line for a person."""


@dataclass(frozen=True)
class Row:
    """One system's rate in one study, or a published one (`is_ours` False: the ends are ± one standard error)."""

    study: str
    condition: str
    n_trials: float
    n_fooled: float
    fool_rate: float
    ci_low: float
    ci_high: float
    n_participants: float
    n_images: float
    is_ours: bool
    is_simulated: bool
    note: str


def study_rows(path: Path) -> list[Row]:
    """Read one study: a report's directory (its report.json), or an export, which is analysed first."""
    if (path / "report.json").is_file():
        return _of_report(path)
    from analysis.study_results import analyse
    from analysis.trials import read_export

    results = analyse(read_export(path))
    if not results.about.outcome.is_fool_rate:
        raise CompareError(
            f"{path}: expected a study of pairs (fool rate), got one of {results.about.outcome.noun}; "
            "it does not stand beside fool rates"
        )
    rates = (*results.fool_rates, *results.anchors)
    anchors = {rate.condition for rate in results.anchors}
    return [
        _row(
            results.about.study or path.stem,
            vars(rate),
            is_simulated=results.about.is_simulated,
            confidence=rate.confidence,
            note="low anchor" if rate.condition in anchors else "",
        )
        for rate in rates
    ]


def _of_report(path: Path) -> list[Row]:
    try:
        content = json.loads((path / "report.json").read_text(encoding="utf-8"))
        outcome, rates = content["outcome"], content["fool_rates"]
        if outcome != FOOL_RATE.key:
            raise CompareError(
                f"{path}: expected a report of pairs (fool rate), got {outcome}; rates of single pictures and ratings "
                "do not stand beside fool rates"
            )
        return [
            _row(path.name, rate, is_simulated=content["is_simulated"], confidence=rate["confidence"]) for rate in rates
        ]
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CompareError(
            f"{path}: expected a report of this version, got {error!r}; write the report again"
        ) from error


def _row(study: str, rate: dict[str, Any], *, is_simulated: bool, confidence: float, note: str = "") -> Row:
    about = ", ".join(part for part in (level(confidence), note) if part)
    numbers: dict[str, Any] = {name: rate[name] for name in NUMBERS}
    return Row(study=study, condition=rate["condition"], **numbers, is_ours=True, is_simulated=is_simulated, note=about)


def published_rows() -> list[Row]:
    """Return the published rates, with ± one standard error for ends and no counts."""
    nothing = float("nan")
    return [
        Row(
            one.source, one.system, nothing, nothing, one.fool_rate, one.fool_rate - one.se, one.fool_rate + one.se,
            nothing, nothing, is_ours=False, is_simulated=False,
            note="± s.e." + (", from memory of the paper" if one.is_from_memory else ""),
        )
        for one in (*TABLE_2016, *RERUN_2017)
    ]  # fmt: skip


def compare_table(rows: list[Row]) -> Table:
    """Return the rows as one table, CSV and LaTeX."""
    frame = pd.DataFrame([vars(row) for row in rows])
    for name in ("n_trials", "n_fooled", "n_participants", "n_images"):
        frame[name] = frame[name].astype("Int64")

    def count(name: str) -> Any:
        return lambda row: "–" if pd.isna(getattr(row, name)) else f"{getattr(row, name):,}"

    return Table(
        "compare",
        "fool rates of several studies, percent; other people and other photographs in each",
        frame,
        (
            Shown("Study", lambda row: row.study, is_text=True),
            Shown("System", lambda row: row.condition, is_text=True),
            Shown("Fooled (%)", lambda row: percent(row.fool_rate)),
            Shown("Interval", lambda row: f"[{percent(row.ci_low)}, {percent(row.ci_high)}]"),
            Shown("Interval is", lambda row: row.note, is_text=True),
            Shown("Trials", count("n_trials")),
            Shown("Participants", count("n_participants")),
            Shown("Images", count("n_images")),
        ),
    )


def lines(table: Table) -> list[str]:
    """Return the table as aligned text for a terminal."""
    cells = [[column.heading for column in table.shown]]
    cells += [[column.cell(row) for column in table.shown] for row in table.frame.itertuples(index=False)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.shown))]

    def aligned(row: list[str]) -> str:
        return "  ".join(
            text.ljust(width) if column.is_text else text.rjust(width)
            for text, width, column in zip(row, widths, table.shown, strict=True)
        ).rstrip()

    return [aligned(row) for row in cells]
