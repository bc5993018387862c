"""What a study is, as dataclasses: every key that a definition may set, its type and its limits.

The keys and their sources stand in `study/protocols/zhang2016.toml`. A key with a default here is one that came later:
definitions stored before it still read.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from study.definition.fields import one_of, within
from study.definition.filling import fill_in
from study.definition.setting import Device, Lab, Readiness

FORMAT = "truehue-study/1"
PLACEHOLDERS = ("contact", "title", "minutes", "n_practice", "n_trials", "n_blocks", "exposure_s", "pass_percent")
COUNTS = ("n_practice", "n_trials", "n_blocks", "minutes")
ITEM_TYPES = ("choice", "scale", "number", "text")
PAIRS = ("sequential_pair", "simultaneous_pair")
UNLIMITED = 0.0


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which published protocol this is."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class About:
    """What participants are told of the study itself."""

    title: str
    language: str
    contact: str
    n_participants: int = within(0, 1_000_000, default=0)
    """How many sessions may be complete or under way; 0: as many as come."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is measured."""

    measure: str = one_of("fool_rate", "yes_no", "error_rate", "modal_exposure", "preference")
    chance: float = within(0, 1)
    """What guessing gives: of the rate, or (modal exposure) of the share of right answers."""


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What a trial is."""

    prompt: str
    design: str = one_of("sequential_pair", "simultaneous_pair", "single")
    question: str = one_of("fake", "real", "real_or_fake", "natural")
    size_unit: str = one_of("css_px", "device_px", "degrees")
    reference_condition: str = ""
    """Shown alone before the pictures (the grey original); empty: none."""
    first_side: str = one_of("either", "left", default="either")
    real_button: str = one_of("left", "right", default="left")
    field: str = one_of("grey", "white", default="grey")
    size_degrees: float = within(0, 90, default=0.0)
    """Width of a picture in degrees of visual angle, if that is the unit."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a trial, in ms."""

    first_blank_ms: float = within(0, 60_000)
    blank_before_ms: float = within(0, 60_000)
    exposure_ms: float = within(0, 60_000)
    blank_between_ms: float = within(0, 60_000)
    buttons_after_ms: float = within(0, 60_000)
    feedback_ms: float = within(0, 60_000)
    reference_ms: float = within(0, 60_000, default=0.0)
    countdown_from: int = within(0, 9, default=0)
    countdown_ms: float = within(0, 5_000, default=0.0)
    n_masks: int = within(0, 10, default=0)
    mask_ms: float = within(0, 1_000, default=0.0)


