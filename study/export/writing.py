"""The writer of `truehue-export/1` (docs/formats.md). Rows are streamed; the same data gives the same bytes."""

import csv
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, select

from study.audit import UNBLINDED
from study.db import Database
from study.definition import exported_deviations
from study.errors import Refusal
from study.export import queries
from study.export.cells import cell, utc_text
from study.export.columns import CODEBOOK, TABLES
from study.export.targets import Folder, Target, Zip
from study.models import AnswerRow, AuditRow, CheckRow, LaunchRow, SessionRow, StimulusSet, StudyRow, WithdrawalRow
from study.versions import code_commit, truehue_version

FORMAT = "truehue-export/1"
CHUNK_ROWS = 1000


class ExportError(Refusal, ValueError):
    """An export that cannot be written; the message is one line."""


def write_export(database: Database, stimuli_root: Path, study_id: int, out: Path, *, now: datetime) -> Path:
    """Write a study to a new folder, or to a zip if `out` ends so. Nothing is left behind if it fails."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ExportError(f"{out} exists; choose another --out, or delete it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise ExportError(f"{out.parent}: {error.strerror}; choose another --out") from None
    try:
        if out.suffix == ".zip":
            with zipfile.ZipFile(scratch / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                _write(database, stimuli_root, study_id, Zip(archive, root=out.stem), now=now)
            (scratch / "export.zip").replace(out)
        else:
            (scratch / "export").mkdir()
            _write(database, stimuli_root, study_id, Folder(scratch / "export"), now=now)
            (scratch / "export").replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return out


def _write(database: Database, stimuli_root: Path, study_id: int, target: Target, *, now: datetime) -> None:
    with database.snapshot() as connection:
        study = connection.execute(
            select(StudyRow.__table__, StimulusSet.manifest, StimulusSet.manifest_sha256, StimulusSet.folder)
            .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
            .where(StudyRow.id == study_id)
        ).one()
        n = {
            "trials": _write_table(target, connection, "trials", queries.select_trials(study_id)),
            "sessions": _write_table(target, connection, "sessions", queries.select_sessions(study_id)),
            "answers": _write_table(target, connection, "answers", queries.select_rows(AnswerRow, "item_id", study_id)),
            "checks": _write_table(target, connection, "checks", queries.select_rows(CheckRow, "check_id", study_id)),
        }
        withdrawals = connection.execute(
            select(WithdrawalRow.session_id, WithdrawalRow.withdrawn_at_utc, WithdrawalRow.reason)
            .where(WithdrawalRow.study_id == study_id)
            .order_by(WithdrawalRow.id)
        ).all()
        displays = connection.execute(queries.select_displays(study_id)).all()
        attrition = [dict(row._mapping) for row in connection.execute(queries.select_attrition(study_id))]
        unblindings = connection.execute(
            select(AuditRow.at_utc, AuditRow.details)
            .where(AuditRow.subject == study.slug, AuditRow.action == UNBLINDED)
            .order_by(AuditRow.id)
        ).all()
        launched = connection.execute(
            select(LaunchRow.preregistration_sha256, LaunchRow.launched_at_utc).where(LaunchRow.study_id == study_id)
        ).one_or_none()
        n_simulated = connection.scalar(
            select(func.count()).select_from(SessionRow).where(SessionRow.study_id == study_id, SessionRow.is_simulated)
        )
    manifest = json.loads(study.manifest)
    info = {
        "format": FORMAT,
        "study": study.slug,
        "title": study.title,
        "definition": json.loads(study.definition),
        "definition_sha256": study.definition_sha256,
        "manifest_sha256": study.manifest_sha256,
        "preset": _preset(study.definition, study.preset_definition),
        "deviations": exported_deviations(study.definition, study.preset_definition),
        "study_seed": study.seed,
        "truehue_version": truehue_version(),
        "commit": code_commit(),
        "exported_at_utc": utc_text(now),
        "is_simulated": bool(n_simulated),
        "simulation": study.simulation,
        "n_sessions": n["sessions"],
        "n_trials": n["trials"],
        "state": study.state,
        "version": study.version,
        "launched_at_utc": utc_text(launched.launched_at_utc) if launched else "",
        "preregistration_sha256": launched.preregistration_sha256 if launched else "",
        "unblindings": [
            {"at_utc": utc_text(u.at_utc), "what": u.details["what"], "reason": u.details.get("reason", "")}
            for u in unblindings
            if u.details.get("version") == study.version
        ],
        "withdrawals": [
            {"session_id": w.session_id, "withdrawn_at_utc": utc_text(w.withdrawn_at_utc), "reason": w.reason}
            for w in withdrawals
        ],
        "allow_seen": bool(manifest.get("seen_in_training")),
        "attrition": attrition,
        "displays": {display.sha256: json.loads(display.profile) for display in displays},
    }
    target.content("study.json", (json.dumps(info, indent=2, ensure_ascii=False) + "\n").encode())
    target.content("manifest.json", study.manifest)
    for stimulus in sorted(manifest["stimuli"], key=lambda s: str(s["file"])):
        target.copy(stimulus["file"], stimuli_root / study.folder / stimulus["file"])
    with target.text("codebook.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CODEBOOK)
        for table, columns in TABLES.items():
            writer.writerows((table, c.name, c.type, c.unit, c.values, c.description) for c in columns)


def _write_table(target: Target, connection: Connection, table: str, query: Select[Any]) -> int:
    columns = TABLES[table]
    n_rows = 0
    with target.text(f"{table}.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for row in _stream(connection, query):
            writer.writerow([cell(column.of(row)) for column in columns])
            n_rows += 1
    return n_rows


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execution_options(yield_per=CHUNK_ROWS).execute(query)


def _preset(definition: str, preset: str) -> dict[str, Any] | None:
    """Give the shipped protocol that the study builds on, as it was when the study was made."""
    if not preset:
        return None
    return {
        "name": json.loads(definition)["preset"],
        "definition": json.loads(preset),
        "definition_sha256": hashlib.sha256(preset.encode()).hexdigest(),
    }
