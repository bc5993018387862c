"""One person, one session: whom a platform sent, and the session that is theirs.

The database's UNIQUE(slug, person_hmac) decides, so two tabs, a reload and a second job offer all lead to the same
session. A person's session token follows from the session's name and the instance's key, so that somebody who comes
back through the platform is let in again although the database knows the token's hash only.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from study.models import IdentityRow, RecruitRow, SessionRow
from study.readiness import Check
from study.recruitment import invitations
from study.recruitment.platforms.base import Entry
from study.recruitment.registry import read_platforms
from study.sessions import Busy, Desk, SessionError, insert_checks, start

RECRUITS: Table = RecruitRow.__table__  # type: ignore[assignment]
IDENTITIES: Table = IdentityRow.__table__  # type: ignore[assignment]
SESSIONS: Table = SessionRow.__table__  # type: ignore[assignment]


class _Met(Exception):  # noqa: N818 - two requests of one person met
    """Another request of the same person was faster."""


class Taken(SessionError):  # noqa: N818 - named after what it says
    """The person has taken part before, or has taken the data back."""

    status = 409


def person_hmac(desk: Desk, platform: str, person: str) -> str:
    """Name a person without telling who it is: a keyed hash, useless without the instance's key."""
    key = hmac.digest(desk.lasting_key, b"truehue names of persons", "sha256")
    return hmac.digest(key, f"{platform}\x1f{person}".encode(), "sha256").hex()


def derived_token(desk: Desk, session_id: str) -> str:
    """Give the token of an identified person's session."""
    key = hmac.digest(desk.lasting_key, b"truehue tokens of identified persons", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, session_id.encode(), "sha256")[:24]).decode()


def find_token(desk: Desk, slug: str, entry: Entry) -> str | None:
    """Find the session of somebody who comes back; None for somebody new. Raises Taken."""
    if not entry.person:
        return None
    with desk.database.writing() as connection:
        return _find(desk, connection, slug, entry)


def _find(desk: Desk, connection: Connection, slug: str, entry: Entry) -> str | None:
    row = connection.execute(
        select(RECRUITS.c.id, RECRUITS.c.submission, SESSIONS.c.session_id, SESSIONS.c.status)
        .select_from(RECRUITS.outerjoin(SESSIONS, SESSIONS.c.id == RECRUITS.c.session_id))
        .where(RECRUITS.c.slug == slug, RECRUITS.c.person_hmac == person_hmac(desk, entry.platform, entry.person))
    ).one_or_none()
    if row is None:
        return None
    if row.session_id is None:
        raise Taken("you took part in this study and had your answers deleted; it cannot be taken again")
    if row.submission != entry.submission:
        if row.status == "complete":
            raise Taken("you have taken part in this study already, and it can be taken once; please return this one")
        # The same person under a new assignment: the old one was returned, and the end goes to the new one.
        connection.execute(
            update(RECRUITS)
            .where(RECRUITS.c.id == row.id)
            .values(submission=entry.submission, return_to=entry.return_to)
        )
    return derived_token(desk, row.session_id)


def enter(
    desk: Desk, study_id: int, entry: Entry, *, now: datetime, user_agent: str = "", facts: Sequence[Check] = ()
) -> str:
    """Begin the person's session, or find it again; return its token. Raises Closed, Taken, EntryError.

    `facts` about the place are written with the session.
    """
    if entry.platform == "direct":
        return start(desk, study_id, now=now, user_agent=user_agent)
    slug = desk.study(study_id).slug

    def keep(connection: Connection, row_id: int, session_id: str) -> None:
        settings = read_platforms(connection, slug).get(entry.platform, {})
        person = entry.person or session_id
        values = {
            "slug": slug,
            "platform": entry.platform,
            "person_hmac": person_hmac(desk, entry.platform, person),
            "submission": entry.submission,
            "return_to": entry.return_to,
            "session_id": row_id,
            "entered_at_utc": now,
        }
        try:
            recruit = connection.execute(insert(RECRUITS).returning(RECRUITS.c.id), values).scalar_one()
        except IntegrityError:
            raise _Met from None
        insert_checks(connection, row_id, facts, now=now)
        if entry.person and entry.platform != invitations.PLATFORM:
            days = settings.get("retention_days") or 0
            connection.execute(
                insert(IDENTITIES),
                {"recruit_id": recruit, "person": entry.person, "delete_after_utc": now + timedelta(days=days)},
            )

    if entry.platform == invitations.PLATFORM:
        invitations.require(desk.database, slug, entry.person)
    token = find_token(desk, slug, entry)
    if token is not None:
        return token
    pseudonym = person_hmac(desk, entry.platform, entry.person)[:16] if entry.person else None
    try:
        return start(
            desk,
            study_id,
            now=now,
            user_agent=user_agent,
            source=entry.platform,
            participant=pseudonym and f"p-{pseudonym}",
            token_of=lambda session_id: derived_token(desk, session_id),
            also=keep,
        )
    except _Met:
        token = find_token(desk, slug, entry)
        if token is None:
            raise Busy("too many requests at once; please try again") from None
        return token
