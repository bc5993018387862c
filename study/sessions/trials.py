"""Trials handed out and answered: the races of a session are decided here."""

import dataclasses
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from study.design import PlannedTrial
from study.sessions.desk import Desk, patient
from study.sessions.errors import Conflict, Invalid
from study.sessions.names import trial_name
from study.sessions.report import Report, parse_device, parse_report, short
from study.sessions.state import TRIAL_STATUS, State, read_state_on, state_after
from study.sessions.tables import INSERT_TRIAL, REPORT_BY_KEY, SESSIONS
from study.sessions.turns import describe_turn, feedback_of
from study.sessions.writing import status_of, trial_row, write_status


@patient
def next_trial(
    desk: Desk, token: str, *, page_id: object, now: datetime, device: object = None, interrupted: object = None
) -> dict[str, Any]:
    """Hand the outstanding trial to a page load; one that another page load holds is void, unless nothing was shown."""
    page = short({"page_id": page_id}, "page_id")
    told = parse_device(device)
    with desk.database.writing() as connection:
        state = read_state_on(desk, connection, token)
        if state.status in {"started", "consented", "withdrawn"}:
            raise Conflict("the session is not in its trials; open its page")
        trial = state.outstanding
        if trial is not None and state.page_id not in {"", page}:
            name = trial_name(desk, state.session_id, state.n_rows, trial)
            if not _is_untouched(interrupted, name):
                state = _void_reloaded(desk, connection, state, trial, now=now)
        values: dict[str, Any] = {}
        if state.outstanding is not None and state.page_id != page:
            values = {"handed_trial_index": state.n_rows, "handed_page_id": page, "handed_at_utc": now}
        if values or told:
            connection.execute(update(SESSIONS).where(SESSIONS.c.id == state.id).values(**values, **told))
        return describe_turn(desk, token, state)


def _is_untouched(interrupted: object, name: str) -> bool:
    return isinstance(interrupted, dict) and interrupted.get("trial_id") == name and interrupted.get("shown") is False


def _void_reloaded(desk: Desk, connection: Connection, state: State, trial: PlannedTrial, *, now: datetime) -> State:
    report = Report(
        trial_id="",
        idempotency_key=f"void-{secrets.token_hex(8)}",
        page_id=state.page_id,
        response="",
        void_reason="reloaded",
        rt_ms=None,
        exposures=(),
        refresh_hz=None,
        visible=None,
    )
    row = trial_row(state, trial, report, now=now)
    INSERT_TRIAL.run(connection, row)
    void = (*state.void, state.n_rows)
    after = state_after(desk, state, connection, n_rows=state.n_rows + 1, void=void, last=_Facts(row))
    return dataclasses.replace(write_status(connection, state, after, now=now), page_id="")


@patient
def record_response(desk: Desk, token: str, data: object, *, now: datetime) -> dict[str, Any]:
    """Write the outstanding trial's answer (or that it was void) and say what comes next.

    When this returns the row is on disk. The same report again gets the same turn; any other is a conflict.
    """
    report = parse_report(data)
    with desk.database.answering() as connection:
        state = read_state_on(desk, connection, token)
        trial = state.outstanding
        if (
            trial is None
            or state.status not in TRIAL_STATUS
            or report.trial_id != trial_name(desk, state.session_id, state.n_rows, trial)
        ):
            return _again(desk, token, connection, state, report)
        n_exposures = 2 if trial.order_of_a else 1
        if report.response and len(report.exposures) != n_exposures:
            raise Invalid(f"exposures: expected {n_exposures} in this design")
        row = trial_row(state, trial, report, now=now)
        void = (*state.void, state.n_rows) if report.void_reason else state.void
        after = state_after(desk, state, connection, n_rows=state.n_rows + 1, void=void, last=_Facts(row))
        try:
            if status_of(after) == state.status:
                INSERT_TRIAL.run(connection, row)  # autocommit: on disk when this returns
                return describe_turn(desk, token, after, feedback=feedback_of(state, _Facts(row)))
        except IntegrityError:
            _refuse_used_key(connection, state, report)
            raise
    try:
        with desk.database.writing() as connection:
            INSERT_TRIAL.run(connection, row)
            after = write_status(connection, state, after, now=now)
    except IntegrityError:
        with desk.database.reading() as connection:
            _refuse_used_key(connection, state, report)
        raise
    return describe_turn(desk, token, after, feedback=feedback_of(state, _Facts(row)))


class _Facts:
    """A row's dictionary with attributes, as `scoring.score` wants it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.__dict__ = row


def _refuse_used_key(connection: Connection, state: State, report: Report) -> None:
    row = connection.execute(REPORT_BY_KEY, {"id": state.id, "idempotency_key": report.idempotency_key}).one_or_none()
    if row is not None and row.trial_index < state.n_rows:
        raise Conflict("idempotency_key: another trial's report has used it")


def _again(desk: Desk, token: str, connection: Connection, state: State, report: Report) -> dict[str, Any]:
    """Repeat the turn of an answer that is already written, if this is that answer."""
    row = connection.execute(REPORT_BY_KEY, {"id": state.id, "idempotency_key": report.idempotency_key}).one_or_none()
    if row is not None:
        void = tuple(index for index in state.void if index <= row.trial_index)
        before = state_after(desk, state, connection, n_rows=row.trial_index + 1, void=void, last=row)
        if report.trial_id == trial_name(desk, state.session_id, row.trial_index, before.shown[row.trial_index]):
            return describe_turn(desk, token, before, feedback=feedback_of(state, row))
    raise Conflict("this is not the outstanding trial; ask for it again")
