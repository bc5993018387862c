"""In what two definitions differ, and why."""

import difflib
from collections.abc import Iterator
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
        """Give the deviation as a line; of long texts the lines that differ, of a questionnaire its questions."""
        reason = f"   ({self.reason})" if self.reason else ""
        if self.key == "questionnaire":
            return "\n".join((f"{self.key}:{reason}", *(f"    {line}" for line in _questions(self.a, self.b))))
        if isinstance(self.a, str) and isinstance(self.b, str) and max(len(self.a), len(self.b)) > LONGEST_VALUE:
            return "\n".join((f"{self.key}:{reason}", *(f"    {line}" for line in _changed_lines(self.a, self.b))))
        return f"{self.key}: {_short(self.a)} → {_short(self.b)}{reason}"


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
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _changed_lines(a: str, b: str) -> Iterator[str]:
    """Give the lines that one text has and the other has not."""
    for line in difflib.unified_diff(a.splitlines(), b.splitlines(), lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            yield f"{line[0]} {line[1:]}"


def _questions(a: Any, b: Any) -> Iterator[str]:
    """Compare two questionnaires question by question."""
    one, two = ({item["item_id"]: item for item in items} for items in (a, b))
    for name in one:
        if name not in two:
            yield f"- {name}: {one[name]['question']}"
    for name, item in two.items():
        if name not in one:
            yield f"+ {name}: {item['question']}"
            continue
        for key, value in item.items():
            if value != one[name][key]:
                yield f"{name}.{key}: {_field(one[name][key])} → {_field(value)}"
    if sorted(one) == sorted(two) and list(one) != list(two):
        yield f"order: {', '.join(one)} → {', '.join(two)}"


def _field(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "; ".join(f"{option['value']}: {option['label']}" for option in value) or "none"
    return _short(value)
