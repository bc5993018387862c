"""The tables and the statements that an answer needs, compiled once."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
)

from study.models import AnswerRow, CheckRow, SessionRow, StudyRow, TrialRow
from study.statement import Statement

SESSIONS: Table = SessionRow.__table__  # type: ignore[assignment]
TRIALS: Table = TrialRow.__table__  # type: ignore[assignment]
ANSWERS: Table = AnswerRow.__table__  # type: ignore[assignment]
CHECKS: Table = CheckRow.__table__  # type: ignore[assignment]
STUDIES: Table = StudyRow.__table__  # type: ignore[assignment]
_earlier, _voids = TRIALS.alias("earlier"), TRIALS.alias("voids")
# What the next trial may depend on: where the last one stood on the staircase, and whether its answer was right.
LAST_TRIAL = (
    "block",
    "kind",
    "control",
    "question",
    "stimulus_a",
    "stimulus_b",
    "condition_a",
    "side_of_a",
    "instructed_response",
    "response",
    "void_reason",
    "staircase_level_ms",
)


def _state(last: FromClause, is_last: ColumnElement[bool]) -> Select[Any]:
    """A session by its token, beside its last row of trials, and how many of them are void."""
    return (
        select(
            SESSIONS.c.id,
            SESSIONS.c.study_id,
            SESSIONS.c.session_id,
            SESSIONS.c.arm,
            SESSIONS.c.arm_slot,
            SESSIONS.c.session_seed,
            SESSIONS.c.status,
            SESSIONS.c.source,
            SESSIONS.c.handed_trial_index,
            SESSIONS.c.handed_page_id,
            SESSIONS.c.handed_at_utc,
            last.c.trial_index,
            last.c.page_id,
            *(last.c[name] for name in LAST_TRIAL),
            last.c.answered_at_utc,
            select(func.count())
            .select_from(_voids)
            # Literal, not bound: only so do SQLite and PostgreSQL see that the partial index of void trials answers it.
            .where(_voids.c.session_id == SESSIONS.c.id, text("voids.void_reason <> ''"))
            .scalar_subquery()
            .label("n_void"),
        )
        .select_from(SESSIONS.outerjoin(last, is_last))
        .where(SESSIONS.c.token_sha256 == bindparam("token_sha256"))
    )


_newest = (
    select(*(TRIALS.c[name] for name in ("trial_index", "page_id", *LAST_TRIAL, "answered_at_utc")))
    .where(TRIALS.c.session_id == SESSIONS.c.id)
    .order_by(TRIALS.c.trial_index.desc())
    .limit(literal_column("1"))
    .lateral("last")
)
SELECT_STATE = Statement(
    _state(
        TRIALS,
        and_(
            TRIALS.c.session_id == SESSIONS.c.id,
            TRIALS.c.trial_index
            == select(func.max(_earlier.c.trial_index)).where(_earlier.c.session_id == SESSIONS.c.id).scalar_subquery(),
        ),
    ),
    # PostgreSQL keeps a prepared plan. Made while the table was empty, the plan of the one above reads all of it for
    # every answer until the table is analysed; this one has no way but the index. SQLite knows no LATERAL.
    postgresql=_state(_newest, true()),
)
SELECT_VOIDS = (
    select(TRIALS.c.trial_index)
    .where(TRIALS.c.session_id == bindparam("id"), text("trial.void_reason <> ''"))
    .order_by(TRIALS.c.trial_index)
)
INSERT_TRIAL = Statement(insert(TRIALS))
REPORT_BY_KEY = select(TRIALS).where(
    TRIALS.c.session_id == bindparam("id"), TRIALS.c.idempotency_key == bindparam("idempotency_key")
)
