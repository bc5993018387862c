"""One self-contained report.html with its tables and figures, written whole or not at all."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import math
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis import sentences
from analysis.claims import claim
from analysis.methods import methods
from analysis.published import FULL_2016, REFERENCES, RERUN_2017, TABLE_2016
from analysis.results import Results
from analysis.tables import write_tables

REPORT_FORMAT = "truehue-report/1"
N_PAIRS = 4
MIME = {".png": "image/png", ".webp": "image/webp"}


class ReportError(ValueError):
    """The report cannot be written there; the message is one line for a person."""


@dataclass(frozen=True)
class Drawing:
    """A figure inside the page: its SVG, what it shows for eyes, and for those who cannot see it."""

    name: str
    svg: Markup
    caption: str
    alt: str


@dataclass(frozen=True)
class Pair:
    """One photograph in its own and in the colorizer's colours, as data URIs, with its count and its credit."""

    image_id: str
    real_uri: str
    fake_uri: str
    n_fooled: int
    n_trials: int
    fool_rate: float
    shrunken_rate: float
    delta_e00_mean: float | None
    credit: str
    is_seen_in_training: bool


def write_report(results: Results, out: str | Path, *, command: str = "", now: datetime | None = None) -> Path:
    """Write report.html, tables/, figures/ and report.json into a directory; returns the HTML's path.

    An earlier report there is replaced as a whole; any other directory with something in it is refused.
    """
    out = Path(out)
    with _whole_directory(out) as directory:
        table_names = write_tables(results, directory / "tables")
        drawings = _draw(results, directory / "figures")
        provenance = _provenance(results, command, now or datetime.now(UTC))
        page = (
            _environment()
            .get_template("report.html.j2")
            .render(
                results=results,
                drawings=drawings,
                pairs=_pairs(results),
                claims=[
                    claim(rate, results.anchors, results.image_spread_p[rate.condition], results.plan.margin)
                    for rate in results.fool_rates
                ],
                methods=methods(results),
                provenance=provenance,
                questionnaire=_questionnaire(results),
                table_names=table_names,
                table_2016=TABLE_2016,
                rerun_2017=RERUN_2017,
                references=REFERENCES,
                truth=_truth(results),
                seen=_seen(results),
            )
        )
        (directory / "report.html").write_text(page, encoding="utf-8")
        summary = {
            "format": REPORT_FORMAT,
            "provenance": provenance,
            "is_simulated": results.export.is_simulated,
            "fool_rates": [_plain(asdict(rate)) for rate in (*results.fool_rates, *results.anchors)],
        }
        (directory / "report.json").write_text(
            json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return out / "report.html"


@contextmanager
def _whole_directory(out: Path) -> Iterator[Path]:
    """Give a temporary sibling that becomes `out` at the end; after an error nothing is left of it."""
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out}: expected a directory for the report, got a file; name another with --out")
    if out.is_dir() and any(out.iterdir()) and not _is_report(out):
        raise ReportError(
            f"{out}: expected an empty directory or an earlier report, got other files; name another with --out"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise ReportError(f"{out}: expected to be able to write there, got: {error.strerror}; name another") from error
    try:
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
            out.rename(old / "report")
            temporary.rename(out)
            shutil.rmtree(old)
        else:
            temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_report(directory: Path) -> bool:
    try:
        content = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("format", "")).startswith("truehue-report/")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("percent", "p_text", "number", "counted", "level", "ends", "main_sentence", "against"):
        environment.filters[name] = getattr(sentences, name)
    environment.filters["bias_sentence"] = sentences.bias_sentence
    return environment


