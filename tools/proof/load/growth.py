"""Answers per second against participants, workers and rows in the table; and the memory of all processes over time."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.proof import postgresql
from tools.proof.load import rows
from tools.proof.load.driver import drive
from tools.proof.load.stand import DATABASES, N_ANSWERS, Stand, standing

PARTICIPANTS = (1, 10, 50, 200)
WORKERS = (1, 2, 4)
N_MEMORY_ROUNDS = 6


def _one(stand: Stand, n: int) -> dict[str, Any]:
    return asdict(drive("truehue", stand.port, stand.cpu_s, about=stand.slug, n_participants=n, n_answers=N_ANSWERS))


def measure(small: Path, *, n_participants: int, n_rows: Sequence[int]) -> dict[str, Any]:
    """Measure the three curves on each database, without pictures."""
    found: dict[str, Any] = {"n_participants": n_participants}
    with contextlib.ExitStack() as stack:
        for name in DATABASES:
            database = stack.enter_context(postgresql.running()) if name == "PostgreSQL" else None
            curves: dict[str, Any] = {"participants": {}, "workers": {}, "rows": {}}
            for n_workers in WORKERS:
                with standing(small, database=database, n_workers=n_workers) as stand:
                    curves["workers"][n_workers] = _one(stand, n_participants)
            with standing(small, database=database) as stand:
                for n in PARTICIPANTS:
                    curves["participants"][n] = _one(stand, n)
                for n in n_rows:
                    curves["rows"][rows.fill(stand.place, n)] = _one(stand, n_participants)
            found[name] = curves
    return found


def memory(small: Path, *, n_participants: int) -> dict[str, Any]:
    """Measure the memory of all server processes between rounds of answers, each by new participants."""
    measured, n_answers = [], 0
    with standing(small) as stand:
        for number in range(N_MEMORY_ROUNDS):
            done = drive(
                "truehue", stand.port, stand.cpu_s, about=stand.slug, first=number * n_participants,
                n_participants=n_participants, n_answers=N_ANSWERS,
            )  # fmt: skip
            n_answers += done.n_answers
            measured.append({"n_answers": n_answers, "pss_mb": round(stand.serving.memory_mb(), 1)})
    return {"all_server_processes": measured}
