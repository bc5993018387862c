"""A trial as a row, and the status that rows imply."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from study.design import PlannedTrial
from study.sessions.report import Report
from study.sessions.state import State
from study.sessions.tables import SESSIONS


def trial_row(state: State, trial: PlannedTrial, report: Report, *, now: datetime) -> dict[str, Any]:
    """Give the row of a trial that was answered or void."""
    definition = state.study.definition
    first, second = (*report.exposures, None, None)[:2]
    a, b = (first, second) if trial.order_of_a == "first" else (second, first)
    return {
        "session_id": state.id,
        "trial_index": state.n_rows,
        "plan_index": trial.plan_index,
        "kind": trial.kind,
        "control": trial.control,
        "design": definition.trial.design,
        "question": definition.trial.question,
        "image_id": trial.b.image_id,
        "stimulus_a": trial.a.stimulus_id,
        "stimulus_b": trial.b.stimulus_id,
        "condition_a": trial.a.condition,
        "condition_b": trial.b.condition,
        "side_of_a": trial.side_of_a,
        "order_of_a": trial.order_of_a,
        "instructed_response": trial.instructed_response,
        "response": report.response,
        "void_reason": report.void_reason,
        "rt_ms": report.rt_ms,
        "exposure_ms_nominal": definition.timing.exposure_ms,
        "exposure_a_ms_achieved": a and a.achieved_ms,
        "exposure_b_ms_achieved": b and b.achieved_ms,
        "frames_a": a and a.frames,
        "frames_b": b and b.frames,
        "dropped_frames": sum(e.dropped_frames for e in report.exposures) if report.exposures else None,
        "refresh_hz": report.refresh_hz,
        "visible": report.visible,
        "page_id": report.page_id,
        "idempotency_key": report.idempotency_key,
        "shown_at_utc": state.shown_at_utc or now,
        "answered_at_utc": now,
    }


def status_of(state: State) -> str:
    """Say which status the rows alone imply, once the instructions are left."""
    trial = state.outstanding
    if trial is not None:
        return "practice" if trial.block == "practice" else "test"
    return "questionnaire" if state.study.definition.questionnaire.items else "complete"


def write_status(connection: Connection, before: State, after: State, *, now: datetime) -> None:
    """Write the status that the rows imply, if it changed."""
    status = status_of(after)
    if status != before.status:
        values: dict[str, Any] = {"status": status}
        if status == "complete":
            values["completed_at_utc"] = now
        connection.execute(update(SESSIONS).where(SESSIONS.c.id == before.id).values(**values))
