"""The study that an address names, and the record of what researchers do to it."""

from typing import Any

from flask import abort, g, request

from study import audit, lifecycle
from study.models import StudyRow
from study.studies import StudyError, find_row
from study.web import now, truehue


def find(name: str) -> StudyRow:
    """Find a study by the name in an address; 404 if there is none."""
    try:
        with truehue().desk.database.reading_session() as database:
            return find_row(database, name)
    except StudyError:
        abort(404)


def name_of(row: StudyRow) -> str:
    """Give the name that addresses hold."""
    return f"{row.slug}@{row.version}"


def note(action: str, subject: str, **details: Any) -> None:
    """Write down what the signed-in researcher did."""
    with truehue().desk.database.writing() as connection:
        audit.note(connection, actor=g.researcher.email, action=action, subject=subject, now=now(), details=details)


def unblind(row: StudyRow, what: str) -> None:
    """Looking at answers while people still come in is written down, and asked for in so many words."""
    if row.state in lifecycle.BLIND and row.simulation is None:
        if request.form.get("unblind") != "yes":
            abort(400)
        reason = request.form.get("reason", "")
        with truehue().desk.database.writing() as connection:
            audit.note_unblinding(connection, row, actor=g.researcher.email, what=what, now=now(), reason=reason)
