"""A study's data as files: docs/formats.md, `truehue-export/1`. Rows are streamed; the same data gives the same bytes.

Each column is declared once, with its words for the codebook and the way to its value.
"""

import csv
import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from sqlalchemy import Connection, Select, case, func, select

from study.audit import UNBLINDED
from study.db import Database
from study.definition import exported_deviations
from study.design import ANSWERS as JUDGEMENTS
from study.design import ORDERS, SIDES
from study.models import (
    AnswerRow,
    AuditRow,
    CheckRow,
    DisplayRow,
    LaunchRow,
    SessionRow,
    StimulusSet,
    StudyRow,
    TrialRow,
    WithdrawalRow,
)
from study.scoring import score
from study.sessions import VOID_REASONS
from study.versions import code_commit, truehue_version

FORMAT = "truehue-export/1"
CHUNK_ROWS = 1000
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # zip files carry times; a fixed one keeps the bytes the same


class ExportError(ValueError):
    """An export that cannot be written; the message is one line."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its words, and how a row's value is found (by default under the column's name)."""

    name: str
    type: str
    description: str
    unit: str = ""
    values: str = ""
    value: Callable[[Any], object] | None = None

    def of(self, row: Any) -> object:
        """Give the row's value."""
        return getattr(row, self.name) if self.value is None else self.value(row)


def _farther(row: Any) -> float | None:
    if row.exposure_ms_nominal is None:  # until the answer: nothing to be far from
        return None
    achieved = [x for x in (row.exposure_a_ms_achieved, row.exposure_b_ms_achieved) if x is not None]
    return max(achieved, key=lambda x: abs(x - row.exposure_ms_nominal)) if achieved else None


