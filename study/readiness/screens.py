"""What the browser says of its screen, and whether that is what the definition asks for."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from study.definition.setting import GAMUTS, Readiness

Judgement = tuple[str, str, str, bool | None]
"""Name, what was measured, what was asked for (empty: nothing), whether it fits."""
LONGEST = 40
FACTS = (
    "screen_width_px",
    "screen_height_px",
    "viewport_width_px",
    "viewport_height_px",
    "device_pixel_ratio",
    "zoom",
    "colour_depth",
    "gamut",
    "dynamic_range",
    "forced_colours",
    "dark_mode",
    "fine_pointer",
)
"""Everything that is stored; a browser that does not know one of them leaves it out."""


def read_facts(given: object) -> dict[str, str]:
    """Take what a browser says of its screen; anything that is not a short text, number or truth is left out."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(given, Mapping):
        return {}
    return {name: text for name in FACTS if (text := _text(given.get(name))) is not None}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:.6g}" if math.isfinite(value) else None
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable() else None


def judge_screen(facts: Mapping[str, str], asked: Readiness) -> Iterator[Judgement]:
    """Judge every fact that was told, and every one that is asked for."""
    wanted: dict[str, tuple[str, Callable[[str], bool]]] = {
        "screen_width_px": _at_least(asked.min_screen_width_px),
        "screen_height_px": _at_least(asked.min_screen_height_px),
        "colour_depth": _at_least(asked.min_colour_depth),
        "forced_colours": ("no", lambda value: value == "no"),
    }
    if asked.gamut != "any":
        wanted["gamut"] = f">= {asked.gamut}", lambda value: value in GAMUTS[GAMUTS.index(asked.gamut) :]
    if asked.dynamic_range != "any":
        wanted["dynamic_range"] = asked.dynamic_range, lambda value: value == asked.dynamic_range
    for name in FACTS:
        expected, fits = wanted.get(name, ("", None))
        told = facts.get(name)
        if told is not None or expected:
            yield name, told or "", expected, None if fits is None or told is None or not expected else fits(told)


def _at_least(least: float) -> tuple[str, Callable[[str], bool]]:
    def fits(value: str) -> bool:
        try:
            return float(value) >= least
        except ValueError:
            return False

    return (f">= {least:g}" if least else ""), fits
