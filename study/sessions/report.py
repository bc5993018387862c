"""What the browser says: of one trial, and of itself. Its form is checked here, its meaning against the session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.sessions.errors import Invalid

VOID_REASONS = ("hidden", "reloaded", "resized", "load_failed")
MAX_NAME = 64  # characters of page_id and idempotency_key
MAX_MS = 86_400_000.0
MAX_ONSET_MS = 100 * MAX_MS  # since the page was loaded; a page may stay open


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long one picture was really visible."""

    achieved_ms: float
    frames: int
    dropped_frames: int
    onset_ms: float | None = None
    """By the page's own clock."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the browser says of one trial."""

    trial_id: str
    idempotency_key: str
    page_id: str
    response: str
    void_reason: str
    rt_ms: float | None
    exposures: tuple[Exposure, ...]
    """In order of presentation; a void trial may lack them."""
    refresh_hz: float | None
    visible: bool | None
    mask_frames: int | None = None
    shown_width_px: float | None = None
    """CSS px, as the pictures of this trial were."""
    shown_height_px: float | None = None


def parse_report(data: object) -> Report:
    """Check a report's form; what it means is checked against the session."""
    if not isinstance(data, dict):
        raise Invalid("expected a JSON object")
    response, void_reason = data.get("response"), data.get("void_reason")
    if response not in (None, "left", "right"):
        raise Invalid("response: expected left, right or null")
    if void_reason is not None and void_reason not in VOID_REASONS:
        raise Invalid(f"void_reason: expected null or one of {', '.join(VOID_REASONS)}")
    if (response is None) == (void_reason is None):
        raise Invalid("expected either a response or a void_reason")
    exposures = data.get("exposures")
    if exposures is None and void_reason:
        exposures = []
    if not isinstance(exposures, list) or len(exposures) > 2 or (response and not exposures):
        raise Invalid("exposures: expected one object for each exposure")
    visible = data.get("visible")
    if visible is not None and not isinstance(visible, bool):
        raise Invalid("visible: expected true or false")
    rt_ms = number(data, "rt_ms", MAX_MS)
    if response and not rt_ms:
        raise Invalid("rt_ms: expected a number above 0")
    return Report(
        trial_id=short(data, "trial_id"),
        idempotency_key=short(data, "idempotency_key"),
        page_id=short(data, "page_id"),
        response=response or "",
        void_reason=void_reason or "",
        rt_ms=rt_ms if response else None,
        exposures=tuple(_exposure(item, needed=bool(response)) for item in exposures if item or response),
        refresh_hz=number(data, "refresh_hz", 10_000),
        visible=visible,
        mask_frames=None if (n := number(data, "mask_frames", 1e6)) is None else int(n),
        shown_width_px=number(data, "shown_width_px", 100_000),
        shown_height_px=number(data, "shown_height_px", 100_000),
    )


def _exposure(item: object, *, needed: bool) -> Exposure:
    if not isinstance(item, dict):
        raise Invalid("exposures: expected objects")
    achieved = number(item, "achieved_ms", MAX_MS)
    onset = number(item, "onset_ms", MAX_ONSET_MS)
    frames, dropped = (number(item, key, 1e7) for key in ("frames", "dropped_frames"))
    if needed and (achieved is None or frames is None):
        raise Invalid("exposures: expected achieved_ms and frames of each picture")
    return Exposure(
        achieved_ms=achieved or 0.0, frames=int(frames or 0), dropped_frames=int(dropped or 0), onset_ms=onset
    )


def number(data: Mapping[str, object], key: str, at_most: float) -> float | None:
    """Take a number from 0 to `at_most`, or nothing."""
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= at_most:
        raise Invalid(f"{key}: expected a number from 0 to {at_most:g}")
    return float(value)


def short(data: Mapping[str, object], key: str) -> str:
    """Take a short printable name."""
    value = data.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise Invalid(f"{key}: expected 1 to {MAX_NAME} printable characters")
    return value


DEVICE_NUMBERS = {
    "screen_width_px": int,
    "screen_height_px": int,
    "viewport_width_px": int,
    "viewport_height_px": int,
    "device_pixel_ratio": float,
    "refresh_hz": float,
}


def parse_device(data: object) -> dict[str, Any]:
    """Check what the browser says of itself."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Invalid("device: expected an object")
    device: dict[str, Any] = {}
    for key, kind in DEVICE_NUMBERS.items():
        value = number(data, key, 100_000)
        device[key] = None if value is None else kind(value)
    language = data.get("language")
    if language is not None and (
        not isinstance(language, str) or len(language) > MAX_NAME or not language.isprintable()
    ):
        raise Invalid("language: expected a language tag")
    return {**device, "language": language}
