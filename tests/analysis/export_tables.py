"""Tables of an export as docs/formats.md names them, written by hand: columns, fields, CSV."""

import csv
import io

import numpy as np

TRIAL_COLUMNS = [
    "session_id",
    "participant_id",
    "study",
    "definition_sha256",
    "manifest_sha256",
    "trial_index",
    "plan_index",
    "kind",
    "control",
    "design",
    "question",
    "image_id",
    "stimulus_a",
    "stimulus_b",
    "condition_a",
    "condition_b",
    "side_of_a",
    "order_of_a",
    "response",
    "chosen_stimulus",
    "instructed_response",
    "said_real",
    "fooled",
    "correct",
    "rt_ms",
    "exposure_ms_nominal",
    "exposure_ms_achieved",
    "exposure_a_ms_achieved",
    "exposure_b_ms_achieved",
    "frames_a",
    "frames_b",
    "dropped_frames",
    "refresh_hz",
    "visible",
    "void_reason",
    "shown_at_utc",
    "answered_at_utc",
    "is_simulated",
    "block",
    "stimulus_reference",
    "staircase_level_ms",
    "mask_ms_nominal",
    "mask_frames",
    "shown_width_px",
    "shown_height_px",
    "onset_a_ms",
    "onset_b_ms",
    "page_id",
]
SESSION_COLUMNS = [
    "session_id",
    "participant_id",
    "study",
    "definition_sha256",
    "manifest_sha256",
    "arm",
    "status",
    "source",
    "is_simulated",
    "is_pilot",
    "session_seed",
    "consent_sha256",
    "consented_at_utc",
    "started_at_utc",
    "completed_at_utc",
    "n_trials_answered",
    "n_trials_void",
    "n_instructed_failed",
    "user_agent",
    "screen_width_px",
    "screen_height_px",
    "viewport_width_px",
    "viewport_height_px",
    "device_pixel_ratio",
    "refresh_hz",
    "language",
    "arm_slot",
    "slot_attempt",
]
ANSWER_COLUMNS = [
    "session_id",
    "participant_id",
    "item_id",
    "item_type",
    "question",
    "answer",
    "answered_at_utc",
]


def field(value):
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)


def table(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        unknown = set(row) - set(columns)
        assert not unknown, unknown
        writer.writerow([field(row.get(column)) for column in columns])
    return text.getvalue().encode()
