"""A display as it was measured: `truehue-display/1`, a small TOML file, named by its SHA-256, and old some day."""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from study.db import Database
from study.definition import StudyDefinition
from study.errors import Refusal
from study.models import DisplayRow
from study.readiness import Check, needs_calibration, sizes

FORMAT = "truehue-display/1"
DISPLAYS: Table = DisplayRow.__table__  # type: ignore[assignment]
XY = (0.0, 1.0)
NUMBERS = {
    "gamma": (0.5, 5.0),
    "white_cd_m2": (1.0, 20_000.0),
    "black_cd_m2": (0.0, 100.0),
    "width_mm": (50.0, 5_000.0),
    "width_px": (300.0, 20_000.0),
    "viewing_distance_mm": (100.0, 10_000.0),
}
"""Key → the values that make sense; width_px in device pixels."""
POINTS = ("red_xy", "green_xy", "blue_xy", "white_xy")
TEXTS = ("name", "instrument")


class DisplayError(Refusal, ValueError):
    """A display profile that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What is known of a seat's display when somebody sits down."""

    sha256: str
    problem: str
    """Empty, `missing` (no profile of that name) or `old`."""
    age_days: int
    facts: tuple[Check, ...]
    """What is stored with the session."""


def read_profile(path: Path) -> dict[str, Any]:
    """Read and check a profile; every number has its limits."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DisplayError(f"{path}: {error.strerror}; name a display profile (TOML)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DisplayError(f"{path}: not valid TOML: {error}") from None
    if data.get("format") != FORMAT:
        raise DisplayError(f'{path}: expected format = "{FORMAT}", got {data.get("format")!r}')
    known = {"format", "measured_on", *TEXTS, *POINTS, *NUMBERS}
    for key in data:
        if key not in known:
            raise DisplayError(f"{path}: unknown key {key}; there are: {', '.join(sorted(known))}")
    for key in (*TEXTS, *POINTS, *NUMBERS, "measured_on"):
        if key not in data:
            raise DisplayError(f"{path}: {key} is missing; docs/formats.md says what a profile holds")
    for key in TEXTS:
        if not isinstance(data[key], str) or not 1 <= len(data[key].strip()) <= 100:
            raise DisplayError(f"{path}: {key}: expected 1 to 100 characters, got {data[key]!r}")
    for key in POINTS:
        value = data[key]
        if not (isinstance(value, list) and len(value) == 2 and all(_within(v, *XY) for v in value)):
            raise DisplayError(f"{path}: {key}: expected chromaticities [x, y] from 0 to 1, got {value!r}")
    for key, (low, high) in NUMBERS.items():
        if not _within(data[key], low, high):
            raise DisplayError(f"{path}: {key}: expected a number from {low:g} to {high:g}, got {data[key]!r}")
    measured = data["measured_on"]
    if not isinstance(measured, date) or isinstance(measured, datetime):
        raise DisplayError(f"{path}: measured_on: expected a date like 2026-11-22, got {measured!r}")
    return data | {"measured_on": measured.isoformat()}


def _within(value: object, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and low <= value <= high


def add_display(database: Database, profile: Mapping[str, Any], *, now: datetime) -> str:
    """Store a profile and return its SHA-256; the newest of a name is the one in force, older ones stay."""
    text = json.dumps(profile, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    row = {
        "sha256": sha256,
        "name": profile["name"],
        "profile": text,
        "measured_on": profile["measured_on"],
        "added_at_utc": now,
    }
    with database.writing() as connection:
        if connection.execute(select(DISPLAYS.c.sha256).where(DISPLAYS.c.sha256 == sha256)).one_or_none() is None:
            connection.execute(insert(DISPLAYS), row)
    return sha256


def list_displays(connection: Connection) -> list[Any]:
    """List the profiles, newest measurement first."""
    return list(connection.execute(select(DISPLAYS).order_by(DISPLAYS.c.measured_on.desc(), DISPLAYS.c.added_at_utc)))


def seat_of(connection: Connection, definition: StudyDefinition, entry: Mapping[str, str], *, today: date) -> Seat:
    """Give what is known of a seat: `entry` may hold `seat`, `experimenter` and `display` (a profile's name)."""
    facts = [Check(name, "lab", entry[name]) for name in ("seat", "experimenter") if entry.get(name)]
    name = entry.get("display", "")
    row = connection.execute(
        select(DISPLAYS)
        .where(DISPLAYS.c.name == name)
        .order_by(DISPLAYS.c.measured_on.desc(), DISPLAYS.c.added_at_utc.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return Seat("", "missing", 0, (*facts, Check("display_profile", "lab", "", "a profile", is_passed=False)))
    age = (today - date.fromisoformat(row.measured_on)).days
    limit = definition.lab.max_age_days
    is_fresh = 0 <= age <= limit
    facts += [
        Check("display_profile", "lab", row.sha256, "a profile", is_passed=True),
        Check("display_profile_age_days", "lab", str(age), f"<= {limit}", is_passed=is_fresh),
    ]
    if needs_calibration(definition):
        profile = json.loads(row.profile)
        known = sizes(
            definition.trial.size_degrees, profile["width_px"] / profile["width_mm"], profile["viewing_distance_mm"]
        )
        facts += [Check(key, "calibration", value) for key, value in {**known, "distance_method": "profile"}.items()]
    return Seat(row.sha256, "" if is_fresh else "old", age, tuple(facts))
