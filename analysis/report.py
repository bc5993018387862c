"""report.html, a one-page summary.html, tables and figures, written whole or not at all."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis import sentences
from analysis.claims import claims_of
from analysis.drawings import draw
from analysis.methods import methods
from analysis.pairs import pairs
from analysis.preference import abilities
from analysis.published import REFERENCES, RERUN_2017, TABLE_2016
from analysis.results import Results
from analysis.tables import write_tables
from analysis.whole import ReportError, whole_directory

__all__ = ["ReportError", "write_report"]

REPORT_FORMAT = "truehue-report/1"


def write_report(results: Results, out: str | Path, *, command: str = "", now: datetime | None = None) -> Path:
    """Write report.html, summary.html, tables/, figures/ and report.json into a directory; returns report.html's path.

    An earlier report there is replaced as a whole; any other directory with something in it is refused.
    """
    out = Path(out)
    with whole_directory(out) as directory:
        table_names = write_tables(results, directory / "tables")
        provenance = _provenance(results, command, now or datetime.now(UTC))
        context = {
            "results": results,
            "about": results.about,
            "simulated": results.about.is_simulated,
            "drawings": draw(results, directory / "figures"),
            "pairs": pairs(results),
            "claims": claims_of(results),
            "methods": methods(results),
            "provenance": provenance,
            "questionnaire": _questionnaire(results),
            "table_names": table_names,
            "table_2016": TABLE_2016,
            "rerun_2017": RERUN_2017,
            "references": REFERENCES,
            "seen": _seen(results),
        }
        pages = environment()
        for name in ("report.html", "summary.html"):
            page = pages.get_template(f"{name}.j2").render(context)
            (directory / name).write_text(page, encoding="utf-8")
        summary = {
            "format": REPORT_FORMAT,
            "title": results.about.title,
            "outcome": results.about.outcome.key,
            "design": results.about.design,
            "provenance": provenance,
            "is_simulated": results.about.is_simulated,
            "thresholds": [
                _plain(asdict(one) | {"hype": None, "fit": _plain(asdict(one.fit)) if one.fit else None})
                for one in results.thresholds
            ],
            "fool_rates": [_plain(asdict(rate)) for rate in (*results.fool_rates, *results.anchors)],
            "findings": [_plain(asdict(finding)) for finding in results.findings],
        }
        (directory / "report.json").write_text(
            json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return out / "report.html"


@cache
def environment() -> jinja2.Environment:
    """Return the templates with every sentence of `sentences` as a filter."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in sentences.FILTERS:
        pages.filters[name] = getattr(sentences, name)
    pages.filters["abilities"] = abilities
    return pages


def _questionnaire(results: Results) -> list[dict[str, str]]:
    """Summarise each closed question over the analysed sessions; free text stays in answers.csv."""
    if results.export is None or results.sessions is None:
        return []
    answers = results.export.answers
    answers = answers[answers["session_id"].isin(results.sessions["session_id"])]
    items = []
    for (_, kind, question), rows in answers.groupby(["item_id", "item_type", "question"], sort=False):
        given = rows["answer"][rows["answer"] != ""]
        if kind == "text":
            summary = f"free text from {sentences.counted(len(given), 'participant')}: see answers.csv"
        elif kind == "choice":
            summary = ", ".join(f"{answer}: {n}" for answer, n in given.value_counts().items())
        else:
            values = pd.to_numeric(given, errors="coerce").dropna()
            summary = (
                f"median {values.median():g}, from {values.min():g} to {values.max():g}" if len(values) else "no answer"
            )
        items.append({"question": str(question), "n": str(len(given)), "summary": summary})
    return items


def _seen(results: Results) -> list[str]:
    """Return the photographs of scored trials that a model was trained on."""
    if "seen_in_training" not in results.images.columns:
        return []
    return sorted(set(results.images.loc[results.images["seen_in_training"], "image_id"]))


def _provenance(results: Results, command: str, now: datetime) -> dict[str, str]:
    versions = {
        name: importlib.metadata.version(name) for name in ("truehue", "numpy", "scipy", "pandas", "matplotlib")
    }
    return {
        **results.about.provenance,
        "analysed rows": f"{len(results.test):,}: {results.about.rows}",
        "analysed with": ", ".join(f"{name} {version}" for name, version in versions.items())
        + f", Python {platform.python_version()}",
        "report written": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command or "analysis.write_report (from Python)",
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Make numbers fit JSON, which knows neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
