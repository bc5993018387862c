"""What is checked before the trials, written: each result once, and the end of a session that the study excludes."""

import functools
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from study.readiness import Check, Plate, deal, draw, has_page, judge_display, judge_form
from study.sessions.desk import Desk, patient
from study.sessions.errors import Conflict, NotFound
from study.sessions.state import TRIAL_STATUS, State, read_state_on
from study.sessions.tables import CHECKS, SESSIONS

PROFILE = "display_profile"
SCREENS = ("allowed", "refused", "unavailable")
# What a form before the instructions leaves behind, by which it is known to be done.
ASKED = ("vision", "plates", "display", "night_light", "calibration")


def read_checks(desk: Desk, state: State) -> tuple[Check, ...]:
    """Read what was checked of a session."""
    with desk.database.reading() as connection:
        rows = connection.execute(select(CHECKS).where(CHECKS.c.session_id == state.id).order_by(CHECKS.c.check_id))
        return tuple(Check(r.check_id, r.kind, r.answer, r.expected, r.is_passed, r.action, r.detail) for r in rows)


def is_waiting(state: State, checks: Iterable[Check]) -> bool:
    """Whether a form has to be sent before the instructions."""
    checks = tuple(checks)
    kinds = {check.kind for check in checks}
    has_profile = bool(profile_of(checks))
    # Sizes that follow from a profile were written at the start.
    asked = set(ASKED) - ({"calibration"} if has_profile else set())
    return has_page(state.study.definition, has_profile=has_profile) and not kinds & asked


def profile_of(checks: Iterable[Check]) -> str:
    """Give the SHA-256 of the display profile that a session was taken with; empty if there was none."""
    return next((check.answer for check in checks if check.check_id == PROFILE), "")


def device_width_px(checks: Iterable[Check]) -> float | None:
    """Give how many device pixels wide a picture is to be, where its size is in degrees."""
    found = (check.answer for check in checks if check.check_id == "picture_width_device_px")
    return next((float(answer) for answer in found), None)


def plates_of(desk: Desk, state: State) -> tuple[Plate, ...]:
    """Give the plates of a session, if its study shows some."""
    readiness = state.study.definition.readiness
    if "plates" not in readiness.checks:
        return ()
    return deal(_key(desk), state.session_id, readiness.n_plates)


def plate_picture(desk: Desk, token: str, number: int) -> bytes:
    """Draw a session's plate; only while it is asked for. Raises NotFound."""
    with desk.database.reading() as connection:
        state = read_state_on(desk, connection, token)
    plates = plates_of(desk, state) if state.status == "consented" else ()
    if not 1 <= number <= len(plates):
        raise NotFound("there is no such picture")
    return _drawn(_key(desk), state.session_id, plates[number - 1])


@functools.lru_cache(maxsize=256)
def _drawn(key: bytes, session_id: str, plate: Plate) -> bytes:
    return draw(key, session_id, plate)


def _key(desk: Desk) -> bytes:
    return hmac.digest(desk.lasting_key, b"truehue digits of plates", "sha256")


@patient
def record_checks(desk: Desk, token: str, given: Mapping[str, str], *, now: datetime) -> dict[str, str]:
    """Write a sent form; return what has to be mended first, by field. A form sent twice counts once."""
    with desk.database.writing() as connection:
        state = read_state_on(desk, connection, token)
        if state.status != "consented":
            return {}
        there = _there(connection, state)
        if not is_waiting(state, there):
            return {}
        has_profile = bool(profile_of(there))
        found, errors = judge_form(state.study.definition, plates_of(desk, state), given, has_profile=has_profile)
        if errors:
            return errors
        insert_checks(connection, state.id, found, now=now)
        if any(check.excludes for check in found):
            connection.execute(update(SESSIONS).where(SESSIONS.c.id == state.id).values(status="unqualified"))
    return {}


@patient
def record_screen(desk: Desk, token: str, told: Mapping[str, object], *, now: datetime) -> None:
    """Write what the page of trials says of its screen: each fact once, and nothing ends by it."""
    with desk.database.writing() as connection:
        state = read_state_on(desk, connection, token)
        if state.status not in TRIAL_STATUS:
            raise Conflict("the session is not in its trials; open its page")
        definition = state.study.definition
        found = judge_display(definition, told.get("display")) if "display" in definition.readiness.checks else []
        if definition.device.full_screen and told.get("full_screen") in SCREENS:
            screen = str(told["full_screen"])
            found.append(Check("full_screen", "full_screen", screen, "allowed", screen == "allowed"))
        names = {check.check_id for check in _there(connection, state)}
        insert_checks(connection, state.id, (check for check in found if check.check_id not in names), now=now)


def insert_checks(connection: Connection, row_id: int, checks: Iterable[Check], *, now: datetime) -> None:
    """Write checks in a transaction that is there already; `row_id` is the session's row."""
    rows = [
        {
            "session_id": row_id,
            "check_id": check.check_id,
            "kind": check.kind,
            "detail": check.detail,
            "answer": check.answer,
            "expected": check.expected,
            "is_passed": check.is_passed,
            "action": check.action,
            "checked_at_utc": now,
        }
        for check in checks
    ]
    if rows:
        connection.execute(insert(CHECKS), rows)


def _there(connection: Connection, state: State) -> tuple[Check, ...]:
    rows = connection.execute(
        select(CHECKS.c.check_id, CHECKS.c.kind, CHECKS.c.answer).where(CHECKS.c.session_id == state.id)
    )
    return tuple(Check(row.check_id, row.kind, row.answer) for row in rows)
