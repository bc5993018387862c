"""Reports: `python -m analysis report` on a snapshot, in the background, with its state on disk.

A report is a folder. The console's are jobs of the queue: each press of the button is a report of its own, kept with
who asked for it, why, and what it was made from. The demonstration has no worker: there a folder is named after the
data it is about, making it is the claim to build it, and a lock that dies with its builder tells whether anybody does.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

from sqlalchemy import Row, func, select, true

from study.config import Settings
from study.export import utc_text, write_export
from study.models import AnswerRow, SessionRow, StudyRow, TrialRow
from study.sessions import Desk
from study.words import counted

TIMEOUT_S = 1800
GRACE_S = 5  # between making a folder and locking it
Tell = Callable[[str, float], object]


class ReportError(ValueError):
    """A report that cannot be made; the message is one line."""


@dataclass(frozen=True, slots=True)
class ReportState:
    """How far a report is."""

    report_id: str
    status: str
    message: str
    started_at_utc: str
    n_sessions: int
    n_trials: int
    progress: float = 0.0
    """From 0 to 1."""
    by: str = ""
    reason: str = ""
    """Why somebody looked while people still came in."""
    finished_at_utc: str = ""
    made_from: dict[str, str] = field(default_factory=dict)
    """Versions and SHA-256 of what the report was made from."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in {"done", "failed"}


def ensure(desk: Desk, settings: Settings, study_id: int, *, now: datetime, is_repeat: bool = False) -> ReportState:
    """Give the report of the present data; begin to build it if nobody has. `is_repeat` tries a failed one again."""
    state, folder, is_mine = claim(desk, settings, study_id, now=now, is_repeat=is_repeat)
    if is_mine:
        thread = threading.Thread(
            target=build, args=(desk, settings, study_id, folder, state), kwargs={"now": now}, daemon=True
        )
        thread.start()
    return state


def claim(
    desk: Desk, settings: Settings, study_id: int, *, now: datetime, is_repeat: bool = False
) -> tuple[ReportState, Path, bool]:
    """Name the report of the present data; the last part says whether the caller is the one to build it."""
    study, own = _name(desk, study_id), _count(desk, study_id)
    with_pilot = _count(desk, study_id, with_pilot=True)
    report_id = f"v{study.version}-s{with_pilot.sessions}-t{with_pilot.trials}-a{with_pilot.answers}"
    folder = settings.reports / study.slug / report_id
    fresh = ReportState(report_id, "queued", "", utc_text(now), own.sessions, own.trials)
    old = read_state(folder)
    if old is not None and ((is_repeat and old.status == "failed") or _is_orphan(folder, old, now=now)):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        return read_state(folder) or fresh, folder, False
    lock = (folder / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _locks[folder] = lock
    _write_state(folder, fresh)
    return fresh, folder, True


class Counts(NamedTuple):
    """How much data a study has."""

    sessions: int
    trials: int
    answers: int


def _name(desk: Desk, study_id: int) -> Row[str, int]:
    """Give a study's slug and version."""
    with desk.database.reading() as connection:
        return connection.execute(select(StudyRow.slug, StudyRow.version).where(StudyRow.id == study_id)).one()


def _count(desk: Desk, study_id: int, *, with_pilot: bool = False) -> Counts:
    """Count what the analysis takes in, which leaves the pilot's sessions out, or everything."""
    theirs = (SessionRow.study_id == study_id) & (true() if with_pilot else ~SessionRow.is_pilot)
    mine = select(SessionRow.id).where(theirs)
    queries = (
        select(func.count()).select_from(SessionRow).where(theirs),
        select(func.count()).select_from(TrialRow).where(TrialRow.session_id.in_(mine)),
        select(func.count()).select_from(AnswerRow).where(AnswerRow.session_id.in_(mine)),
    )
    with desk.database.reading() as connection:
        return Counts(*(connection.scalar(query) or 0 for query in queries))


def has_trials(desk: Desk, study_id: int) -> bool:
    """Tell whether there is anything to report."""
    return _count(desk, study_id).trials > 0


def ask(
    desk: Desk, settings: Settings, study_id: int, *, by: str, now: datetime, reason: str = ""
) -> tuple[ReportState, bool]:
    """Make the place of a new report for the queue's job; one that waits already is given instead (False)."""
    study, own = _name(desk, study_id), _count(desk, study_id)
    for state in list_reports(settings, study.slug):
        if state.by and not state.is_over and state.report_id.startswith(f"v{study.version}-"):
            return state, False
    report_id = f"v{study.version}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    state = ReportState(report_id, "queued", "", utc_text(now), own.sessions, own.trials, by=by, reason=reason[:300])
    folder = settings.reports / study.slug / report_id
    folder.mkdir(parents=True)
    _write_state(folder, state)
    return state, True


def build_asked(desk: Desk, settings: Settings, study_id: int, report_id: str, *, now: datetime, tell: Tell) -> str:
    """Build a report that was asked for, from the start; give the line that says it is done. Raises ReportError."""
    study, own = _name(desk, study_id), _count(desk, study_id)
    folder = settings.reports / study.slug / report_id
    state = read_state(folder)
    if state is None:
        raise ReportError("its folder is gone; ask for a new one")
    for left in folder.iterdir():  # of a worker that died
        if left.name != "state.json":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    state = replace(state, n_sessions=own.sessions, n_trials=own.trials)
    state = build(desk, settings, study_id, folder, state, now=now, tell=tell)
    if state.status == "failed":
        raise ReportError(state.message)
    return f"{counted(state.n_sessions, 'session')}, {counted(state.n_trials, 'trial')}"


_locks: dict[Path, IO[str]] = {}


def _is_orphan(folder: Path, state: ReportState, *, now: datetime) -> bool:
    """Whether a report is not finished and its builder is gone: then its lock can be had."""
    started = datetime.fromisoformat(state.started_at_utc)
    if state.is_over or now - started < timedelta(seconds=GRACE_S):
        return False
    try:
        with (folder / ".lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def build(
    desk: Desk,
    settings: Settings,
    study_id: int,
    folder: Path,
    state: ReportState,
    *,
    now: datetime,
    tell: Tell = lambda *_: None,
) -> ReportState:
    """Export and run the analysis; leave `report.html` or the reason why there is none. `tell` hears each step."""

    def keep(status: str, message: str = "", progress: float = 0.0, **more: Any) -> ReportState:
        tell(message, progress)
        kept = replace(state, status=status, message=message, progress=progress, **more)
        _write_state(folder, kept)
        return kept

    def fail(reason: str) -> ReportState:
        return keep("failed", reason[:500], finished_at_utc=_utc_now())

    try:
        settings.reports.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.reports, prefix=".build-") as scratch:
            keep("running", "writing the data", 0.05)
            data = write_export(desk.database, settings.stimuli, study_id, Path(scratch) / "export", now=now)
            made_from = _origin(data)
            out = Path(scratch) / "report"
            keep("running", "reading the data", 0.25)
            code, last = _analyse(data, out, lambda step, progress: keep("running", step, progress))
            if code or not (out / "report.html").is_file():
                return fail(last or f"it ended with status {code}")
            for item in sorted(out.iterdir()):
                shutil.move(item, folder / item.name)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return fail(f"{type(error).__name__}: {error}")
    else:
        return keep("done", progress=1.0, finished_at_utc=_utc_now(), made_from=made_from)
    finally:
        release(folder)