def _draw(results: Results, directory: Path) -> dict[str, Drawing]:
    """Draw every figure, save it as PNG and SVG, and return them by name."""
    # Imported here: matplotlib takes longer than everything else, and errors should not wait for it.
    import matplotlib as mpl

    from analysis import plots

    truth = _truth(results)
    drawings: dict[str, Drawing] = {}
    mark = "SIMULATED DATA. " if results.export.is_simulated else ""

    def add(name: str, figure: Any, caption: str, alt: str) -> None:
        if results.export.is_simulated:
            plots.watermark(figure)
        svg = plots.save(figure, directory, name)
        drawings[name] = Drawing(
            name,
            Markup(svg),  # noqa: S704 - matplotlib drew it, and it escapes text
            mark + caption,
            mark + alt,
        )

    with mpl.rc_context(plots.STYLE):
        rates = (*results.fool_rates, *results.anchors)
        add(
            "forest",
            plots.forest(results.fool_rates, results.anchors, results.plan.targets, FULL_2016, truth),
            f"Fool rates with {sentences.level(results.plan.confidence)}. Line: chance. Dashed: the target. Band: the "
            "published rate of Zhang et al. 2016 ± its standard error, from other people and other photographs."
            + (" Diamonds: the truth that the simulation was given." if truth else ""),
            "Forest plot. "
            + " ".join(
                f"{rate.condition}: {sentences.percent(rate.fool_rate)}%, {sentences.ends(rate.ci_low, rate.ci_high)}."
                for rate in rates
            ),
        )
        for rate in results.fool_rates:
            images = results.images[results.images["condition"] == rate.condition]
            add(
                f"images-{rate.condition}",
                plots.caterpillar(images, rate),
                f"{rate.condition}: every photograph's rate with its 95% Wilson interval (ignores clustering) and its "
                "rate shrunken towards the mean. Band: the interval of the mean.",
                f"Rates of {len(images)} photographs from {sentences.percent(images['fool_rate'].max())}% to "
                f"{sentences.percent(images['fool_rate'].min())}%.",
            )
        people = results.participants
        add(
            "participants",
            plots.participants(people),
            "Left: every participant's fool rate; hollow: failed an instructed trial. Right: the same against how "
            "often that person chose the left picture.",
            f"Fool rates of {people['participant_id'].nunique()} participants from "
            f"{sentences.percent(people['fool_rate'].min())}% to {sentences.percent(people['fool_rate'].max())}%.",
        )
        test = results.test[results.test["rt_ms"].notna()]
        is_fooled = test["fooled"].astype(bool)
        if len(test):
            add(
                "reaction-times",
                plots.reaction_times(test.loc[is_fooled, "rt_ms"], test.loc[~is_fooled, "rt_ms"]),
                "Reaction times of scored test trials.",
                f"Histogram; median {sentences.number(test['rt_ms'].median(), 0)} ms.",
            )
        if results.exposure.n_measured:
            add(
                "exposure",
                plots.exposures(results.exposure.errors_ms),
                "Achieved minus nominal exposure of every picture of the scored test trials.",
                f"Histogram; mean {sentences.number(results.exposure.mean_error_ms, 1)} ms, "
                f"standard deviation {sentences.number(results.exposure.sd_ms, 1)} ms.",
            )
        if results.differences:
            add(
                "differences",
                plots.differences(results.differences),
                f"Differences between conditions with {sentences.level(results.plan.confidence)}.",
                " ".join(
                    f"{pair.condition_a} minus {pair.condition_b}: {sentences.percent(pair.difference)} points, "
                    f"{sentences.ends(pair.ci_low, pair.ci_high)}."
                    for pair in results.differences
                ),
            )
    return drawings


def _pairs(results: Results) -> dict[str, dict[str, list[Pair]]]:
    """Return for each condition the most and the least fooling photographs, by their shrunken rates."""
    chosen = {}
    for rate in results.fool_rates:
        rows = results.images[results.images["condition"] == rate.condition]
        # Only what lies on its side of the mean may be called most or least fooling.
        most = rows[rows["fool_rate"] > rate.fool_rate].head(N_PAIRS)
        least = rows[rows["fool_rate"] < rate.fool_rate].tail(N_PAIRS).iloc[::-1]
        chosen[rate.condition] = {
            "most": [_pair(results, row) for row in most.to_dict("records")],
            "least": [_pair(results, row) for row in least.to_dict("records")],
        }
    return chosen


def _pair(results: Results, row: dict[Any, Any]) -> Pair:
    parts = [row["author"], row["licence"], row["credit"]]
    return Pair(
        image_id=row["image_id"],
        real_uri=_data_uri(results, row["image_id"], "real"),
        fake_uri=_data_uri(results, row["image_id"], row["condition"]),
        n_fooled=row["n_fooled"],
        n_trials=row["n_trials"],
        fool_rate=row["fool_rate"],
        shrunken_rate=row["shrunken_rate"],
        delta_e00_mean=row["delta_e00_mean"] if pd.notna(row["delta_e00_mean"]) else None,
        credit=" · ".join(part for part in parts if isinstance(part, str) and part) or "no credit in the manifest",
        is_seen_in_training=row["seen_in_training"],
    )


def _data_uri(results: Results, image_id: str, condition: str) -> str:
    stimulus = results.export.stimulus(image_id, condition)
    mime = MIME.get(PurePosixPath(stimulus["file"]).suffix.lower(), "application/octet-stream")
    data = base64.b64encode(results.export.files.read(stimulus["file"])).decode("ascii")
    return f"data:{mime};base64,{data}"


def _questionnaire(results: Results) -> list[dict[str, str]]:
    """Summarise each closed question over the analysed sessions; free text stays in answers.csv."""
    answers = results.export.answers
    answers = answers[answers["session_id"].isin(results.selection.sessions["session_id"])]
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


def _truth(results: Results) -> dict[str, float]:
    """Return the marginal fool rates that a simulation was given, by condition."""
    simulation = results.export.study.get("simulation") or {}
    stated = simulation.get("fool_rate") or {}
    return {name: float(rate) for name, rate in stated.items()}


def _seen(results: Results) -> list[str]:
    """Return the photographs of scored trials that a model was trained on."""
    return sorted(set(results.images.loc[results.images["seen_in_training"], "image_id"]))


def _provenance(results: Results, command: str, now: datetime) -> dict[str, str]:
    study, manifest = results.export.study, results.export.manifest
    hashes = {f"SHA-256 of {name}": digest for name, digest in results.export.sha256.items()}
    versions = {
        name: importlib.metadata.version(name) for name in ("truehue", "numpy", "scipy", "pandas", "matplotlib")
    }
    return {
        "export": results.export.source,
        **hashes,
        "definition SHA-256": study["definition_sha256"],
        "stimulus set": f"{manifest.get('name', '')}, SHA-256 {study['manifest_sha256']}",
        "study seed": str(study.get("study_seed", "")),
        "study ran on": f"truehue {study.get('truehue_version', '')}, commit {study.get('commit') or 'unknown'}",
        "stimuli made at commit": str(manifest.get("commit") or "unknown"),
        "exported": str(study.get("exported_at_utc", "")),
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
