"""Where a definition differs from the preset that it names, key by key."""

import json
from typing import Any

from study.definition import load_preset, presets

# They differ in every study and say nothing about how it ran.
NOT_COMPARED = frozenset({"format", "study", "words"})


def deviations(canonical: str) -> list[dict[str, Any]] | None:
    """List `key`, `preset`, `study` for every key whose value differs; None if the preset is not shipped."""
    data = json.loads(canonical)
    name = data["protocol"]["name"]
    if name not in presets():
        return None
    ours, theirs = flatten(data), flatten(json.loads(load_preset(name).canonical))
    return [
        {"key": key, "preset": theirs.get(key), "study": ours.get(key)}
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def flatten(definition: dict[str, Any]) -> dict[str, Any]:
    """Return {"section.key": value} of the sections that are compared; a list is one value."""
    return {
        f"{section}.{key}": value
        for section, table in definition.items()
        if section not in NOT_COMPARED
        for key, value in table.items()
    }
