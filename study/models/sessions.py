"""Tables of what participants did."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from study.models.base import Base, RowId
from study.models.studies import StudyRow


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
    onset_a_ms: Mapped[float | None]
    """By the clock of the page, which begins anew with each `page_id`."""
    onset_b_ms: Mapped[float | None]
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
