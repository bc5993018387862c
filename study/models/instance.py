"""Tables of the instance: who works on it, what was done, what its lab has."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from study.models.base import Base, RowId


class Researcher(Base):
    """Somebody who may look at the console."""

    __tablename__ = "researcher"
    __table_args__ = (CheckConstraint("role IN ('owner', 'viewer')", name="role"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    """Argon2id; empty if the account can only be entered by a one-time link."""
    role: Mapped[str]
    """`owner` may change everything, `viewer` only look."""
    created_at_utc: Mapped[datetime]
    signed_in_at_utc: Mapped[datetime | None]


class AuditRow(Base):
    """One action of a researcher."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at_utc: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[dict[str, Any]]


class JobRow(Base):
    """Long work in the background, and how far it is."""

    __tablename__ = "job"
    __table_args__ = (CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name="status"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    message: Mapped[str]
    progress: Mapped[float | None]
    """From 0 to 1; empty while nobody can tell."""
    arguments: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at_utc: Mapped[datetime]
    started_at_utc: Mapped[datetime | None]
    finished_at_utc: Mapped[datetime | None]


class DisplayRow(Base):
    """A measured display of the lab, as its profile says."""

    __tablename__ = "display"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    profile: Mapped[str]
    """Canonical JSON; its SHA-256 names the row."""
    measured_on: Mapped[str]
    """ISO date."""
    added_at_utc: Mapped[datetime]
