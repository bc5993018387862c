"""Deleting a person's data, and what is left: that there was a session, when it went, and why.

Everything that the person did or that tells of them goes: trials, answers, the device, the platform's name, the
pseudonym. The session's row stays, empty and `withdrawn`, because its place in the balanced sequence is taken; so does
the keyed hash that keeps the person from taking part again, without the session it belonged to.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from study.errors import Refusal
from study.models import (
    AnswerRow,
    CheckRow,
    CompletionRow,
    IdentityRow,
    RecruitRow,
    SessionRow,
    StudyRow,
    TrialRow,
    WithdrawalRow,
)
from study.sessions import Desk

SESSIONS: Table = SessionRow.__table__  # type: ignore[assignment]
WITHDRAWALS: Table = WithdrawalRow.__table__  # type: ignore[assignment]
CHECK_BITS = 36
CODE_LETTERS = 20
EMPTY = {
    "status": "withdrawn",
    "user_agent": "",
    "language": None,
    "screen_width_px": None,
    "screen_height_px": None,
    "viewport_width_px": None,
    "viewport_height_px": None,
    "device_pixel_ratio": None,
    "refresh_hz": None,
    "handed_trial_index": None,
    "handed_page_id": None,
    "handed_at_utc": None,
}


class WithdrawalError(Refusal, ValueError):
    """Data that cannot be withdrawn; the message is one line."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was deleted."""

    study: str
    session_id: str
    n_trials: int
    n_answers: int


def withdrawal_code(desk: Desk, session_id: str) -> str:
    """Give the code with which a participant can have the data deleted later.

    It holds the session's name (64 bits) and a keyed check of it (36 bits): names stand in exports and are not enough.
    """
    number = int(session_id.removeprefix("s-"), 16) << CHECK_BITS | _check(desk, session_id)
    text = base64.b32encode((number << 4).to_bytes(13, "big")).decode()[:CODE_LETTERS]
    return "-".join(text[i : i + 4] for i in range(0, CODE_LETTERS, 4))


def _check(desk: Desk, session_id: str) -> int:
    key = hmac.digest(desk.lasting_key, b"truehue withdrawal codes", "sha256")
    return int.from_bytes(hmac.digest(key, session_id.encode(), "sha256")[:8], "big") >> (64 - CHECK_BITS)


def read_code(desk: Desk, code: str) -> str:
    """Give the session of a withdrawal code."""
    given = "".join(code.split()).replace("-", "").upper()
    try:
        if len(given) != CODE_LETTERS:
            raise ValueError
        number = int.from_bytes(base64.b32decode(f"{given}A==="), "big") >> 4  # the 21st letter is the padding's
    except ValueError:
        raise WithdrawalError("this is not a withdrawal code; it has five groups of four letters and digits") from None
    session_id = f"s-{number >> CHECK_BITS:016x}"
    if not hmac.compare_digest(withdrawal_code(desk, session_id).replace("-", ""), given):
        raise WithdrawalError("no session has this code; please check it letter by letter")
    return session_id


def withdraw(desk: Desk, session_id: str, *, by: str, now: datetime, reason: str = "") -> Withdrawn:
    """Delete the data of a session; said again, it says what was deleted the first time."""
    with desk.database.writing() as connection:
        return withdraw_on(connection, session_id, by=by, now=now, reason=reason)


def withdraw_on(connection: Connection, session_id: str, *, by: str, now: datetime, reason: str = "") -> Withdrawn:
    """Delete the data of a session inside a transaction that is there already."""
    found = connection.execute(
        select(SESSIONS.c.id, SESSIONS.c.study_id, StudyRow.slug)
        .join(StudyRow, StudyRow.id == SESSIONS.c.study_id)
        .where(SESSIONS.c.session_id == session_id)
        .with_for_update(of=SESSIONS)
    ).one_or_none()
    if found is None:
        raise WithdrawalError(f"there is no session {session_id}")
    before = connection.execute(select(WITHDRAWALS).where(WITHDRAWALS.c.session_id == session_id)).one_or_none()
    if before is not None:
        return Withdrawn(found.slug, session_id, before.n_trials, before.n_answers)
    n_trials = _count(connection, TrialRow, found.id)
    n_answers = _count(connection, AnswerRow, found.id)
    recruits = select(RecruitRow.id).where(RecruitRow.session_id == found.id)
    connection.execute(delete(IdentityRow).where(IdentityRow.recruit_id.in_(recruits)))
    connection.execute(
        update(RecruitRow).where(RecruitRow.session_id == found.id).values(session_id=None, submission="", return_to="")
    )
    for table in (TrialRow, AnswerRow, CheckRow, CompletionRow):
        connection.execute(delete(table).where(table.session_id == found.id))
    connection.execute(update(SESSIONS).where(SESSIONS.c.id == found.id).values(participant_id=session_id, **EMPTY))
    connection.execute(
        insert(WITHDRAWALS),
        {
            "study_id": found.study_id,
            "session_id": session_id,
            "withdrawn_by": by,
            "reason": reason[:500],
            "n_trials": n_trials,
            "n_answers": n_answers,
            "withdrawn_at_utc": now,
        },
    )
    return Withdrawn(found.slug, session_id, n_trials, n_answers)


def _count(connection: Connection, table: type[TrialRow] | type[AnswerRow], row_id: int) -> int:
    return connection.execute(select(func.count()).select_from(table).where(table.session_id == row_id)).scalar_one()