@dataclass(frozen=True, slots=True)
class Practice:
    """The trials before the test; with `pass_share` they are a qualification."""

    feedback: bool
    n_trials: int = within(0, 1000)
    n_spare: int = within(0, 1000)
    pass_share: float = within(0, 1, default=0.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scored trials."""

    n_trials: int = within(1, 5000)
    photos: str = one_of("fresh", "fixed")
    n_blocks: int = within(1, 100, default=1)
    pool_size: int = within(0, 100_000, default=0)
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class Catch:
    """The control trials among the test trials."""

    low_anchor_condition: str
    n_low_anchor: int = within(0, 1000)
    n_instructed: int = within(0, 1000)
    n_spare: int = within(0, 1000)
    low_anchor_probability: float = within(0, 1, default=0.0)
    n_obvious: int = within(0, 1000, default=0)
    obvious_condition: str = "obvious"
    n_same: int = within(0, 1000, default=0)

    @property
    def n_trials(self) -> int:
        """Control trials of every sort, those that replace a test trial by chance not counted."""
        return self.n_low_anchor + self.n_instructed + self.n_obvious + self.n_same


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is under test."""

    models: tuple[str, ...]
    assignment: str = one_of("between", "within")


@dataclass(frozen=True, slots=True)
class Planning:
    """How chance is dealt out."""

    randomization: str = one_of("balanced", "coins", default="balanced")
    abandoned_after_min: float = within(1, 1_000_000, default=1440.0)


@dataclass(frozen=True, slots=True)
class Staircase:
    """A weighted up-down rule on the exposure, in nominal ms (Kaernbach 1991); off if both steps are 0.

    It settles where `down_ms · p = up_ms · (1 − p)`, with p the share of right answers: p = up / (up + down).
    """

    start_ms: float = within(0, 60_000, default=0.0)
    min_ms: float = within(0, 60_000, default=0.0)
    max_ms: float = within(0, 60_000, default=0.0)
    down_ms: float = within(0, 10_000, default=0.0)
    up_ms: float = within(0, 10_000, default=0.0)

    @property
    def is_on(self) -> bool:
        """Whether exposures follow answers."""
        return self.down_ms > 0 or self.up_ms > 0

    @property
    def target(self) -> float:
        """The share of right answers at which the rule settles, if its limits allow."""
        return self.up_ms / (self.up_ms + self.down_ms)

    def after(self, level_ms: float, *, is_correct: bool) -> float:
        """Give the level after an answer."""
        moved = level_ms - self.down_ms if is_correct else level_ms + self.up_ms
        return min(self.max_ms, max(self.min_ms, moved))


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is declared beforehand for the report."""

    targets: tuple[float, ...]
    margin: float | None = within(0.001, 0.499, default=None)
    confidence: float = within(0.5, 0.999, default=0.95)
    max_instructed_failed: int | None = within(0, 1000, default=None)
    exclude_badly_timed: bool = False
    max_exposure_error_frames: float = within(0.5, 100, default=1.5)
    sequential: bool = False
    """Fool rates may be looked at while people come in, by an interval that stays valid."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts; the first three are Markdown."""

    consent: str
    instructions: str
    debrief: str
    instructed_left: str
    instructed_right: str
    left: str
    right: str
    correct: str
    wrong: str
    practice_done: str
    closed: str
    real: str = ""
    fake: str = ""
    instructed_real: str = ""
    instructed_fake: str = ""
    pause: str = ""
    unqualified: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a choice."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the questionnaire."""

    item_id: str
    question: str
    type: str = field(metadata={"one_of": ITEM_TYPES})
    required: bool = True
    options: tuple[Option, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    low_label: str = ""
    high_label: str = ""
    max_length: int = field(default=2000, metadata={"within": (1, 20_000)})


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questions after the trials; none is fine."""

    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyDefinition:
    """All that decides how a study runs, but for its pictures."""

    protocol: Protocol
    study: About
    outcome: Outcome
    trial: TrialSpec
    timing: Timing
    practice: Practice
    test: Scored
    catch: Catch
    conditions: Conditions
    device: Device
    analysis: Analysis
    words: Words
    questionnaire: Questionnaire
    plan: Planning = Planning()
    staircase: Staircase = Staircase()
    readiness: Readiness = field(default_factory=Readiness)
    lab: Lab = field(default_factory=Lab)
    preset: str = ""
    """The shipped protocol that this definition builds on."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Dotted key → why it differs from the preset."""

    @property
    def is_single(self) -> bool:
        """One picture a trial: yes or no."""
        return self.trial.design == "single"

    @property
    def is_preference(self) -> bool:
        """Two recolourings of one photograph; no original is shown."""
        return self.trial.question == "natural"

    @property
    def n_main(self) -> int:
        """Trials after practice: test and catch."""
        return self.test.n_trials + self.catch.n_trials

    @property
    def minutes(self) -> int:
        """How long a session takes, rounded up: the timing, 1.5 s to answer, 3 minutes to read and fill in."""
        t = self.timing
        # Where exposure is unlimited, people look for about as long as they then take to answer.
        seen_ms = self.staircase.start_ms if self.staircase.is_on else t.exposure_ms or 1500
        if self.trial.design == "sequential_pair":
            seen_ms = 2 * seen_ms + t.blank_between_ms
        if self.trial.reference_condition:
            seen_ms += t.reference_ms + t.blank_between_ms
        around_ms = t.blank_before_ms + t.countdown_from * t.countdown_ms + t.n_masks * t.mask_ms + t.buttons_after_ms
        trial_ms = around_ms + seen_ms + 1500
        practice_ms = trial_ms + (t.feedback_ms if self.practice.feedback else 0)
        test_ms = trial_ms + (t.feedback_ms if self.test.feedback else 0)
        return int(-(-(self.n_main * test_ms + self.practice.n_trials * practice_ms) // 60_000)) + 3

    def fill(self, text: str) -> str:
        """Put the study's own numbers into one of its texts."""
        exposure_ms = self.staircase.start_ms if self.staircase.is_on else self.timing.exposure_ms
        seconds = exposure_ms / 1000
        values = {
            "contact": self.study.contact,
            "title": self.study.title,
            "minutes": str(self.minutes),
            "n_practice": str(self.practice.n_trials),
            "n_trials": str(self.n_main),
            "n_blocks": str(self.test.n_blocks),
            "exposure_s": _seconds(seconds, self.study.language),
            "pass_percent": f"{100 * self.practice.pass_share:g}",
        }
        return fill_in(text, values)

    @property
    def canonical(self) -> str:
        """All keys, sorted, as JSON without spaces; whole numbers without a point."""
        data = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Names this definition."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def consent_sha256(self) -> str:
        """Names the consent text as it is shown."""
        return hashlib.sha256(self.fill(self.words.consent).encode()).hexdigest()


def _seconds(seconds: float, language: str) -> str:
    """Write a duration in the language of the texts around it; English where we have no words of our own."""
    if language.split("-")[0].lower() == "de":
        return "1 Sekunde" if seconds == 1 else f"{seconds:g} Sekunden".replace(".", ",")
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def plain(value: Any) -> Any:
    """Give a value as JSON has it: lists for tuples, whole numbers without a point."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
