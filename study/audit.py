"""What researchers did: one row per action, written with the action and never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from study.models import AuditRow, StudyRow

AUDIT: Table = AuditRow.__table__  # type: ignore[assignment]
COMMAND_LINE = "command line"
UNBLINDED = "data unblinded"


def note(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    details: dict[str, Any] | None = None,
) -> None:
    """Write an action down. `actor` is an e-mail address or `command line`; `details` must not name participants."""
    connection.execute(
        insert(AUDIT),
        {"at_utc": now, "actor": actor, "action": action, "subject": subject, "details": details or {}},
    )


def note_unblinding(
    connection: Connection, study: StudyRow, *, actor: str, what: str, now: datetime, reason: str = ""
) -> None:
    """Write down that somebody looked at answers while people still came in; exports tell of it."""
    details = {"version": study.version, "what": what, "reason": reason[:300]}
    note(connection, actor=actor, action=UNBLINDED, subject=study.slug, now=now, details=details)


def read(connection: Connection, subject: str = "", *, limit: int = 1000) -> list[AuditRow]:
    """List what was done, newest first; of one study or of all."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if subject:
        query = query.where(AUDIT.c.subject == subject)
    return [AuditRow(**row._mapping) for row in connection.execute(query)]
