"""From degrees of visual angle to pixels: what has to be known of the screen and the eye's distance.

The person lays a card of known width on the screen (ISO/IEC 7810 ID-1) and finds the blind spot, which lies 13.5°
beside the centre of sight (Li, Joo, Yeatman, Reinecke 2020, "Controlling for participants' viewing distance in
large-scale, psychophysical online experiments using a virtual chinrest", Scientific Reports 10, 904).
"""

import math
from collections.abc import Mapping

from study.definition import StudyDefinition
from study.words import mark

CARD_MM = 85.6
BLIND_SPOT_DEGREES = 13.5
PX_PER_MM = (0.5, 60.0)
DISTANCE_CM = (15.0, 300.0)
MISSING_CARD = mark("Please make the card on the screen as wide as yours.")
MISSING_DISTANCE = mark("Please measure how far your eyes are from the screen, or enter it: 15 to 300 cm.")


def needs_calibration(definition: StudyDefinition) -> bool:
    """Whether pictures have a size in degrees."""
    return definition.trial.size_unit == "degrees"


def judge_sizes(definition: StudyDefinition, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Take device pixels per mm and the distance; return what is stored, and by field what has to be mended."""
    density, distance = _number(given, "device_px_per_mm"), _number(given, "viewing_distance_cm")
    errors = {}
    if density is None or not PX_PER_MM[0] <= density <= PX_PER_MM[1]:
        errors["device_px_per_mm"] = MISSING_CARD
    if distance is None or not DISTANCE_CM[0] <= distance <= DISTANCE_CM[1]:
        errors["viewing_distance_cm"] = MISSING_DISTANCE
    if errors or density is None or distance is None:
        return {}, errors
    return sizes(definition.trial.size_degrees, density, 10 * distance) | {
        "distance_method": "blind_spot" if given.get("distance_method") == "blind_spot" else "entered"
    }, {}


def sizes(degrees: float, device_px_per_mm: float, distance_mm: float) -> dict[str, str]:
    """Name everything about a picture's size that follows: a width of `degrees` at `distance_mm`."""
    width_mm = 2 * distance_mm * math.tan(math.radians(degrees) / 2)
    return {
        "device_px_per_mm": f"{device_px_per_mm:.6g}",
        "viewing_distance_mm": f"{distance_mm:.6g}",
        "picture_width_degrees": f"{degrees:g}",
        "picture_width_mm": f"{width_mm:.6g}",
        "picture_width_device_px": f"{width_mm * device_px_per_mm:.6g}",
    }


def _number(given: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(given.get(name, "").replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
