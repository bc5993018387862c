"""The columns of an export's tables, each declared once: its words for the codebook, and the way to its value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from study.design import ANSWERS as JUDGEMENTS
from study.design import ORDERS, SIDES
from study.recruitment import PLATFORMS
from study.scoring import score
from study.sessions import VOID_REASONS


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its words, and how a row's value is found (by default under the column's name)."""

    name: str
    type: str
    description: str
    unit: str = ""
    values: str = ""
    value: Callable[[Any], object] | None = None

    def of(self, row: Any) -> object:
        """Give the row's value."""
        return getattr(row, self.name) if self.value is None else self.value(row)


def _farther(row: Any) -> float | None:
    if row.exposure_ms_nominal is None:  # until the answer: nothing to be far from
        return None
    achieved = [x for x in (row.exposure_a_ms_achieved, row.exposure_b_ms_achieved) if x is not None]
    return max(achieved, key=lambda x: abs(x - row.exposure_ms_nominal)) if achieved else None


STATUSES = "started, consented, practice, test, questionnaire, complete, withdrawn, unqualified"
RESPONSES = ", ".join((*SIDES, *JUDGEMENTS))
WHO = (
    Column("session_id", "string", "The session; random, not the participant's link."),
    Column("participant_id", "string", "Pseudonym; the same for one person's sessions where the platform tells."),
)
WHAT = (
    Column("study", "string", "The study's short name.", value=lambda r: r.slug),
    Column("definition_sha256", "string", "SHA-256 of the canonical definition in force."),
    Column("manifest_sha256", "string", "SHA-256 of the stimulus set's manifest file."),
)
SIMULATED = Column("is_simulated", "boolean", "The session was simulated, not a person.", values="true, false")
TRIALS: tuple[Column, ...] = (
    *WHO,
    *WHAT,
    Column("trial_index", "integer", "Order of presentation in the session, void trials counted.", values="0…"),
    Column(
        "plan_index",
        "integer",
        "Place in the plan; a replacement has the index of the trial it replaces.",
        values="0…",
    ),
    Column(
        "kind",
        "string",
        "Only test trials are scored in a condition's fool rate.",
        values="practice, test, catch",
    ),
    Column(
        "control",
        "string",
        "Which sort of catch trial; else empty.",
        values="low_anchor, obvious, instructed, same",
    ),
    Column("design", "string", "How the pictures were shown.", values="sequential_pair, simultaneous_pair, single"),
    Column(
        "question",
        "string",
        "Which picture the participant was asked to choose, or what one picture is.",
        values="fake, real, real_or_fake, natural",
    ),
    Column("image_id", "string", "The photograph."),
    Column(
        "stimulus_a", "string", "The picture in the condition under test; single: the one picture, maybe the original."
    ),
    Column("stimulus_b", "string", "The original; natural: the other condition's picture; single: empty."),
    Column("condition_a", "string", "The condition under test; single: of the one picture, maybe real."),
    Column("condition_b", "string", "What picture b is; single: empty."),
    Column("side_of_a", "string", "Where the picture a was; single: empty.", values=", ".join(SIDES)),
    Column(
        "order_of_a",
        "string",
        "When the picture a was shown; empty unless one came after the other.",
        values=", ".join(ORDERS),
    ),
    Column("response", "string", "The side chosen, or (single) the judgement; empty if void.", values=RESPONSES),
    Column("chosen_stimulus", "string", "The stimulus on the chosen side.", value=lambda r: score(r).chosen_stimulus),
    Column("instructed_response", "string", "On instructed trials, the response asked for.", values=RESPONSES),
    Column("said_real", "string", "The stimulus taken for the real one (derived).", value=lambda r: score(r).said_real),
    Column(
        "fooled",
        "boolean",
        "A fake was taken for real; empty for void, instructed, same and natural trials, and for single originals.",
        values="true, false",
        value=lambda r: score(r).is_fooled,
    ),
    Column(
        "correct",
        "boolean",
        "Answered rightly (instructed: as told); empty if void, and where nothing is right or wrong.",
        values="true, false",
        value=lambda r: score(r).is_correct,
    ),
    Column("rt_ms", "number", "From the painted buttons to the response.", "ms", "> 0"),
    Column("exposure_ms_nominal", "number", "Exposure asked for, each picture; empty: until the answer.", "ms"),
    Column(
        "exposure_ms_achieved",
        "number",
        "The one of the two exposures that is farther from nominal.",
        "ms",
        value=_farther,
    ),
    Column("exposure_a_ms_achieved", "number", "Painted onset to painted offset of picture a.", "ms"),
    Column("exposure_b_ms_achieved", "number", "Painted onset to painted offset of picture b.", "ms"),
    Column("frames_a", "integer", "Animation frames between onset and offset of picture a.", "frames"),
    Column("frames_b", "integer", "Animation frames between onset and offset of picture b.", "frames"),
    Column("dropped_frames", "integer", "Frames missed during the two exposures.", "frames"),
    Column("refresh_hz", "number", "Refresh rate measured by the browser.", "Hz"),
    Column("visible", "boolean", "The page was visible and focused throughout.", values="true, false"),
    Column(
        "void_reason",
        "string",
        "Why the trial is void: replaced, never scored; else empty.",
        values=", ".join(VOID_REASONS),
    ),
    Column("shown_at_utc", "string", "Server time when the trial was handed out.", "ISO 8601, UTC"),
    Column("answered_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
    SIMULATED,
    Column("block", "integer", "0: practice; the test's blocks count from 1.", values="0…"),
    Column("stimulus_reference", "string", "The picture shown before the others for comparison; else empty."),
    Column("staircase_level_ms", "number", "The staircase's state, not rounded to frames; else empty.", "ms"),
    Column("mask_ms_nominal", "number", "Time asked for of each mask after the picture; else empty.", "ms"),
    Column("mask_frames", "integer", "Animation frames of all masks together; else empty.", "frames"),
    Column("shown_width_px", "number", "Width of a picture as shown.", "CSS px"),
    Column("shown_height_px", "number", "Height of a picture as shown.", "CSS px"),
    Column("onset_a_ms", "number", "Painted onset of picture a, by the clock of the page (page_id).", "ms"),
    Column("onset_b_ms", "number", "Painted onset of picture b, by the clock of the page (page_id).", "ms"),
    Column("page_id", "string", "The load of the page that showed the trial; a reload begins another, and its clock."),
)
SESSIONS: tuple[Column, ...] = (
    *WHO,
    *WHAT,
    Column("arm", "string", "The condition under test in this session, or the rotation of all of them."),
    Column("status", "string", "How far the session came.", values=STATUSES),
    Column(
        "source",
        "string",
        "Where the participant came from.",
        values=", ".join((*PLATFORMS, "simulated")),
    ),
    SIMULATED,
    Column("is_pilot", "boolean", "The session was a pilot's.", values="true, false"),
    Column("session_seed", "integer", "With definition, stimulus set and study_seed it gives the plan again."),
    Column("consent_sha256", "string", "SHA-256 of the consent text as shown."),
    Column("consented_at_utc", "string", "When the participant agreed.", "ISO 8601, UTC"),
    Column("started_at_utc", "string", "When the session began.", "ISO 8601, UTC"),
    Column("completed_at_utc", "string", "When the last answer was committed; empty before.", "ISO 8601, UTC"),
    Column("n_trials_answered", "integer", "Trials answered, practice and catch included."),
    Column("n_trials_void", "integer", "Trials void."),
    Column("n_instructed_failed", "integer", "Instructed trials on which the other side was chosen."),
    Column("user_agent", "string", "The browser's name of itself."),
    Column("screen_width_px", "integer", "Screen width.", "CSS px"),
    Column("screen_height_px", "integer", "Screen height.", "CSS px"),
    Column("viewport_width_px", "integer", "Window width at the first trial.", "CSS px"),
    Column("viewport_height_px", "integer", "Window height at the first trial.", "CSS px"),
    Column("device_pixel_ratio", "number", "Device pixels per CSS pixel."),
    Column("refresh_hz", "number", "Refresh rate measured by the browser.", "Hz"),
    Column("language", "string", "The browser's language.", values="BCP 47"),
    Column("arm_slot", "integer", "Place in the study's sequence of permuted blocks.", values="0…"),
    Column("slot_attempt", "integer", "Sessions that had this place before and were abandoned.", values="0…"),
)
ANSWERS: tuple[Column, ...] = (
    *WHO,
    Column("item_id", "string", "The item in the definition."),
    Column("item_type", "string", "Sort of item.", values="choice, scale, number, text"),
    Column("question", "string", "The words shown."),
    Column("answer", "string", "The answer; of a choice the option's value."),
    Column("answered_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
)
CHECKS: tuple[Column, ...] = (
    *WHO,
    Column("check_id", "string", "What was checked; plate-N: the Nth plate shown."),
    Column(
        "kind",
        "string",
        "Which sort of check; plates: the verdict over all plates.",
        values="vision, plate, plates, display, night_light, calibration, full_screen, lab",
    ),
    Column("detail", "string", "Of a plate the confusion line that it lies on, or control; else empty."),
    Column("answer", "string", "What the person or the browser said; numbers in the unit of the name."),
    Column("expected", "string", "What was asked for, or a plate's digit; empty: nothing."),
    Column("is_passed", "boolean", "Whether it fits; empty: nothing was asked for, or nobody can tell."),
    Column("action", "string", "What follows where it does not fit.", values="record, warn, exclude"),
    Column("checked_at_utc", "string", "Server time of the commit.", "ISO 8601, UTC"),
)
TABLES = {"trials": TRIALS, "sessions": SESSIONS, "answers": ANSWERS, "checks": CHECKS}
CODEBOOK = ("table", "column", "type", "unit", "values", "description")
