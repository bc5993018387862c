"""The way back of a session that is over. Nothing here exists before its last answer is on disk."""

import secrets
from datetime import datetime

from sqlalchemy import Table, func, insert, select

from study.models import CompletionRow, RecruitRow, SessionRow, StudyRow, TrialRow
from study.recruitment.platforms import Entry, Finish, Person
from study.recruitment.registry import PLATFORMS, read_platforms
from study.sessions import Desk, State, patient

COMPLETIONS: Table = CompletionRow.__table__  # type: ignore[assignment]
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
CODE_LENGTH = 12


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
            outcome = platform.outcome(person, settings) if state.status == "complete" else "SCREENED_OUT"
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
