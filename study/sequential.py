"""Looking while people come in, where the study declared it: `analysis.sequential = true`.

`python -m analysis sequential` computes an always-valid interval on a snapshot, in the background, at most once a
minute; its file in the reports' folder tells every worker what was found when. Nothing else shows answers early.
"""

import fcntl
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from study.config import Settings
from study.export import utc_text, write_export
from study.sessions import Desk

EVERY = timedelta(minutes=1)
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Look:
    """What was found when: of each condition `condition`, `n_participants`, `mean`, `ci_low`, `ci_high`."""

    at_utc: str
    conditions: tuple[dict[str, Any], ...] = ()
    message: str = ""
    """Why there is no interval."""


def look(desk: Desk, settings: Settings, study_id: int, *, now: datetime) -> Look | None:
    """Give the newest look of a study that declared it, and begin the next if it is time; None until the first is done.

    Raises ValueError for a study that declared none.
    """
    study = desk.study(study_id)
    if not study.definition.analysis.sequential:
        raise ValueError(f"{study.name} declares no sequential design")
    file = settings.reports / study.slug / f"sequential-v{study.version}.json"
    found = read_look(file)
    if found is None or now - datetime.fromisoformat(found.at_utc) >= EVERY:
        thread = threading.Thread(
            target=compute, args=(desk, settings, study_id, file), kwargs={"now": now}, daemon=True
        )
        thread.start()
    return found


def read_look(file: Path) -> Look | None:
    """Read what the last look found; None if there was none."""
    try:
        data = json.loads(file.read_bytes())
        return Look(data["at_utc"], tuple(data["conditions"]), data["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def compute(desk: Desk, settings: Settings, study_id: int, file: Path, *, now: datetime) -> None:
    """Look once, unless another worker is at it or was within the minute; the lock dies with its holder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        before = read_look(file)
        if before is not None and now - datetime.fromisoformat(before.at_utc) < EVERY:
            return
        try:
            found = _compute(desk, settings, study_id, now=now)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            found = Look(utc_text(now), message=f"{type(error).__name__}: {error}"[:500])
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(found)), encoding="utf-8")
        scratch.replace(file)


def _compute(desk: Desk, settings: Settings, study_id: int, *, now: datetime) -> Look:
    with tempfile.TemporaryDirectory(dir=settings.reports, prefix=".look-") as scratch:
        data = write_export(desk.database, settings.stimuli, study_id, Path(scratch) / "export", now=now)
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "analysis", "sequential", str(data), "--json"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ")
        # The analysis names the file first; that name says nothing here.
        return Look(utc_text(now), message=reason.removeprefix(f"{data}: ")[:500])
    rows = json.loads(done.stdout)["conditions"]
    kept = ("condition", "n_participants", "mean", "ci_low", "ci_high", "confidence")
    return Look(utc_text(now), tuple({key: row[key] for key in kept} for row in rows))
