"""Data files of jsPsych (jspsych.org): CSV or JSON of one or many participants, JATOS result files included.

jsPsych stores one row per trial with trial_type, trial_index, time_elapsed, rt, response, stimulus, and whatever the
experiment's author added; the mapping says which of those columns is the answer.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

# What experiments commonly call the person; the file's name stands in where none of them is there.
PEOPLE = (
    "participant_id",
    "participant",
    "subject_id",
    "subject",
    "PROLIFIC_PID",
    "prolific_pid",
    "workerId",
    "worker_id",
)
OWN = ("trial_type", "trial_index", "time_elapsed")


class JsPsychError(ValueError):
    """The file is no jsPsych data; the message is one line for a person."""


def read_jspsych(paths: list[Path], *, participant: str | None = None) -> pd.DataFrame:
    """Put all files together: their own columns as text, with participant, file and line first."""
    frames = [_one(path, participant) for path in paths]
    return pd.concat(frames, ignore_index=True).fillna("")


def _one(path: Path, participant: str | None) -> pd.DataFrame:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise JsPsychError(f"{path}: expected jsPsych data (CSV or JSON), got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise JsPsychError(f"{path}: expected UTF-8, got: {error}; save the data again") from error
    try:
        if text.lstrip().startswith(("[", "{")):
            frame = pd.DataFrame([_flat(row) for row in _records(text)])
        else:
            frame = pd.read_csv(io.StringIO(text), dtype=str, na_filter=False)
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise JsPsychError(f"{path.name}: expected jsPsych data (CSV or JSON), got: {str(error).strip()}") from error
    missing = [name for name in OWN if name not in frame.columns]
    if missing:
        raise JsPsychError(
            f"{path.name}: expected the column {missing[0]} of jsPsych, got {', '.join(map(str, list(frame)[:8]))}; "
            "a plain table needs no import: run python -m analysis report"
        )
    if participant is not None and participant not in frame.columns:
        raise JsPsychError(
            f"{path.name}: expected the column {participant}, got {', '.join(map(str, list(frame)[:12]))}"
        )
    person = participant or next((name for name in PEOPLE if name in frame.columns), None)
    # A person's name may stand in one row only (the consent or URL parameters): it holds for the whole file then.
    named = (
        frame[person].astype(str).where(frame[person].notna(), "")
        if person
        else pd.Series(path.stem, index=frame.index)
    )
    given = [name for name in named.unique() if name not in {"", "nan", "None"}]
    who = named if len(given) != 1 else pd.Series(given[0], index=frame.index)
    rest = frame.drop(columns=[name for name in ("participant", "file", "line") if name in frame.columns])
    first = pd.DataFrame({"participant": who, "file": path.name, "line": range(1, len(frame) + 1)}, index=frame.index)
    return pd.concat([first, rest.astype(object)], axis=1)


def _records(text: str) -> list[dict[str, Any]]:
    """Return the trials of one JSON array, or of JATOS's one array (or object) per line."""
    try:
        data = json.loads(text)
        parts = data if isinstance(data, list) else [data]
    except json.JSONDecodeError:
        parts = [json.loads(line) for line in text.splitlines() if line.strip()]
    rows: list[Any] = []
    for part in parts:
        rows += part if isinstance(part, list) else [part]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("JSON that is no list of trials")
    return rows


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Write nested answers as columns a.b, and every value as the text that a CSV would hold."""
    found: dict[str, str] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= _flat(value, f"{name}.")
        elif value is None:
            found[name] = ""
        elif isinstance(value, bool):
            found[name] = str(value).lower()
        else:
            found[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def mapping_for(frame: pd.DataFrame) -> str:
    """Return a mapping file to fill in: what is known is set, what only the author knows is a comment."""
    lines = [
        "# Written by python -m analysis import-jspsych. Fill in what only you know. The columns are:",
        f"# {', '.join(map(str, frame.columns))}",
        "",
        "[columns]",
        'participant = "participant"',
        'item = "stimulus"',
        '# condition = "…"       # which system made the fake',
        '# fooled = "…"          # pairs: true where the fake was taken for the real picture',
        '# judged_real = "…"     # or single pictures, with is_fake (or correct = "correct", with is_fake)',
        '# is_fake = "…"',
        'rt_ms = "rt"' if "rt" in frame.columns else '# rt_ms = "…"',
        "",
        "[rows]",
        '# only = { task = "test" }   # the rows of the test; instructions and fixations have no answer',
    ]
    return "\n".join([*lines, ""])
