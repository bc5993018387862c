"""The questionnaire's answers, and the end of a session."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from study.sessions.desk import Desk, patient
from study.sessions.errors import Conflict
from study.sessions.state import State, read_state
from study.sessions.tables import ANSWERS, SESSIONS


@patient
def record_answers(desk: Desk, token: str, answers: Mapping[str, str], *, now: datetime) -> None:
    """Write the questionnaire's answers (checked by `questionnaire.check_answers`) and finish the session."""
    state = read_state(desk, token)
    with desk.database.writing() as connection:
        if not _finish(connection, state, now=now):
            return
        rows = [
            {
                "session_id": state.id,
                "item_id": item.item_id,
                "item_type": item.type,
                "question": item.question,
                "answer": answers[item.item_id],
                "answered_at_utc": now,
            }
            for item in state.study.definition.questionnaire.items
            if item.item_id in answers
        ]
        if rows:
            connection.execute(insert(ANSWERS), rows)


def _finish(connection: Connection, state: State, *, now: datetime) -> bool:
    """Complete a session that is at its questionnaire; false if it was complete before."""
    done = connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.id == state.id, SESSIONS.c.status == "questionnaire")
        .values(status="complete", completed_at_utc=now)
    )
    if done.rowcount == 0:
        # Asked again: of two forms sent at once, the other may have finished the session since `state` was read.
        status = connection.execute(select(SESSIONS.c.status).where(SESSIONS.c.id == state.id)).scalar_one()
        if status != "complete":
            raise Conflict("the session is not at its questionnaire")
    return done.rowcount == 1
