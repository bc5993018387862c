"""Read an export (`truehue-export/1`, a directory or a zip) and refuse one that cannot be right.

Every refusal is an `ExportError` of one line: where, what was expected, what was found, what to do next.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from analysis.archive import AGAIN, ExportError, Files
from analysis.checks import check
from analysis.columns import ANSWERS, SESSIONS, TRIALS
from analysis.exports import EXPORT_FORMAT, MANIFEST_FORMAT, Export
from analysis.parsing import read_table


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