STATUSES = "started, consented, practice, test, questionnaire, complete, withdrawn, unqualified"
RESPONSES = ", ".join((*SIDES, *JUDGEMENTS))
WHO = (
    Column("session_id", "string", "The session; random, not the participant's link."),
    Column("participant_id", "string", "Pseudonym; the same for one person's sessions where the platform tells."),
)
WHAT = (
    Column("study", "string", "The study's short name.", value=lambda r: r.slug),
    Column("definition_sha256", "string", "SHA-256 of the canonical definition in force."),
    Column("manifest_sha256", "string", "SHA-256 of the stimulus set's manifest file."),
)
SIMULATED = Column("is_simulated", "boolean", "The session was simulated, not a person.", values="true, false")
TRIALS: tuple[Column, ...] = (
    *WHO,
    *WHAT,
    Column("trial_index", "integer", "Order of presentation in the session, void trials counted.", values="0…"),
    Column(
        "plan_index",
        "integer",
        "Place in the plan; a replacement has the index of the trial it replaces.",
        values="0…",
    ),
    Column(
        "kind",
        "string",
        "Only test trials are scored in a condition's fool rate.",
        values="practice, test, catch",
    ),
    Column(
        "control",
        "string",
        "Which sort of catch trial; else empty.",
        values="low_anchor, obvious, instructed, same",
    ),
    Column("design", "string", "How the pictures were shown.", values="sequential_pair, simultaneous_pair, single"),
    Column(
        "question",
        "string",
        "Which picture the participant was asked to choose, or what one picture is.",
        values="fake, real, real_or_fake, natural",
    ),
    Column("image_id", "string", "The photograph."),
    Column(
        "stimulus_a", "string", "The picture in the condition under test; single: the one picture, maybe the original."
    ),
    Column("stimulus_b", "string", "The original; natural: the other condition's picture; single: empty."),
    Column("condition_a", "string", "The condition under test; single: of the one picture, maybe real."),
    Column("condition_b", "string", "What picture b is; single: empty."),
    Column("side_of_a", "string", "Where the picture a was; single: empty.", values=", ".join(SIDES)),
    Column(
        "order_of_a",
        "string",
        "When the picture a was shown; empty unless one came after the other.",
        values=", ".join(ORDERS),
    ),
    Column("response", "string", "The side chosen, or (single) the judgement; empty if void.", values=RESPONSES),
    Column("chosen_stimulus", "string", "The stimulus on the chosen side.", value=lambda r: score(r).chosen_stimulus),
    Column("instructed_response", "string", "On instructed trials, the response asked for.", values=RESPONSES),
    Column("said_real", "string", "The stimulus taken for the real one (derived).", value=lambda r: score(r).said_real),
    Column(
        "fooled",
        "boolean",
        "A fake was taken for real; empty for void, instructed, same and natural trials, and for single originals.",
        values="true, false",
        value=lambda r: score(r).is_fooled,
    ),
    Column(
        "correct",
        "boolean",
        "Answered rightly (instructed: as told); empty if void, and where nothing is right or wrong.",
        values="true, false",
        value=lambda r: score(r).is_correct,
    ),
    Column("rt_ms", "number", "From the painted buttons to the response.", "ms", "> 0"),
    Column("exposure_ms_nominal", "number", "Exposure asked for, each picture; empty: until the answer.", "ms"),
    Column(
        "exposure_ms_achieved",
        "number",
        "The one of the two exposures that is farther from nominal.",
        "ms",
        value=_farther,
    ),
    Column("exposure_a_ms_achieved", "number", "Painted onset to painted offset of picture a.", "ms"),
    Column("exposure_b_ms_achieved", "number", "Painted onset to painted offset of picture b.", "ms"),
    Column("frames_a", "integer", "Animation frames between onset and offset of picture a.", "frames"),
    Column("frames_b", "integer", "Animation frames between onset and offset of picture b.", "frames"),
    Column("dropped_frames", "integer", "Frames missed during the two exposures.", "frames"),
    Column("refresh_hz", "number", "Refresh rate measured by the browser.", "Hz"),
    Column("visible", "boolean", "The page was visible and focused throughout.", values="true, false"),
    Column(
        "void_reason",
        "string",
        "Why the trial is void: replaced, never scored; else empty.",
        values=", ".join(VOID_REASONS),
    ),
    Column("shown_at_utc", "string", "Server time when the trial was handed out.", "ISO 8601, UTC"),
    Column("answered_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
    SIMULATED,
    Column("block", "integer", "0: practice; the test's blocks count from 1.", values="0…"),
    Column("stimulus_reference", "string", "The picture shown before the others for comparison; else empty."),
    Column("staircase_level_ms", "number", "The staircase's state, not rounded to frames; else empty.", "ms"),
    Column("mask_ms_nominal", "number", "Time asked for of each mask after the picture; else empty.", "ms"),
    Column("mask_frames", "integer", "Animation frames of all masks together; else empty.", "frames"),
    Column("shown_width_px", "number", "Width of a picture as shown.", "CSS px"),
    Column("shown_height_px", "number", "Height of a picture as shown.", "CSS px"),
)
SESSIONS: tuple[Column, ...] = (
    *WHO,
    *WHAT,
    Column("arm", "string", "The condition under test in this session, or the rotation of all of them."),
    Column("status", "string", "How far the session came.", values=STATUSES),
    Column(
        "source",
        "string",
        "Where the participant came from.",
        values="direct, invitation, lab, mturk, prolific, sona, connect, simulated",
    ),
    SIMULATED,
    Column("is_pilot", "boolean", "The session was a pilot's.", values="true, false"),
    Column("session_seed", "integer", "With definition, stimulus set and study_seed it gives the plan again."),
    Column("consent_sha256", "string", "SHA-256 of the consent text as shown."),
    Column("consented_at_utc", "string", "When the participant agreed.", "ISO 8601, UTC"),
    Column("started_at_utc", "string", "When the session began.", "ISO 8601, UTC"),
    Column("completed_at_utc", "string", "When the last answer was committed; empty before.", "ISO 8601, UTC"),
    Column("n_trials_answered", "integer", "Trials answered, practice and catch included."),
    Column("n_trials_void", "integer", "Trials void."),
    Column("n_instructed_failed", "integer", "Instructed trials on which the other side was chosen."),
    Column("user_agent", "string", "The browser's name of itself."),
    Column("screen_width_px", "integer", "Screen width.", "CSS px"),
    Column("screen_height_px", "integer", "Screen height.", "CSS px"),
    Column("viewport_width_px", "integer", "Window width at the first trial.", "CSS px"),
    Column("viewport_height_px", "integer", "Window height at the first trial.", "CSS px"),
    Column("device_pixel_ratio", "number", "Device pixels per CSS pixel."),
    Column("refresh_hz", "number", "Refresh rate measured by the browser.", "Hz"),
    Column("language", "string", "The browser's language.", values="BCP 47"),
    Column("arm_slot", "integer", "Place in the study's sequence of permuted blocks.", values="0…"),
    Column("slot_attempt", "integer", "Sessions that had this place before and were abandoned.", values="0…"),
)
ANSWERS: tuple[Column, ...] = (
    *WHO,
    Column("item_id", "string", "The item in the definition."),
    Column("item_type", "string", "Sort of item.", values="choice, scale, number, text"),
    Column("question", "string", "The words shown."),
    Column("answer", "string", "The answer; of a choice the option's value."),
    Column("answered_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
)
CHECKS: tuple[Column, ...] = (
    *WHO,
    Column("check_id", "string", "What was checked; plate-N: the Nth plate shown."),
    Column(
        "kind",
        "string",
        "Which sort of check; plates: the verdict over all plates.",
        values="vision, plate, plates, display, night_light, calibration, full_screen, lab",
    ),
    Column("detail", "string", "Of a plate the confusion line that it lies on, or control; else empty."),
    Column("answer", "string", "What the person or the browser said; numbers in the unit of the name."),
    Column("expected", "string", "What was asked for, or a plate's digit; empty: nothing."),
    Column("is_passed", "boolean", "Whether it fits; empty: nothing was asked for, or nobody can tell."),
    Column("action", "string", "What follows where it does not fit.", values="record, warn, exclude"),
    Column("checked_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
)
TABLES = {"trials": TRIALS, "sessions": SESSIONS, "answers": ANSWERS, "checks": CHECKS}
CODEBOOK = ("table", "column", "type", "unit", "values", "description")


class _Target(Protocol):
    """Where files go: a folder or a zip."""

    def text(self, name: str) -> Any: ...
    def copy(self, name: str, source: Path) -> None: ...
    def content(self, name: str, data: bytes) -> None: ...


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
                _write(database, stimuli_root, study_id, _Zip(archive, root=out.stem), now=now)
            (scratch / "export.zip").replace(out)
        else:
            (scratch / "export").mkdir()
            _write(database, stimuli_root, study_id, _Folder(scratch / "export"), now=now)
            (scratch / "export").replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return out


@dataclass(frozen=True)
class _Folder:
    root: Path

    def text(self, name: str) -> TextIO:
        return (self.root / name).open("w", encoding="utf-8", newline="")

    def copy(self, name: str, source: Path) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def content(self, name: str, data: bytes) -> None:
        (self.root / name).write_bytes(data)


@dataclass(frozen=True)
class _Zip:
    archive: zipfile.ZipFile
    root: str

    def _info(self, name: str, *, is_packed: bool = False) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, ZIP_TIME)
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        return info

    def text(self, name: str) -> TextIO:
        return io.TextIOWrapper(
            self.archive.open(self._info(name), "w", force_zip64=True), encoding="utf-8", newline=""
        )

    def copy(self, name: str, source: Path) -> None:
        self.archive.writestr(self._info(name, is_packed=True), source.read_bytes())

    def content(self, name: str, data: bytes) -> None:
        self.archive.writestr(self._info(name), data)


def _write(database: Database, stimuli_root: Path, study_id: int, target: _Target, *, now: datetime) -> None:
    with database.snapshot() as connection:
        study = connection.execute(
            select(StudyRow.__table__, StimulusSet.manifest, StimulusSet.manifest_sha256, StimulusSet.folder)
            .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
            .where(StudyRow.id == study_id)
        ).one()
        n = {
            "trials": _write_table(target, connection, "trials", _select_trials(study_id)),
            "sessions": _write_table(target, connection, "sessions", _select_sessions(study_id)),
            "answers": _write_table(target, connection, "answers", _select_rows(AnswerRow, "item_id", study_id)),
            "checks": _write_table(target, connection, "checks", _select_rows(CheckRow, "check_id", study_id)),
        }
        withdrawals = connection.execute(
            select(WithdrawalRow.session_id, WithdrawalRow.withdrawn_at_utc, WithdrawalRow.reason)
            .where(WithdrawalRow.study_id == study_id)
            .order_by(WithdrawalRow.id)
        ).all()
        displays = connection.execute(_select_displays(study_id)).all()
        attrition = [dict(row._mapping) for row in connection.execute(_select_attrition(study_id))]
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


def _write_table(target: _Target, connection: Connection, table: str, query: Select[Any]) -> int:
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


def cell(value: object) -> str:
    """Write one value as docs/formats.md says."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def utc_text(moment: datetime) -> str:
    """Write a time: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _study_columns() -> Sequence[Any]:
    return StudyRow.slug, StudyRow.definition_sha256, StimulusSet.manifest_sha256


def _select_trials(study_id: int) -> Select[Any]:
    names = (SessionRow.session_id.label("session_id"), SessionRow.participant_id, SessionRow.is_simulated)
    facts = [c for c in TrialRow.__table__.c if c.name != "session_id"]
    return (
        select(*names, *_study_columns(), *facts)
        .select_from(TrialRow)
        .join(SessionRow, SessionRow.id == TrialRow.session_id)
        .join(StudyRow, StudyRow.id == SessionRow.study_id)
        .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
        .where(SessionRow.study_id == study_id)
        .order_by(TrialRow.session_id, TrialRow.trial_index)
    )


def _select_sessions(study_id: int) -> Select[Any]:
    failed = (TrialRow.control == "instructed") & (TrialRow.response != "")
    failed &= TrialRow.response != TrialRow.instructed_response
    counts = (
        select(
            TrialRow.session_id,
            func.sum(case((TrialRow.void_reason == "", 1), else_=0)).label("n_answered"),
            func.sum(case((TrialRow.void_reason == "", 0), else_=1)).label("n_void"),
            func.sum(case((failed, 1), else_=0)).label("n_failed"),
        )
        .join(SessionRow, SessionRow.id == TrialRow.session_id)
        .where(SessionRow.study_id == study_id)
        .group_by(TrialRow.session_id)
        .subquery()
    )
    return (
        select(
            SessionRow.__table__,
            *_study_columns(),
            func.coalesce(counts.c.n_answered, 0).label("n_trials_answered"),
            func.coalesce(counts.c.n_void, 0).label("n_trials_void"),
            func.coalesce(counts.c.n_failed, 0).label("n_instructed_failed"),
        )
        .join(StudyRow, StudyRow.id == SessionRow.study_id)
        .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
        .outerjoin(counts, counts.c.session_id == SessionRow.id)
        .where(SessionRow.study_id == study_id)
        .order_by(SessionRow.id)
    )


def _select_attrition(study_id: int) -> Select[*tuple[Any, ...]]:
    """How many sessions of each arm came how far."""
    status = SessionRow.status
    return (
        select(
            SessionRow.arm.label("arm"),
            func.count().label("n_started"),
            func.count().filter(status.not_in(("started", "consented", "practice"))).label("n_past_practice"),
            func.count().filter(status == "complete").label("n_complete"),
            func.count().filter(status == "unqualified").label("n_unqualified"),
            func.count().filter(status == "withdrawn").label("n_withdrawn"),
        )
        .where(SessionRow.study_id == study_id)
        .group_by(SessionRow.arm)
        .order_by(SessionRow.arm)
    )


def _preset(definition: str, preset: str) -> dict[str, Any] | None:
    """Give the shipped protocol that the study builds on, as it was when the study was made."""
    if not preset:
        return None
    return {
        "name": json.loads(definition)["preset"],
        "definition": json.loads(preset),
        "definition_sha256": hashlib.sha256(preset.encode()).hexdigest(),
    }


def _select_rows(table: type[AnswerRow] | type[CheckRow], order: str, study_id: int) -> Select[Any]:
    """Answers or checks, each with the names of its session."""
    facts = [c for c in table.__table__.c if c.name != "session_id"]
    return (
        select(SessionRow.session_id.label("session_id"), SessionRow.participant_id, *facts)
        .select_from(table)
        .join(SessionRow, SessionRow.id == table.session_id)
        .where(SessionRow.study_id == study_id)
        .order_by(table.session_id, table.__table__.c[order])
    )


def _select_displays(study_id: int) -> Select[*tuple[Any, ...]]:
    """The profiles of the displays on which a study was taken."""
    used = (
        select(CheckRow.answer)
        .join(SessionRow, SessionRow.id == CheckRow.session_id)
        .where(SessionRow.study_id == study_id, CheckRow.check_id == "display_profile")
    )
    return (
        select(DisplayRow)
        .with_only_columns(DisplayRow.sha256, DisplayRow.profile)
        .where(DisplayRow.sha256.in_(used))
        .order_by(DisplayRow.sha256)
    )
