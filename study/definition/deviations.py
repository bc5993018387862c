"""In what two definitions differ, and why."""

from dataclasses import dataclass
from typing import Any

from study.definition.meaning import flat
from study.definition.reading import from_canonical
from study.definition.schema import StudyDefinition, plain

LONGEST_VALUE = 60
# They differ in every study and say nothing about how it ran.
NOT_EXPORTED = ("study.", "words.")


@dataclass(frozen=True, slots=True)
class Deviation:
    """One setting that two definitions do not share."""

    key: str
    a: Any
    b: Any
    reason: str
    """Why b has it otherwise, where one of the two says so; else empty."""

    @property
    def text(self) -> str:
        """Give the deviation as one line; long texts only by their length."""
        line = f"{self.key}: {_short(self.a)} → {_short(self.b)}"
        return f"{line}   ({self.reason})" if self.reason else line


def deviations(a: StudyDefinition, b: StudyDefinition) -> tuple[Deviation, ...]:
    """List every setting in which b differs from a, in the order of the keys.

    A reason is the one that b gives and a does not, else the one that a gives and b does not: definitions inherit the
    reasons of what they build on, and those speak of another comparison.
    """
    one, two = flat(a), flat(b)
    return tuple(
        Deviation(key, one[key], two[key], _reason(a.reasons.get(key, ""), b.reasons.get(key, "")))
        for key in one
        if one[key] != two[key]
    )


def exported_deviations(definition: str, preset: str) -> list[dict[str, Any]] | None:
    """List `key`, `preset`, `study`, `reason` of two canonical forms for an export; None if there is no preset."""
    if not preset:
        return None
    return [
        {"key": d.key, "preset": plain(d.a), "study": plain(d.b), "reason": d.reason}
        for d in sorted(deviations(from_canonical(preset), from_canonical(definition)), key=lambda d: d.key)
        if not d.key.startswith(NOT_EXPORTED)
    ]


def _reason(a: str, b: str) -> str:
    if a == b:
        return ""
    return b or a


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, (list, tuple)):
        return f"{len(value)} items" if value and isinstance(value[0], dict) else ", ".join(map(str, value)) or "none"
    return text if len(text) <= LONGEST_VALUE else f"a text of {len(text)} characters"