def _analyse(data: Path, out: Path, tell: Tell) -> tuple[int, str]:
    """Run the analysis and pass its steps on; give its status and the last line it wrote."""
    command = [sys.executable, "-m", "analysis", "report", str(data), "--out", str(out), "--steps"]
    last = ""
    with subprocess.Popen(  # noqa: S603 - our own program, no shell
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if step := re.fullmatch(r"step (\d) of (\d): (.+)", line.strip()):
                    tell(f"{step[3]} the report", 0.25 + 0.75 * int(step[1]) / (int(step[2]) + 1))
                elif line.strip():
                    last = line.strip()
            return process.wait(), last
        finally:
            watchdog.cancel()
            process.kill()


def _origin(data: Path) -> dict[str, str]:
    """Name what a report is made from: program, study, and the tables by their SHA-256."""
    info = json.loads((data / "study.json").read_bytes())
    names = ("truehue_version", "commit", "version", "state", "definition_sha256", "manifest_sha256",
             "preregistration_sha256", "exported_at_utc")  # fmt: skip
    origin = {name: str(info[name]) for name in names if info.get(name) not in ("", None)}
    for table in ("trials", "sessions", "answers"):
        with (data / f"{table}.csv").open("rb") as file:
            origin[f"{table}_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return origin


def _utc_now() -> str:
    return utc_text(datetime.now(UTC))


def release(folder: Path) -> None:
    """Give the lock of a report back; its process's end does the same."""
    lock = _locks.pop(folder, None)
    if lock is not None:
        lock.close()


def read_state(folder: Path) -> ReportState | None:
    """Read how far a report is; None if there is no such report."""
    try:
        return ReportState(**json.loads((folder / "state.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write_state(folder: Path, state: ReportState) -> None:
    scratch = folder / f".state-{os.getpid()}-{threading.get_ident()}"
    scratch.write_text(json.dumps(asdict(state)), encoding="utf-8")
    scratch.replace(folder / "state.json")


def list_reports(settings: Settings, slug: str) -> list[ReportState]:
    """List a study's reports, newest first."""
    folder = settings.reports / slug
    if not folder.is_dir():
        return []
    states = [state for path in folder.iterdir() if (state := read_state(path)) is not None]
    return sorted(states, key=lambda state: (state.started_at_utc, state.report_id), reverse=True)


PAGES = ("report.html", "summary.html")


def find_file(settings: Settings, slug: str, report_id: str, page: str = PAGES[0]) -> Path | None:
    """Find a page of a finished report; names come from addresses, so they are compared and never joined."""
    for state in list_reports(settings, slug):
        if state.report_id == report_id and state.status == "done" and page in PAGES:
            path = settings.reports / slug / state.report_id / PAGES[PAGES.index(page)]
            return path if path.is_file() else None
    return None
