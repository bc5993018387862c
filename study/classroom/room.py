"""What a class predicted and what came out: the prediction in a file, the numbers from the report's tables."""

import csv
import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from study.config import Settings

RECORDED = "-recorded"
"""Ends the name of the recorded class's study."""
NAIVE = "Wilson"
"""The method in the report's secondary.csv that counts every answer as independent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one colorizer. Rates in percent, 0 to 100; intervals are (low, high)."""

    condition: str
    predicted: float | None
    n_fooled: int
    n_trials: int
    n_participants: int
    rate: float
    naive: tuple[float, float]
    clustered: tuple[float, float]


def key_of(secret: bytes, name: str) -> str:
    """Name the projector's page so that only who was told can find it."""
    return hashlib.blake2b(name.encode(), key=secret[:64], digest_size=12, person=b"classroom").hexdigest()


def _file(settings: Settings, study: str) -> Path:
    return settings.instance / "predictions" / f"{study}.json"


def read_prediction(settings: Settings, study: str) -> dict[str, float]:
    """Give what was predicted for a study (`slug@version`), percent of each condition; empty if nothing was."""
    try:
        data = json.loads(_file(settings, study).read_bytes())
        return {str(name): float(value) for name, value in data.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def keep_prediction(settings: Settings, study: str, prediction: dict[str, float]) -> None:
    """Store a prediction; the first one stays, since a later one would know the result."""
    file = _file(settings, study)
    file.parent.mkdir(exist_ok=True)
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_text(json.dumps(prediction), encoding="utf-8")
    try:
        os.link(scratch, file)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()


def outcomes(tables: Path, prediction: dict[str, float]) -> list[Outcome]:
    """Read the outcomes from a report's folder of tables; a condition without both intervals is left out."""
    naive = {row["condition"]: _interval(row) for row in _rows(tables / "secondary.csv") if row["method"] == NAIVE}
    return [
        Outcome(
            condition=row["condition"],
            predicted=prediction.get(row["condition"]),
            n_fooled=int(row["n_fooled"]),
            n_trials=int(row["n_trials"]),
            n_participants=int(row["n_participants"]),
            rate=100 * float(row["fool_rate"]),
            naive=naive[row["condition"]],
            clustered=_interval(row),
        )
        for row in _rows(tables / "fool_rates.csv")
        if row["condition"] in naive and all(map(math.isfinite, (*naive[row["condition"]], *_interval(row))))
    ]


def _interval(row: dict[str, str]) -> tuple[float, float]:
    return 100 * float(row["ci_low"] or "nan"), 100 * float(row["ci_high"] or "nan")


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
