"""A session from consent to debrief: the only code that writes what participants do.

The plan is recomputed from (definition, stimulus set, session seed), so nothing about a trial is stored before it is
answered, and an answer costs one SELECT and one INSERT. Names of trials and addresses of pictures are keyed hashes of
their place in the session; they are compared with the outstanding trial's, so that an old, a later or another
session's name is simply not found. Two requests that race for one trial meet at the table's primary key.

Time is passed in as `now`.
"""

from study.sessions.answers import record_answers
from study.sessions.checks import (
    device_width_px,
    insert_checks,
    is_waiting,
    plate_picture,
    plates_of,
    profile_of,
    read_checks,
    record_checks,
    record_screen,
)
from study.sessions.desk import Desk, patient
from study.sessions.entry import advance, is_full, start
from study.sessions.errors import Busy, Closed, Conflict, Full, Invalid, NotFound, SessionError
from study.sessions.names import hash_token, make_token, picture_addresses, trial_name
from study.sessions.report import VOID_REASONS, Exposure, Report, parse_device, parse_report
from study.sessions.state import TRIAL_STATUS, Result, State, find_picture, read_result, read_state
from study.sessions.trials import next_trial, record_response
from study.sessions.writing import planned_columns

__all__ = [
    "TRIAL_STATUS",
    "VOID_REASONS",
    "Busy",
    "Closed",
    "Conflict",
    "Desk",
    "Exposure",
    "Full",
    "Invalid",
    "NotFound",
    "Report",
    "Result",
    "SessionError",
    "State",
    "advance",
    "device_width_px",
    "find_picture",
    "hash_token",
    "insert_checks",
    "is_full",
    "is_waiting",
    "make_token",
    "next_trial",
    "parse_device",
    "parse_report",
    "patient",
    "picture_addresses",
    "planned_columns",
    "plate_picture",
    "plates_of",
    "profile_of",
    "read_checks",
    "read_result",
    "read_state",
    "record_answers",
    "record_checks",
    "record_screen",
    "record_response",
    "start",
    "trial_name",
]
