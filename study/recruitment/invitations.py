"""Single-use links: made in numbers, each good for one person's session."""

import secrets
from datetime import datetime

from sqlalchemy import Table, insert, select

from study.db import Database
from study.models import InvitationRow
from study.recruitment.platforms.base import EntryError, RecruitmentError
from study.sessions import hash_token

PLATFORM = "invitation"
MAX_AT_ONCE = 10_000
INVITATIONS: Table = InvitationRow.__table__  # type: ignore[assignment]


def invite(database: Database, slug: str, n: int, *, now: datetime, label: str = "") -> list[str]:
    """Make `n` invitations; what is returned stands in the links and is not stored."""
    if not 1 <= n <= MAX_AT_ONCE:
        raise RecruitmentError(f"invitations: expected 1 to {MAX_AT_ONCE} at once, got {n}")
    names = [secrets.token_urlsafe(16) for _ in range(n)]
    with database.writing() as connection:
        connection.execute(
            insert(INVITATIONS),
            [{"slug": slug, "token_sha256": hash_token(name), "label": label, "created_at_utc": now} for name in names],
        )
    return names


def require(database: Database, slug: str, name: str) -> None:
    """Refuse an invitation that was never given out."""
    with database.reading() as connection:
        found = connection.execute(
            select(INVITATIONS.c.id).where(INVITATIONS.c.slug == slug, INVITATIONS.c.token_sha256 == hash_token(name))
        ).one_or_none()
    if found is None:
        raise EntryError("this invitation is not known; please check that the address is complete")
