"""Read an export (`truehue-export/1`, a directory or a zip) and refuse one that cannot be right.

Every refusal is an `ExportError` of one line: where, what was expected, what was found, what to do next.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.archive import AGAIN, ExportError, Files
from analysis.checks import check
from analysis.columns import ANSWERS, SESSIONS, TRIALS
from analysis.parsing import read_table

EXPORT_FORMAT = "truehue-export/1"
MANIFEST_FORMAT = "truehue-stimulus-set/1"


@dataclass(frozen=True)
class Export:
    """One study's data.

    `trials`, `sessions`, `answers` have the columns of docs/formats.md: text and choices as strings ("" where
    empty), counts and measures as numbers (NaN), booleans as pandas "boolean" (NA), times as UTC timestamps (NaT).
    """

    source: str
    study: dict[str, Any]
    manifest: dict[str, Any]
    trials: pd.DataFrame
    sessions: pd.DataFrame
    answers: pd.DataFrame
    sha256: dict[str, str] = field(repr=False)
    files: Files = field(repr=False)

    @property
    def is_simulated(self) -> bool:
        """Whether any session was made by a program: every figure and table then says so."""
        return bool(self.study["is_simulated"]) or bool(self.sessions["is_simulated"].any())

    @property
    def definition(self) -> dict[str, Any]:
        """The canonical study definition."""
        return dict(self.study["definition"])

    def has_original(self, image_id: str) -> bool:
        """Whether the photograph's own colours are in the set; an archive photograph's are not."""
        return any(s["image_id"] == image_id and s["condition"] == "real" for s in self.manifest["stimuli"])

    def stimulus(self, image_id: str, condition: str) -> dict[str, Any]:
        """Return the manifest's entry of a photograph in a condition."""
        for stimulus in self.manifest["stimuli"]:
            if stimulus["image_id"] == image_id and stimulus["condition"] == condition:
                return dict(stimulus)
        raise ExportError(f"manifest.json: expected a stimulus of {image_id} in {condition}, got none; {AGAIN}")


def read_export(path: str | Path) -> Export:
    """Read and check an export.  Raises ExportError at the first thing that cannot be right."""
    files = Files(Path(path))
    raw = {name: files.read(name) for name in ("study.json", "manifest.json")}
    study, manifest = (_read_json(name, raw[name]) for name in raw)
    _check_format("study.json", study, EXPORT_FORMAT)
    _check_format("manifest.json", manifest, MANIFEST_FORMAT)
    _check_fields(
        "study.json",
        study,
        {"study": str, "title": str, "definition": dict, "definition_sha256": str, "manifest_sha256": str}
        | {"is_simulated": bool, "n_sessions": int, "n_trials": int},
    )
    _check_fields("manifest.json", manifest, {"conditions": dict, "images": list, "stimuli": list})
    tables = {}
    for name, columns in (("trials.csv", TRIALS), ("sessions.csv", SESSIONS), ("answers.csv", ANSWERS)):
        raw[name] = files.read(name)
        tables[name] = read_table(name, raw[name], columns)
    export = Export(
        source=Path(path).name,
        study=study,
        manifest=manifest,
        trials=tables["trials.csv"],
        sessions=tables["sessions.csv"],
        answers=tables["answers.csv"],
        sha256={name: hashlib.sha256(data).hexdigest() for name, data in raw.items()},
        files=files,
    )
    check(export)
    return export


def _read_json(name: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ExportError(f"{name}: expected JSON, got {error}; {AGAIN}") from error
    if not isinstance(value, dict):
        raise ExportError(f"{name}: expected a JSON object, got {type(value).__name__}; {AGAIN}")
    return value


def _check_format(name: str, content: dict[str, Any], expected: str) -> None:
    if content.get("format") != expected:
        raise ExportError(
            f"{name}: expected format {expected!r}, got {content.get('format')!r}; "
            "use the truehue version that wrote it, or export again with this one"
        )


def _check_fields(name: str, content: dict[str, Any], fields: dict[str, type]) -> None:
    for key, kind in fields.items():
        if not isinstance(content.get(key), kind):
            raise ExportError(f"{name}: expected the field {key} ({kind.__name__}), got {content.get(key)!r}; {AGAIN}")
