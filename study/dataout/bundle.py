"""From a study to a bundle: the export of docs/formats.md, arranged as its readers expect it.

Everything is made from one export, so that all formats hold the same data. The export's time is the time of the last
change of the data, not of the command: the same data give the same bytes.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, func, select

from study import lifecycle
from study.dataout.archives import zip_folder
from study.dataout.errors import DatasetError
from study.dataout.parquet import write_parquet
from study.dataout.psychds import arrange
from study.db import Database
from study.export import write_export
from study.models import AnswerRow, AuditRow, CheckRow, LaunchRow, SessionRow, StudyRow, TrialRow, WithdrawalRow
from study.preregistration import as_markdown

REPORT_TIMEOUT_S = 3600
UNSTABLE = ("report written", "command")
"""What a report says of its own making; all else follows from the data."""


@dataclass(frozen=True)
class Extras:
    """What goes into a bundle beside the export."""

    preregistration: bytes = b""
    results: Path | None = None
    why_no_results: str = ""
    described: Mapping[str, str] = field(default_factory=dict)
    """schema.org property → text, from the researcher."""


def write_bundle(
    database: Database,
    stimuli_root: Path,
    study_id: int,
    out: Path,
    *,
    kind: str,
    described: Mapping[str, str] | None = None,
    with_results: bool = True,
) -> Path:
    """Write a study as one of FORMATS to a new folder, or to a zip if `out` ends so. Raises DatasetError."""
    if out.exists():
        raise DatasetError(f"{out} exists; choose another --out, or delete it")
    with database.reading() as connection:
        last = last_change(connection, study_id)
        launch = lifecycle.read_launch(connection, study_id)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch_name:
        scratch = Path(scratch_name)
        write_export(database, stimuli_root, study_id, scratch / "export", now=last)
        results, why = None, "the bundle was written without them"
        if with_results and kind == "psych-ds":
            results, why = _results(scratch)
        target = scratch / "bundle"
        FORMATS[kind](
            scratch / "export",
            target,
            Extras(launch.preregistration if launch else b"", results, why, dict(described or {})),
        )
        if out.suffix == ".zip":
            zip_folder(target, scratch / "bundle.zip")
            target = scratch / "bundle.zip"
        target.replace(out)
    return out


def last_change(connection: Connection, study_id: int) -> datetime:
    """Tell when a study's data last changed."""
    mine = select(SessionRow.id).where(SessionRow.study_id == study_id).scalar_subquery()
    study = connection.execute(select(StudyRow.slug, StudyRow.created_at_utc).where(StudyRow.id == study_id)).one()
    questions = (
        select(func.max(TrialRow.answered_at_utc)).where(TrialRow.session_id.in_(mine)),
        select(func.max(AnswerRow.answered_at_utc)).where(AnswerRow.session_id.in_(mine)),
        select(func.max(CheckRow.checked_at_utc)).where(CheckRow.session_id.in_(mine)),
        select(func.max(SessionRow.started_at_utc)).where(SessionRow.study_id == study_id),
        select(func.max(WithdrawalRow.withdrawn_at_utc)).where(WithdrawalRow.study_id == study_id),
        select(func.max(LaunchRow.launched_at_utc)).where(LaunchRow.study_id == study_id),
        select(func.max(AuditRow.at_utc)).where(AuditRow.subject == study.slug, AuditRow.action.startswith("study ")),
    )
    times: list[datetime | None] = [connection.execute(question).scalar_one() for question in questions]
    created: datetime = study.created_at_utc
    return max([created, *(time for time in times if time is not None)])


def run_report(export: Path, out: Path) -> str:
    """Run the analysis on an export; give why there is no report, or nothing if there is one."""
    try:
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "analysis", "report", export.name, "--out", str(out.resolve()), "--quiet"],
            cwd=export.parent,  # the report names its source: a name and not somebody's folders
            capture_output=True,
            text=True,
            timeout=REPORT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        return lines[-1].removeprefix("error: ") if lines else f"the analysis ended with status {done.returncode}"
    return ""


def keep_results(report: Path, out: Path) -> None:
    """Keep of a report what follows from the data alone: its tables, and its numbers without the time of making."""
    out.mkdir(parents=True)
    shutil.copytree(report / "tables", out / "tables")
    numbers = json.loads((report / "report.json").read_bytes())
    for name in UNSTABLE:
        numbers["provenance"].pop(name, None)
    text = json.dumps(numbers, indent=1, ensure_ascii=False) + "\n"
    (out / "report.json").write_text(text, encoding="utf-8")


def _results(scratch: Path) -> tuple[Path | None, str]:
    why = run_report(scratch / "export", scratch / "report")
    if why:
        return None, why
    keep_results(scratch / "report", scratch / "results")
    return scratch / "results", ""


def _psych_ds(export: Path, out: Path, extras: Extras) -> None:
    arrange(export, out, described=extras.described)
    documentation = out / "documentation"
    if extras.preregistration:
        (documentation / "preregistration.json").write_bytes(extras.preregistration)
        text = as_markdown(json.loads(extras.preregistration))
        (documentation / "preregistration.md").write_text(text, encoding="utf-8")
    if extras.results is not None:
        shutil.move(extras.results, out / "results")
    else:
        (out / "results").mkdir()
        (out / "results" / "README.md").write_text(f"No results: {extras.why_no_results}.\n", encoding="utf-8")


def _parquet(export: Path, out: Path, extras: Extras) -> None:
    write_parquet(export, out)
    if extras.preregistration:
        (out / "preregistration.json").write_bytes(extras.preregistration)


FORMATS: Mapping[str, Callable[[Path, Path, Extras], None]] = {"psych-ds": _psych_ds, "parquet": _parquet}
