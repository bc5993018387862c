"""A study's states, and which follows which: draft, pilot, running, paused, closed.

A draft may still be replaced. A pilot takes participants whose sessions are marked and left out of every analysis. The
first time a study runs it is frozen: definition, stimulus set and analysis plan with their hashes go into a
preregistration that never changes. Whatever is changed afterwards is a new version.
"""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from study import audit
from study.db import Database
from study.models import LaunchRow, StudyRow
from study.preregistration import preregistration, sha256
from study.studies import Study, StudyError, find_row, load_study
from study.versions import software

MOVES = {
    "draft": ("pilot", "running"),
    "pilot": ("running", "closed"),
    "running": ("paused", "closed"),
    "paused": ("running", "closed"),
    "closed": ("running",),
}
TAKES_PARTICIPANTS = ("pilot", "running")
BLIND = ("running", "paused")
"""States in which looking at answers is written down: more people may come."""


def change(database: Database, name: str, state: str, *, actor: str, now: datetime) -> StudyRow:
    """Move a study to another state; to the one it is in is no move. Raises StudyError."""
    with database.session() as session:
        row = find_row(session, name)
        if row.state == state:
            return row
        if state not in MOVES[row.state]:
            raise StudyError(
                f"{row.slug}@{row.version} is {row.state}; from there it can become {' or '.join(MOVES[row.state])}"
            )
        before, row.state = row.state, state
        session.flush()
        if state == "running":
            freeze(session, load_study(session, row.id), now=now)
        audit.note(
            session.connection(),
            actor=actor,
            action=f"study {state}",
            subject=row.slug,
            now=now,
            details={"version": row.version, "before": before},
        )
        return row


def freeze(session: Session, study: Study, *, now: datetime) -> None:
    """Write the preregistration, once."""
    connection = session.connection()
    if connection.execute(select(LaunchRow.study_id).where(LaunchRow.study_id == study.id)).one_or_none():
        return
    text = preregistration(
        study.definition,
        slug=study.slug,
        version=study.version,
        manifest_sha256=study.manifest.sha256,
        seed=study.seed,
        n_photos=len({s.image_id for s in study.manifest.stimuli}),
        arms=study.pools.arms,
        software=software(),
        launched_at=now,
    )
    connection.execute(
        insert(LaunchRow),
        {"study_id": study.id, "preregistration": text, "preregistration_sha256": sha256(text), "launched_at_utc": now},
    )


def read_launch(connection: Connection, study_id: int) -> LaunchRow | None:
    """Give a study's launch; None before it."""
    row = connection.execute(select(LaunchRow.__table__).where(LaunchRow.study_id == study_id)).one_or_none()
    return None if row is None else LaunchRow(**row._mapping)


def read_preregistration(launch: LaunchRow) -> dict[str, Any]:
    """Read a preregistration's facts."""
    data: dict[str, Any] = json.loads(launch.preregistration)
    return data
