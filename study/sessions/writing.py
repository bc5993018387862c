"""A trial as a row, and the status that rows imply."""

import dataclasses
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from study.definition import StudyDefinition
from study.design import PRACTICE, PlannedTrial
from study.manifest import REAL
from study.scoring import score
from study.sessions.report import Report
from study.sessions.state import State
from study.sessions.tables import SESSIONS, TRIALS


def planned_columns(definition: StudyDefinition, trial: PlannedTrial) -> dict[str, Any]:
    """Give what of a trial's row its plan decides."""
    return {
        "plan_index": trial.plan_index,
        "block": trial.block,
        "kind": trial.kind,
        "control": trial.control,
        "design": definition.trial.design,
        "question": definition.trial.question,
        "image_id": trial.a.image_id,
        "stimulus_a": trial.a.stimulus_id,
        "stimulus_b": trial.b.stimulus_id if trial.b else "",
        "stimulus_reference": trial.reference.stimulus_id if trial.reference else "",
        "condition_a": trial.a.condition,
        "condition_b": trial.b.condition if trial.b else "",
        "side_of_a": trial.side_of_a,
        "order_of_a": trial.order_of_a,
        "instructed_response": trial.instructed_response,
    }


def trial_row(state: State, trial: PlannedTrial, report: Report, *, now: datetime) -> dict[str, Any]:
    """Give the row of a trial that was answered or void."""
    definition = state.study.definition
    timing = definition.timing
    first, second = (*report.exposures, None, None)[:2]
    if not trial.order_of_a:  # one exposure, of one picture or of both at once
        a, b = first, first if trial.b else None
    else:
        a, b = (first, second) if trial.order_of_a == "first" else (second, first)
    exposure_ms = timing.exposure_ms if state.level_ms is None else state.level_ms
    has_masks = timing.n_masks > 0 and exposure_ms > 0
    response = report.response
    if response and definition.is_single:
        response = "real" if response == definition.trial.real_button else "fake"
    return {
        "session_id": state.id,
        "trial_index": state.n_rows,
        **planned_columns(definition, trial),
        "response": response,
        "void_reason": report.void_reason,
        "rt_ms": report.rt_ms,
        "exposure_ms_nominal": exposure_ms or None,
        "staircase_level_ms": state.level_ms,
        "exposure_a_ms_achieved": a and a.achieved_ms,
        "exposure_b_ms_achieved": b and b.achieved_ms,
        "onset_a_ms": a and a.onset_ms,
        "onset_b_ms": b and b.onset_ms,
        "frames_a": a and a.frames,
        "frames_b": b and b.frames,
        "dropped_frames": sum(e.dropped_frames for e in report.exposures) if report.exposures else None,
        "mask_ms_nominal": timing.mask_ms if has_masks else None,
        "mask_frames": report.mask_frames if has_masks else None,
        "shown_width_px": report.shown_width_px,
        "shown_height_px": report.shown_height_px,
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
        return "practice" if trial.block == PRACTICE else "test"
    return "questionnaire" if state.study.definition.questionnaire.items else "complete"


def write_status(connection: Connection, before: State, after: State, *, now: datetime) -> State:
    """Write the status that the rows imply, if it changed, and give the state with it."""
    status = status_of(after)
    if status == before.status:
        return after
    if before.status == "practice" and not is_qualified(connection, after):
        status = "unqualified"
    values: dict[str, Any] = {"status": status}
    if status == "complete":
        values["completed_at_utc"] = now
    connection.execute(update(SESSIONS).where(SESSIONS.c.id == before.id).values(**values))
    return dataclasses.replace(after, status=status)


def is_qualified(connection: Connection, state: State) -> bool:
    """Say whether practice was passed: enough right answers, with single pictures on each kind by itself."""
    needed = state.study.definition.practice.pass_share
    if needed == 0:
        return True
    rows = connection.execute(
        select(TRIALS).where(TRIALS.c.session_id == state.id, TRIALS.c.kind == "practice", TRIALS.c.void_reason == "")
    ).all()
    kinds: dict[bool, list[bool]] = {}
    for row in rows:
        is_original = state.study.definition.is_single and row.condition_a == REAL
        kinds.setdefault(is_original, []).append(bool(score(row).is_correct))
    return all(sum(right) >= needed * len(right) for right in kinds.values())
