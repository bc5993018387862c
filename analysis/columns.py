"""The columns of an export as data: docs/formats.md, `truehue-export/1`, in the form that `trials` checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "repeated", "choice", "integer", "number", "boolean", "time"]


@dataclass(frozen=True)
class Column:
    """One column: its type, the values it may hold, and whether it may be empty.

    `low` is the smallest number allowed; with `above_low` it is itself not allowed.  `may_be_absent`: exports of older
    versions lack the column, and it is then empty.  `repeated` is text with few different values, kept as a category.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    may_be_empty: bool = True
    low: float | None = None
    above_low: bool = False
    may_be_absent: bool = False


def _full(name: str) -> Column:
    return Column(name, "text", may_be_empty=False)


def _repeated(name: str) -> Column:
    return Column(name, "repeated", may_be_empty=False)


def _count(name: str, *, may_be_empty: bool = True) -> Column:
    return Column(name, "integer", may_be_empty=may_be_empty, low=0)


def _positive(name: str) -> Column:
    return Column(name, "number", low=0, above_low=True)


_SIDES = ("left", "right")
_RESPONSES = (*_SIDES, "real", "fake")

TRIALS: tuple[Column, ...] = (
    _full("session_id"),
    _full("participant_id"),
    _repeated("study"),
    _repeated("definition_sha256"),
    _repeated("manifest_sha256"),
    _count("trial_index", may_be_empty=False),
    _count("plan_index", may_be_empty=False),
    Column("kind", "choice", ("practice", "test", "catch"), may_be_empty=False),
    Column("control", "choice", ("low_anchor", "obvious", "instructed", "same")),
    _full("design"),
    Column("question", "choice", ("fake", "real", "real_or_fake", "natural"), may_be_empty=False),
    _full("image_id"),
    _full("stimulus_a"),
    Column("stimulus_b", "text"),
    _full("condition_a"),
    Column("condition_b", "text"),
    Column("side_of_a", "choice", _SIDES),
    Column("order_of_a", "choice", ("first", "second")),
    Column("response", "choice", _RESPONSES),
    Column("chosen_stimulus", "text"),
    Column("instructed_response", "choice", _RESPONSES),
    Column("said_real", "text"),
    Column("fooled", "boolean"),
    Column("correct", "boolean"),
    _positive("rt_ms"),
    _positive("exposure_ms_nominal"),
    Column("exposure_ms_achieved", "number", low=0),
    Column("exposure_a_ms_achieved", "number", low=0),
    Column("exposure_b_ms_achieved", "number", low=0),
    _count("frames_a"),
    _count("frames_b"),
    _count("dropped_frames"),
    _positive("refresh_hz"),
    Column("visible", "boolean"),
    Column("void_reason", "choice", ("hidden", "reloaded", "resized", "load_failed")),
    Column("shown_at_utc", "time"),
    Column("answered_at_utc", "time"),
    Column("is_simulated", "boolean", may_be_empty=False),
    Column("block", "integer", low=0, may_be_absent=True),
    Column("staircase_level_ms", "number", low=0, above_low=True, may_be_absent=True),
    Column("onset_a_ms", "number", low=0, may_be_absent=True),
    Column("onset_b_ms", "number", low=0, may_be_absent=True),
    Column("page_id", "text", may_be_absent=True),
)

SESSIONS: tuple[Column, ...] = (
    _full("session_id"),
    Column("participant_id", "text"),
    _full("study"),
    _full("definition_sha256"),
    _full("manifest_sha256"),
    Column("arm", "text"),
    Column(
        "status",
        "choice",
        ("started", "consented", "practice", "test", "questionnaire", "complete", "withdrawn", "unqualified"),
        may_be_empty=False,
    ),
    _repeated("source"),  # a platform of whoever added one
    Column("is_simulated", "boolean", may_be_empty=False),
    Column("is_pilot", "boolean", may_be_empty=False),
    Column("session_seed", "text"),
    Column("consent_sha256", "text"),
    Column("consented_at_utc", "time"),
    Column("started_at_utc", "time"),
    Column("completed_at_utc", "time"),
    _count("n_trials_answered"),
    _count("n_trials_void"),
    _count("n_instructed_failed"),
    Column("user_agent", "text"),
    _positive("screen_width_px"),
    _positive("screen_height_px"),
    _positive("viewport_width_px"),
    _positive("viewport_height_px"),
    _positive("device_pixel_ratio"),
    _positive("refresh_hz"),
    Column("language", "text"),
)

ANSWERS: tuple[Column, ...] = (
    _full("session_id"),
    Column("participant_id", "text"),
    _full("item_id"),
    Column("item_type", "choice", ("choice", "scale", "number", "text"), may_be_empty=False),
    Column("question", "text"),
    Column("answer", "text"),
    Column("answered_at_utc", "time"),
)
