"""What an export reads from the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, case, func, select

from study.models import AnswerRow, CheckRow, DisplayRow, SessionRow, StimulusSet, StudyRow, TrialRow


def _study_columns() -> Sequence[Any]:
    return StudyRow.slug, StudyRow.definition_sha256, StimulusSet.manifest_sha256


def select_trials(study_id: int) -> Select[Any]:
    """Every trial presented, void ones too, with the names of its session, study and stimulus set."""
    names = (SessionRow.session_id.label("session_id"), SessionRow.participant_id, SessionRow.is_simulated)
    facts = [c for c in TrialRow.__table__.c if c.name != "session_id"]
    return (
        select(*names, *_study_columns(), *facts)
        .select_from(TrialRow)
        .join(SessionRow, SessionRow.id == TrialRow.session_id)
        .join(StudyRow, StudyRow.id == SessionRow.study_id)
        .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
        .where(SessionRow.study_id == study_id)
        .order_by(TrialRow.session_id, TrialRow.trial_index)
    )


def select_sessions(study_id: int) -> Select[Any]:
    """Every session, however far it came, with the counts of its trials."""
    failed = (TrialRow.control == "instructed") & (TrialRow.response != "")
    failed &= TrialRow.response != TrialRow.instructed_response
    counts = (
        select(
            TrialRow.session_id,
            func.sum(case((TrialRow.void_reason == "", 1), else_=0)).label("n_answered"),
            func.sum(case((TrialRow.void_reason == "", 0), else_=1)).label("n_void"),
            func.sum(case((failed, 1), else_=0)).label("n_failed"),
        )
        .join(SessionRow, SessionRow.id == TrialRow.session_id)
        .where(SessionRow.study_id == study_id)
        .group_by(TrialRow.session_id)
        .subquery()
    )
    return (
        select(
            SessionRow.__table__,
            *_study_columns(),
            func.coalesce(counts.c.n_answered, 0).label("n_trials_answered"),
            func.coalesce(counts.c.n_void, 0).label("n_trials_void"),
            func.coalesce(counts.c.n_failed, 0).label("n_instructed_failed"),
        )
        .join(StudyRow, StudyRow.id == SessionRow.study_id)
        .join(StimulusSet, StimulusSet.id == StudyRow.stimulus_set_id)
        .outerjoin(counts, counts.c.session_id == SessionRow.id)
        .where(SessionRow.study_id == study_id)
        .order_by(SessionRow.id)
    )


def select_attrition(study_id: int) -> Select[*tuple[Any, ...]]:
    """How many sessions of each arm came how far."""
    status = SessionRow.status
    return (
        select(
            SessionRow.arm.label("arm"),
            func.count().label("n_started"),
            func.count().filter(status.not_in(("started", "consented", "practice"))).label("n_past_practice"),
            func.count().filter(status == "complete").label("n_complete"),
            func.count().filter(status == "unqualified").label("n_unqualified"),
            func.count().filter(status == "withdrawn").label("n_withdrawn"),
        )
        .where(SessionRow.study_id == study_id)
        .group_by(SessionRow.arm)
        .order_by(SessionRow.arm)
    )


def select_rows(table: type[AnswerRow] | type[CheckRow], order: str, study_id: int) -> Select[Any]:
    """Answers or checks, each with the names of its session."""
    facts = [c for c in table.__table__.c if c.name != "session_id"]
    return (
        select(SessionRow.session_id.label("session_id"), SessionRow.participant_id, *facts)
        .select_from(table)
        .join(SessionRow, SessionRow.id == table.session_id)
        .where(SessionRow.study_id == study_id)
        .order_by(table.session_id, table.__table__.c[order])
    )


def select_displays(study_id: int) -> Select[*tuple[Any, ...]]:
    """The profiles of the displays on which a study was taken."""
    used = (
        select(CheckRow.answer)
        .join(SessionRow, SessionRow.id == CheckRow.session_id)
        .where(SessionRow.study_id == study_id, CheckRow.check_id == "display_profile")
    )
    return (
        select(DisplayRow)
        .with_only_columns(DisplayRow.sha256, DisplayRow.profile)
        .where(DisplayRow.sha256.in_(used))
        .order_by(DisplayRow.sha256)
    )
