"""Researchers' accounts: passwords, and links that sign in once."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from study.db import Database
from study.errors import Refusal
from study.models import Researcher

MIN_PASSWORD = 10
LINK_MAX_AGE_S = 3600
ROLES = ("owner", "viewer")
hasher = PasswordHasher()


@cache
def decoy() -> str:
    """Give a hash to verify when the address is unknown, so that the time to refuse tells nothing."""
    return hasher.hash("nobody's password")


class ResearcherError(Refusal, ValueError):
    """An account that cannot be made or entered; the message is one line."""


def add(database: Database, email: str, password: str, *, now: datetime, role: str = "owner") -> None:
    """Add an account or set its password; an empty password makes one that only a link can enter.

    Owners may change everything, viewers only look.
    """
    if role not in ROLES:
        raise ResearcherError(f"role: expected {' or '.join(ROLES)}, got {role!r}")
    email = email.strip().lower()
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or len(email) > 200:
        raise ResearcherError(f"expected an e-mail address, got {email!r}")
    if password and len(password) < MIN_PASSWORD:
        raise ResearcherError(f"expected a password of at least {MIN_PASSWORD} characters, got {len(password)}")
    digest = hasher.hash(password) if password else ""
    with database.session() as session:
        row = find(session, email)
        if row is None:
            session.add(Researcher(email=email, password_hash=digest, role=role, created_at_utc=now))
        elif digest:
            row.password_hash = digest


def find(session: Session, email: str) -> Researcher | None:
    """Find an account by its address."""
    return session.scalars(select(Researcher).where(Researcher.email == email.strip().lower())).one_or_none()


def check_password(database: Database, email: str, password: str, *, now: datetime) -> int | None:
    """Return the account's id if the password is right."""
    with database.reading_session() as session:
        row = find(session, email)
    digest = row.password_hash if row and row.password_hash else decoy()
    try:
        hasher.verify(digest, password)
    except (VerificationError, InvalidHashError):
        return None
    if row is None or not row.password_hash:
        return None
    with database.session() as session:
        session.get_one(Researcher, row.id).signed_in_at_utc = now
    return row.id


def _serializer(*keys: bytes) -> URLSafeTimedSerializer:
    """Sign with the first key, accept the signatures of all."""
    return URLSafeTimedSerializer(list(reversed(keys)), salt="truehue one-time link")


def link_token(database: Database, key: bytes, email: str) -> str:
    """Sign a link's token; it dies when somebody signs in with it, and after an hour."""
    with database.reading_session() as session:
        row = find(session, email)
    if row is None:
        raise ResearcherError(f"there is no researcher {email}; run: flask --app study researcher add {email}")
    return _serializer(key).dumps([row.id, str(row.signed_in_at_utc)])


def redeem(database: Database, keys: Sequence[bytes], token: str, *, now: datetime) -> int | None:
    """Return the account's id if the link is fresh and unused."""
    try:
        researcher_id, stamp = _serializer(*keys).loads(token, max_age=LINK_MAX_AGE_S)
    except (BadSignature, ValueError, TypeError):
        return None
    with database.session() as session:
        row = session.get(Researcher, researcher_id)
        if row is None or str(row.signed_in_at_utc) != stamp:
            return None
        row.signed_in_at_utc = now
        return row.id
