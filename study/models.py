"""The tables. Facts only: what can be derived (fooled, correct, said_real) is derived in `scoring.py`.

A presented trial is one row, written once, when it is answered or void. What must never happen twice is a UNIQUE
constraint here, not a hope in the code.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """A time with its zone, always UTC; SQLite stores it without the zone, so it is put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse times without a zone: they are how clocks of two machines get mixed up."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with a zone, got {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give times with the zone UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text, datetime: Utc, dict[str, Any]: JSON}  # noqa: RUF012 - SQLAlchemy's contract


# SQLite numbers rows by itself only in a column that is exactly INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


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


class SessionRow(Base):
    """One entry of one participant into one study."""

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("study_id", "arm_slot", "slot_attempt"),
        CheckConstraint(
            "status IN ('started', 'consented', 'practice', 'test', 'questionnaire', 'complete', 'withdrawn', "
            "'unqualified')",
            name="status",
        ),
        Index("ix_session_study_id_status", "study_id", "status"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    session_id: Mapped[str] = mapped_column(unique=True)
    """Public: it stands in the export."""
    token_sha256: Mapped[str] = mapped_column(unique=True)
    """The participant's address holds the token; a copy of the database does not open it."""
    participant_id: Mapped[str]
    arm: Mapped[str]
    arm_slot: Mapped[int]
    """Place in the study's sequence of permuted blocks."""
    slot_attempt: Mapped[int]
    """How many sessions had this place before and were abandoned."""
    session_seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    source: Mapped[str]
    is_simulated: Mapped[bool]
    is_pilot: Mapped[bool]
    consent_sha256: Mapped[str]
    consented_at_utc: Mapped[datetime | None]
    started_at_utc: Mapped[datetime]
    completed_at_utc: Mapped[datetime | None]

    # Which page load holds which trial, where that is not told by the answer before it.
    handed_trial_index: Mapped[int | None]
    handed_page_id: Mapped[str | None]
    handed_at_utc: Mapped[datetime | None]

    user_agent: Mapped[str]
    language: Mapped[str | None]
    screen_width_px: Mapped[int | None]
    screen_height_px: Mapped[int | None]
    viewport_width_px: Mapped[int | None]
    viewport_height_px: Mapped[int | None]
    device_pixel_ratio: Mapped[float | None]
    refresh_hz: Mapped[float | None]

    study: Mapped[StudyRow] = relationship()


class TrialRow(Base):
    """One presented trial, answered or void."""

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("session_id", "idempotency_key"),
        Index(
            "uq_trial_session_id_plan_index_answered",
            "session_id",
            "plan_index",
            unique=True,
            sqlite_where=text("void_reason = ''"),
            postgresql_where=text("void_reason = ''"),
        ),
        Index(
            "ix_trial_session_id_trial_index_void",
            "session_id",
            "trial_index",
            sqlite_where=text("void_reason <> ''"),
            postgresql_where=text("void_reason <> ''"),
        ),
        CheckConstraint("(response = '') <> (void_reason = '')", name="answered_or_void"),
        CheckConstraint("response IN ('', 'left', 'right', 'real', 'fake')", name="response"),
    )

    # The key of the table is what must be unique anyway; the rows of a session lie together.
    session_id: Mapped[int] = mapped_column(ForeignKey("session.id"), primary_key=True, autoincrement=False)
    trial_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plan_index: Mapped[int]
    block: Mapped[int]
    kind: Mapped[str]
    control: Mapped[str]
    design: Mapped[str]
    question: Mapped[str]
    image_id: Mapped[str]
    stimulus_a: Mapped[str]
    stimulus_b: Mapped[str]
    stimulus_reference: Mapped[str]
    condition_a: Mapped[str]
    condition_b: Mapped[str]
    side_of_a: Mapped[str]
    order_of_a: Mapped[str]
    instructed_response: Mapped[str]
    response: Mapped[str]
    void_reason: Mapped[str]
    rt_ms: Mapped[float | None]
    exposure_ms_nominal: Mapped[float | None]
    """NULL: until the answer."""
    staircase_level_ms: Mapped[float | None]
    exposure_a_ms_achieved: Mapped[float | None]
    exposure_b_ms_achieved: Mapped[float | None]
    frames_a: Mapped[int | None]
    frames_b: Mapped[int | None]
    dropped_frames: Mapped[int | None]
    mask_ms_nominal: Mapped[float | None]
    mask_frames: Mapped[int | None]
    shown_width_px: Mapped[float | None]
    shown_height_px: Mapped[float | None]
    refresh_hz: Mapped[float | None]
    visible: Mapped[bool | None]
    page_id: Mapped[str]
    idempotency_key: Mapped[str]
    shown_at_utc: Mapped[datetime]
    answered_at_utc: Mapped[datetime]


class AnswerRow(Base):
    """One questionnaire item answered."""

    __tablename__ = "answer"

    session_id: Mapped[int] = mapped_column(ForeignKey("session.id"), primary_key=True, autoincrement=False)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    item_type: Mapped[str]
    question: Mapped[str]
    answer: Mapped[str]
    answered_at_utc: Mapped[datetime]


class CheckRow(Base):
    """One result of what was checked before the trials, or one fact about the lab's seat."""

    __tablename__ = "check"
    __table_args__ = (CheckConstraint("action IN ('record', 'warn', 'exclude')", name="action"),)

    session_id: Mapped[int] = mapped_column(ForeignKey("session.id"), primary_key=True, autoincrement=False)
    check_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    detail: Mapped[str]
    answer: Mapped[str]
    expected: Mapped[str]
    is_passed: Mapped[bool | None]
    action: Mapped[str]
    checked_at_utc: Mapped[datetime]


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


class WithdrawalRow(Base):
    """What is left of a session whose data were withdrawn: that there was one."""

    __tablename__ = "withdrawal"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    session_id: Mapped[str] = mapped_column(unique=True)
    """The public name, so that it can be struck from exports made before."""
    withdrawn_by: Mapped[str]
    reason: Mapped[str]
    n_trials: Mapped[int]
    n_answers: Mapped[int]
    withdrawn_at_utc: Mapped[datetime]


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
