"""The way back of a session that is over. Nothing here exists before its last answer is on disk."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, Table, func, insert, select

from study.models import CompletionRow, RecruitRow, SessionRow, StudyRow, TrialRow
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Entry, Finish, Person
from study.recruitment.registry import read_platforms
from study.sessions import Desk, State, patient

COMPLETIONS: Table = CompletionRow.__table__  # type: ignore[assignment]
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
CODE_LENGTH = 12
MIN_ANSWERED_SHARE = 0.5
"""Of the main trials. Whoever made more of them void (a reload at every trial) goes back as not qualified: there is no
code of a complete session without its data."""


@patient
def finish(desk: Desk, state: State, *, address: str, now: datetime) -> Finish:
    """Give the way back of a session that is complete or did not qualify; asked again, it is the same."""
    if state.status not in ("complete", "unqualified"):
        return Finish("none")
    with desk.database.writing() as connection:
        who = connection.execute(
            select(StudyRow.slug, SessionRow.source, RecruitRow.submission, RecruitRow.return_to)
            .select_from(SessionRow)
            .join(StudyRow, StudyRow.id == SessionRow.study_id)
            .outerjoin(RecruitRow, RecruitRow.session_id == SessionRow.id)
            .where(SessionRow.id == state.id)
        ).one()
        settings = read_platforms(connection, who.slug).get(who.source)
        if who.source not in PLATFORMS or settings is None:
            return Finish("none")
        platform = PLATFORMS[who.source]
        failed = connection.execute(
            select(func.count())
            .select_from(TrialRow)
            .where(
                TrialRow.session_id == state.id,
                TrialRow.control == "instructed",
                TrialRow.void_reason == "",
                TrialRow.response != TrialRow.instructed_response,
            )
        ).scalar_one()
        entry = Entry(who.source, submission=who.submission or "", return_to=who.return_to or "")
        person = Person(entry, address=address, n_instructed_failed=failed)
        issued = connection.execute(
            select(COMPLETIONS.c.outcome, COMPLETIONS.c.code).where(COMPLETIONS.c.session_id == state.id)
        ).one_or_none()
        if issued is None:
            is_done = state.status == "complete" and _has_data(connection, state)
            outcome = platform.outcome(person, settings) if is_done else "SCREENED_OUT"
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH)) if platform.needs_code() else ""
            connection.execute(
                insert(COMPLETIONS),
                {"session_id": state.id, "outcome": outcome, "code": code, "issued_at_utc": now},
            )
        else:
            outcome, code = issued
        return platform.finish(
            Person(entry, address=address, code=code, n_instructed_failed=failed), settings, outcome=outcome
        )


def _has_data(connection: Connection, state: State) -> bool:
    trials = TrialRow.__table__
    n_answered: int = connection.execute(
        select(func.count()).where(
            trials.c.session_id == state.id, trials.c.kind != "practice", trials.c.void_reason == ""
        )
    ).scalar_one()
    return n_answered >= MIN_ANSWERED_SHARE * state.study.definition.n_main
