"""Reports: `python -m analysis report` on a fresh export, in the background, with its state on disk.

A report is a folder whose name says which data it is about. Making the folder is the claim to build it, so that of
several workers only one does; the state file in it tells all of them how far it is. The builder holds a lock that
dies with its process, so that a report that nobody builds any more is noticed and begun again.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from sqlalchemy import func, select

from study.config import Settings
from study.export import utc_text, write_export
from study.models import AnswerRow, SessionRow, StudyRow, TrialRow
from study.sessions import Desk

TIMEOUT_S = 1800
GRACE_S = 5  # between making a folder and locking it
STATUSES = ("queued", "running", "done", "failed")


@dataclass(frozen=True, slots=True)
class ReportState:
    """How far a report is."""

    report_id: str
    status: str
    message: str
    started_at_utc: str
    n_sessions: int
    n_trials: int

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
    with desk.database.reading() as connection:
        study = connection.execute(select(StudyRow.slug, StudyRow.version).where(StudyRow.id == study_id)).one()
        n_sessions = connection.scalar(
            select(func.count()).select_from(SessionRow).where(SessionRow.study_id == study_id)
        )
        mine = select(SessionRow.id).where(SessionRow.study_id == study_id)
        n_trials = connection.scalar(select(func.count()).select_from(TrialRow).where(TrialRow.session_id.in_(mine)))
        n_answers = connection.scalar(select(func.count()).select_from(AnswerRow).where(AnswerRow.session_id.in_(mine)))
    report_id = f"v{study.version}-s{n_sessions}-t{n_trials}-a{n_answers}"
    folder = settings.reports / study.slug / report_id
    fresh = ReportState(report_id, "queued", "", utc_text(now), n_sessions or 0, n_trials or 0)
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
    desk: Desk, settings: Settings, study_id: int, folder: Path, state: ReportState, *, now: datetime
) -> ReportState:
    """Export and run the analysis; leave `report.html` or the reason why there is none."""

    def tell(status: str, message: str = "") -> ReportState:
        told = ReportState(**{**asdict(state), "status": status, "message": message})
        _write_state(folder, told)
        return told

    tell("running", "writing the data")
    try:
        with tempfile.TemporaryDirectory(dir=settings.reports, prefix=".build-") as scratch:
            data = write_export(desk.database, settings.stimuli, study_id, Path(scratch) / "export", now=now)
            tell("running", "computing the report")
            out = Path(scratch) / "report"
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "analysis", "report", str(data), "--out", str(out)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            if done.returncode != 0 or not (out / "report.html").is_file():
                lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
                return tell("failed", lines[-1][:500] if lines else f"it ended with status {done.returncode}")
            for item in sorted(out.iterdir()):
                shutil.move(item, folder / item.name)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return tell("failed", f"{type(error).__name__}: {error}"[:500])
    else:
        return tell("done")
    finally:
        release(folder)


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
