"""Tables of studies and their stimuli."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from study.models.base import Base, RowId


class StimulusSet(Base):
    """An imported stimulus set; the manifest is kept byte for byte, since its SHA-256 names it."""

    __tablename__ = "stimulus_set"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    manifest_sha256: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    manifest: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    folder: Mapped[str]
    """Below the instance's stimuli folder."""
    served_bytes: Mapped[int]
    """The length that every picture of the set has when it is served."""
    imported_at_utc: Mapped[datetime]

    stimuli: Mapped[list["StimulusRow"]] = relationship(back_populates="stimulus_set", order_by="StimulusRow.id")


class StimulusRow(Base):
    """Where the bytes of one stimulus lie that browsers get."""

    __tablename__ = "stimulus"
    __table_args__ = (UniqueConstraint("stimulus_set_id", "stimulus_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    stimulus_set_id: Mapped[int] = mapped_column(ForeignKey("stimulus_set.id"))
    stimulus_id: Mapped[str]
    served_name: Mapped[str] = mapped_column(unique=True)
    """Random: neither the name nor the order tells anything."""

    stimulus_set: Mapped[StimulusSet] = relationship(back_populates="stimuli")


class StudyRow(Base):
    """One version of a study: definition and stimulus set never change, a change makes the next version."""

    __tablename__ = "study"
    __table_args__ = (
        UniqueConstraint("slug", "version"),
        CheckConstraint("state IN ('draft', 'pilot', 'running', 'paused', 'closed')", name="state"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    slug: Mapped[str]
    version: Mapped[int]
    title: Mapped[str]
    state: Mapped[str]
    definition: Mapped[str]
    """The canonical JSON whose SHA-256 is `definition_sha256`."""
    definition_sha256: Mapped[str]
    preset_definition: Mapped[str]
    """The canonical JSON of the shipped protocol that the definition builds on, as it was then; empty if none."""
    stimulus_set_id: Mapped[int] = mapped_column(ForeignKey("stimulus_set.id"), index=True)
    seed: Mapped[int] = mapped_column(BigInteger)
    simulation: Mapped[dict[str, Any] | None]
    """The stated truth, if the study's participants are simulated."""
    created_at_utc: Mapped[datetime]

    stimulus_set: Mapped[StimulusSet] = relationship()


class LaunchRow(Base):
    """The moment a study first ran, and what was fixed then."""

    __tablename__ = "launch"

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True, autoincrement=False)
    preregistration: Mapped[bytes] = mapped_column(LargeBinary)
    preregistration_sha256: Mapped[str]
    launched_at_utc: Mapped[datetime]
