"""Into a session, and out of its instructions."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, func, insert, select, update

from study.definition import StudyDefinition
from study.sessions.checks import is_waiting, read_checks
from study.sessions.desk import Desk, patient
from study.sessions.errors import Closed, Conflict, Full, Invalid
from study.sessions.names import hash_token, make_token
from study.sessions.state import read_state
from study.sessions.tables import SESSIONS, STUDIES
from study.sessions.writing import status_of
from study.studies import SEED_BITS

NAME_BITS = 64


@patient
def start(
    desk: Desk,
    study_id: int,
    *,
    now: datetime,
    user_agent: str = "",
    source: str = "direct",
    is_simulated: bool = False,
    may_be_closed: bool = False,
    is_pilot: bool = False,
    participant: str | None = None,
    token_of: Callable[[str], str] | None = None,
    also: Callable[[Connection, int, str], None] | None = None,
    bits: Callable[[int], int] = secrets.randbits,
) -> str:
    """Begin a session: the participant has read the consent page and agreed. Return its token.

    `participant` and `token_of` (from the session's name) replace what is random otherwise; `also` writes more in the
    same transaction, given the session's row and name. `bits` is where names and the session's seed come from; only
    simulation, which must be repeatable, brings its own.
    """
    study = desk.study(study_id)
    token = make_token(bits)
    session_id = f"s-{bits(NAME_BITS):016x}"
    if token_of is not None:
        token = token_of(session_id)
    with desk.database.writing() as connection:
        # The lock queues simultaneous starts on PostgreSQL (SQLite has one writer anyway); UNIQUE(study_id, arm_slot)
        # would notice if it did not.
        state = connection.execute(
            select(STUDIES.c.state).where(STUDIES.c.id == study_id).with_for_update()
        ).scalar_one()
        if state not in ("pilot", "running") and not may_be_closed:
            raise Closed(study.definition.words.closed)
        is_pilot = is_pilot or (state in ("draft", "pilot") and not is_simulated)
        definition = study.definition
        # Under the lock, so that of two who come at once for the last place one is told that the study is full.
        if not (is_pilot or is_simulated) and _has_enough(connection, study_id, definition, now=now):
            raise Full("as many people as were wanted have taken part")
        slot, attempt = _next_slot(
            connection, study_id, definition.plan.abandoned_after_min, is_pilot=is_pilot, now=now
        )
        row_id = connection.execute(
            insert(SESSIONS).returning(SESSIONS.c.id),
            {
                "study_id": study_id,
                "session_id": session_id,
                "token_sha256": hash_token(token),
                "participant_id": participant or f"p-{bits(NAME_BITS):016x}",
                "arm": study.arm(slot),
                "arm_slot": slot,
                "slot_attempt": attempt,
                "session_seed": bits(SEED_BITS),
                "status": "consented",
                "source": source,
                "is_simulated": is_simulated,
                "is_pilot": is_pilot,
                "consent_sha256": study.definition.consent_sha256,
                "consented_at_utc": now,
                "started_at_utc": now,
                "user_agent": user_agent[:500],
            },
        ).scalar_one()
        if also is not None:
            also(connection, row_id, session_id)
    return token


def is_full(desk: Desk, study_id: int, *, now: datetime) -> bool:
    """Whether nobody new is let in because enough people are complete or under way; `start` asks again."""
    with desk.database.reading() as connection:
        return _has_enough(connection, study_id, desk.study(study_id).definition, now=now)


def _has_enough(connection: Connection, study_id: int, definition: StudyDefinition, *, now: datetime) -> bool:
    n_wanted = definition.study.n_participants
    if n_wanted == 0:
        return False
    counted = _holds(definition.plan.abandoned_after_min, now=now)
    counted &= (SESSIONS.c.study_id == study_id) & ~SESSIONS.c.is_pilot & ~SESSIONS.c.is_simulated
    n: int = connection.execute(select(func.count()).select_from(SESSIONS).where(counted)).scalar_one()
    return n >= n_wanted


def _holds(abandoned_after_min: float, *, now: datetime) -> ColumnElement[bool]:
    """Whether a session keeps its place: complete, or under way and not abandoned."""
    horizon = now - timedelta(minutes=abandoned_after_min)
    return (SESSIONS.c.status == "complete") | (
        SESSIONS.c.status.not_in(("withdrawn", "unqualified")) & (SESSIONS.c.started_at_utc > horizon)
    )


def _next_slot(
    connection: Connection, study_id: int, abandoned_after_min: float, *, is_pilot: bool, now: datetime
) -> tuple[int, int]:
    """Give the first slot that every session has abandoned, else a new one; and how many had it before.

    A session is abandoned when it was withdrawn, did not pass the qualification, or was not finished in time. A pilot's
    sessions hold no slot of the study proper, which therefore begins its blocks anew.
    """
    holds = _holds(abandoned_after_min, now=now) & (SESSIONS.c.is_pilot == is_pilot)
    n_held = func.sum(case((holds, 1), else_=0))
    slots = select(SESSIONS.c.arm_slot, func.count()).where(SESSIONS.c.study_id == study_id)
    free = connection.execute(
        slots.group_by(SESSIONS.c.arm_slot).having(n_held == 0).order_by(SESSIONS.c.arm_slot).limit(1)
    ).one_or_none()
    if free is not None:
        return free[0], free[1]
    newest = select(func.max(SESSIONS.c.arm_slot)).where(SESSIONS.c.study_id == study_id)
    last = connection.execute(newest).scalar_one()
    return 0 if last is None else last + 1, 0


def advance(desk: Desk, token: str, *, stage: str) -> None:
    """Leave the instructions for the trials; anything else stays as it is, so that a second click does no harm."""
    if stage != "instructions":
        raise Invalid("stage: expected instructions")
    state = read_state(desk, token)
    if state.status == "consented" and is_waiting(state, read_checks(desk, state)):
        raise Conflict("something is asked before the instructions; open the session's page")
    with desk.database.writing() as connection:
        connection.execute(
            update(SESSIONS)
            .where(SESSIONS.c.id == state.id, SESSIONS.c.status == "consented")
            .values(status=status_of(state))
        )
