"""The queue and the rows that tell of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from huey import Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer
from sqlalchemy import select

from study.config import Settings
from study.db import Database
from study.jobs.errors import JobError
from study.jobs.tools import Tools
from study.jobs.work import KINDS
from study.models import JobRow
from study.sessions import Desk

N_LISTED = 100
MAX_MESSAGE = 500


@cache
def _queue(file: Path, redis: str) -> Huey:
    if redis:
        return RedisHuey("truehue", url=redis, results=False)
    return SqliteHuey("truehue", filename=str(file), results=False)


def queue_of(settings: Settings) -> Huey:
    """Give the instance's queue."""
    settings.prepare()
    return _queue(settings.instance / "jobs.sqlite3", settings.redis_url)


def _task(desk: Desk, settings: Settings) -> tuple[Huey, Callable[[int], Any]]:
    """Give the queue and its one task, which knows the desk it works for; a queue knows a task's name once."""
    queue = queue_of(settings)
    task: Callable[[int], Any] | None = getattr(queue, "truehue_task", None)
    if task is None:

        def run(job_id: int) -> None:
            work(desk, settings, job_id)

        task = queue.truehue_task = queue.task(name="truehue_job")(run)
    return queue, task


def enqueue(
    desk: Desk, settings: Settings, kind: str, title: str, arguments: dict[str, Any], *, by: str, now: datetime
) -> int:
    """Put a job into the queue and give its number."""
    if kind not in KINDS:
        raise JobError(f"expected a job of {', '.join(KINDS)}, got {kind}")
    with desk.database.session() as session:
        row = JobRow(
            kind=kind,
            title=title,
            status="queued",
            message="",
            progress=None,
            arguments=arguments,
            created_by=by,
            created_at_utc=now,
            started_at_utc=None,
            finished_at_utc=None,
        )
        session.add(row)
        session.flush()
        job_id = row.id
    _, task = _task(desk, settings)
    task(job_id)
    return job_id


def work(desk: Desk, settings: Settings, job_id: int) -> None:
    """Do one job; whatever goes wrong becomes its message."""
    with desk.database.session() as session:
        row = session.get(JobRow, job_id)
        if row is None or row.status != "queued":
            return
        row.status, row.started_at_utc = "running", _now()
        kind, arguments = row.kind, dict(row.arguments)

    def tell(message: str, progress: float | None = None) -> None:
        _update(desk.database, job_id, message=message[:MAX_MESSAGE], progress=progress)

    try:
        message = KINDS[kind](Tools(desk, settings, tell, job_id), arguments)
    except Exception as error:
        text = str(error) if isinstance(error, (JobError, ValueError)) else f"{type(error).__name__}: {error}"
        _update(desk.database, job_id, status="failed", message=text[:MAX_MESSAGE], finished_at_utc=_now())
    else:
        _update(desk.database, job_id, status="done", message=message, progress=1.0, finished_at_utc=_now())


def _update(database: Database, job_id: int, **values: Any) -> None:
    with database.session() as session:
        row = session.get_one(JobRow, job_id)
        for name, value in values.items():
            setattr(row, name, value)


def make_consumer(desk: Desk, settings: Settings, *, workers: int = 1) -> Consumer:
    """Make the process that does the work; `run()` returns at SIGINT or SIGTERM.

    Jobs that a dead worker left half done are begun again: each of them can be repeated.
    """
    queue, task = _task(desk, settings)
    with desk.database.session() as session:
        left = session.scalars(select(JobRow).where(JobRow.status == "running")).all()
        for row in left:
            row.status, row.message = "queued", "begun again: the worker had stopped"
        names = [row.id for row in left]
    for job_id in names:
        task(job_id)
    return queue.create_consumer(workers=workers, worker_type="thread", periodic=False)


def read_job(database: Database, job_id: int) -> JobRow | None:
    """Read one job."""
    with database.reading_session() as session:
        return session.get(JobRow, job_id)


def list_jobs(database: Database) -> list[JobRow]:
    """List the newest jobs."""
    with database.reading_session() as session:
        return list(session.scalars(select(JobRow).order_by(JobRow.id.desc()).limit(N_LISTED)))


def _now() -> datetime:
    return datetime.now(UTC)
