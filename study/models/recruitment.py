"""Tables of where participants come from, and how they are paid."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from study.models.base import Base, RowId


class RecruitmentRow(Base):
    """How people come to a study from one platform: its settings, codes among them, which no export holds."""

    __tablename__ = "recruitment"

    slug: Mapped[str] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(primary_key=True)
    settings: Mapped[dict[str, Any]]
    changed_at_utc: Mapped[datetime]


class RecruitRow(Base):
    """One person whom a platform sent, known by a keyed hash; takes part in a study (all its versions) once."""

    __tablename__ = "recruit"
    __table_args__ = (UniqueConstraint("slug", "person_hmac"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    slug: Mapped[str]
    platform: Mapped[str]
    person_hmac: Mapped[str]
    submission: Mapped[str]
    """The platform's name of this participation: assignmentId, SESSION_ID; it goes back at the end."""
    return_to: Mapped[str]
    """Where the platform wants it back, if it says so at entry."""
    session_id: Mapped[int | None] = mapped_column(ForeignKey("session.id"), unique=True)
    """Empty once the data are withdrawn."""
    entered_at_utc: Mapped[datetime]


class IdentityRow(Base):
    """A platform's own name of a person, for payment only; deleted when its time has come."""

    __tablename__ = "identity"

    recruit_id: Mapped[int] = mapped_column(ForeignKey("recruit.id"), primary_key=True, autoincrement=False)
    person: Mapped[str]
    delete_after_utc: Mapped[datetime] = mapped_column(index=True)


class InvitationRow(Base):
    """A link that lets one person in once."""

    __tablename__ = "invitation"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    slug: Mapped[str] = mapped_column(index=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    created_at_utc: Mapped[datetime]


class CompletionRow(Base):
    """The code of a complete session, made when its last answer was on disk."""

    __tablename__ = "completion"

    session_id: Mapped[int] = mapped_column(ForeignKey("session.id"), primary_key=True, autoincrement=False)
    outcome: Mapped[str]
    code: Mapped[str]
    issued_at_utc: Mapped[datetime]
