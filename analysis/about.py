"""What the data of a report are, wherever they came from: an export of ours or anyone's table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis import designs
from analysis.history import History


@dataclass(frozen=True)
class Outcome:
    """What a design's trials count, in words: `noun` names it, `verb` fits "… on 30.7% of trials".

    `has_chance`: whether 50 % is what guessing gives, so that tests against chance and claims make sense.
    """

    key: str
    design: str
    noun: str
    verb: str
    has_chance: bool

    @property
    def is_fool_rate(self) -> bool:
        """Whether a fake stood beside its original, so that targets, claims and published rates are about it."""
        return self.key == "fool_rate"


FOOL_RATE = Outcome("fool_rate", designs.PAIR, "fool rate", "fooled", has_chance=True)
JUDGED_REAL = Outcome("judged_real", designs.SINGLE, "share judged real", "taken in by a fake", has_chance=False)
RATING = Outcome("rating", designs.RATING, "mean rating", "", has_chance=False)
PREFERENCE = Outcome("preference", designs.PREFERENCE, "share preferred", "", has_chance=True)
THRESHOLD = Outcome("threshold", designs.STAIRCASE, "exposure threshold", "", has_chance=False)


@dataclass(frozen=True)
class Deviation:
    """One key of a definition that differs from its preset; `reason` in the definition's own words, or empty."""

    key: str
    preset: str
    study: str
    reason: str = ""


@dataclass(frozen=True)
class About:
    """Title, source and outcome of a study.

    `deviations` is None where they are unknown; `rows` says which rows of which file the tables count.
    `truth` is the simulation's, in the unit of the outcome (threshold: ms).
    """

    title: str
    study: str
    source: str
    outcome: Outcome
    design: str
    rows: str
    is_simulated: bool = False
    exported: str = ""
    definition: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    history: History = field(default_factory=History)
