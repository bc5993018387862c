"""Run the storm on SQLite and PostgreSQL and write docs/results/chaos.json and docs/chaos.md: `make chaos`."""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.proof import instance, material, postgresql, server
from tools.proof.chaos import disk
from tools.proof.chaos.killer import Killer
from tools.proof.chaos.storm import Ledger, crowd
from tools.proof.chaos.verdict import judge
from tools.proof.person import required_answers

RESULT = server.ROOT / "docs" / "results" / "chaos.json"
PAGE = server.ROOT / "docs" / "chaos.md"
FACTORY = "tools.proof.chaos.jumping:create_app()"
DEFINITION = instance.define(n_practice=2, n_test=4, n_low_anchor=1, n_instructed=1)
SMALL_DISK_MB = 12
SESSIONS = 2000


def main() -> int:
    """Storm, judge, write; status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tools.proof.chaos", description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="on each database  [default: 2000]")
    parser.add_argument("--kill-every", type=float, default=5.0, metavar="S", help="a worker  [default: 5]")
    parser.add_argument("--kill-database-every", type=float, default=20.0, metavar="S")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    told = parser.parse_args()
    if told.sessions < 1:
        parser.error(f"--sessions: expected 1 or more, got {told.sessions}")
    with tempfile.TemporaryDirectory() as scratch:
        stimuli = material.derive(Path(scratch) / "set", size_px=32, n_models=2)
        storms = {
            name: storm(name, told.sessions, stimuli, worker_s=told.kill_every, database_s=told.kill_database_every)
            for name in told.databases
        }
        storms["sqlite, full disk"] = full_disk(min(told.sessions, 100), stimuli)
    command = "make chaos" if told.sessions == SESSIONS else f"python -m tools.proof.chaos --sessions {told.sessions}"
    result = {"command": command, "storms": storms}
    told.out.parent.mkdir(parents=True, exist_ok=True)
    told.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    told.page.write_text(page(result), encoding="utf-8")
    is_good = all(each["verdict"]["is_good"] for each in storms.values())
    print(f"{'nothing was lost' if is_good else 'SOMETHING WAS LOST'}: {told.out}")
    return 0 if is_good else 1


@contextlib.contextmanager
def _database(name: str) -> Iterator[tuple[str, postgresql.PostgreSQL | None]]:
    if name == "sqlite":
        yield "", None
        return
    with postgresql.running() as running:
        yield running.create("chaos"), running


def storm(name: str, n_sessions: int, stimuli: Path, *, worker_s: float, database_s: float) -> dict[str, Any]:
    """Let a crowd take part while workers and the database are killed."""
    print(f"{name}: {n_sessions} sessions …", file=sys.stderr, flush=True)
    with (
        _database(name) as (url, running),
        instance.fresh(DEFINITION, database_url=url, stimuli=stimuli) as place,
        server.serving(place.environment, n_workers=2, factory=FACTORY) as serving,
    ):
        answers = required_answers(place.study.definition)
        before, ledger = time.monotonic(), Ledger()
        killing = Killer(serving, workers_s=worker_s, postgresql=running, database_s=database_s, over=ledger.over)
        with killing as killer:
            crowd(serving.port, place.study.slug, range(n_sessions), answers, ledger=ledger)
        verdict = judge(place, ledger)
    return {
        "verdict": verdict.as_json(),
        "n_workers_killed": killer.n_workers_killed,
        "n_databases_killed": killer.n_databases_killed,
        **_mishaps(ledger),
        "duration_s": round(time.monotonic() - before),
    }


def full_disk(n_sessions: int, stimuli: Path) -> dict[str, Any]:
    """Fill the disk twice while a crowd takes part, and free it again."""
    n_filled = 0
    try:
        with (
            disk.small_disk(SMALL_DISK_MB) as folder,
            instance.fresh(DEFINITION, stimuli=stimuli, folder=folder / "instance") as place,
            server.serving(place.environment, n_workers=2) as serving,
        ):
            stop = threading.Event()

            def fill_and_free() -> None:
                nonlocal n_filled
                while not stop.wait(1.0):
                    ballast = disk.fill(folder)
                    n_filled += 1
                    stop.wait(1.5)
                    ballast.unlink()

            filler = threading.Thread(target=fill_and_free)
            filler.start()
            ledger = crowd(serving.port, place.study.slug, range(n_sessions), required_answers(place.study.definition))
            stop.set()
            filler.join()
            verdict = judge(place, ledger)
    except disk.CannotMountError as error:
        return {"verdict": {"is_good": False}, "not_run": str(error)}
    return {"verdict": verdict.as_json(), "n_times_full": n_filled, **_mishaps(ledger)}


def _mishaps(ledger: Ledger) -> dict[str, Any]:
    return {
        "replies_by_status": {str(k): v for k, v in sorted(ledger.status.items())},
        "n_lost_connections": ledger.n_lost_connections,
        "n_cut": ledger.n_cut,
        "n_doubled_requests": ledger.n_doubled,
        "n_delayed": ledger.n_delayed,
        "n_replayed": ledger.n_replayed,
        "unexpected": ledger.unexpected[:20],
    }


def page(result: dict[str, Any]) -> str:
    """Write the page from the result."""
    storms = result["storms"]
    names = list(storms)

    def row(label: str, *path: str) -> str:
        cells = []
        for name in names:
            value: Any = storms[name]
            for key in path:
                value = value.get(key, "–") if isinstance(value, dict) else "–"
            cells.append(str(value))
        return f"| {label} | " + " | ".join(cells) + " |"

    rows = [
        row("sessions begun", "verdict", "n_sessions"),
        row("last pages seen", "verdict", "n_completed"),
        row("answers acknowledged", "verdict", "n_acknowledged"),
        row("workers killed (SIGKILL)", "n_workers_killed"),
        row("databases killed (SIGKILL)", "n_databases_killed"),
        row("times the disk was full", "n_times_full"),
        row("requests cut", "n_cut"),
        row("requests doubled", "n_doubled_requests"),
        row("requests delayed", "n_delayed"),
        row("old reports sent again, and forged", "n_replayed"),
        row("connections lost", "n_lost_connections"),
        row("**acknowledged answers lost**", "verdict", "n_lost"),
        row("**answers stored twice**", "verdict", "n_doubled"),
        row("**completions without all data**", "verdict", "n_complete_without_data"),
        row("**forged answers accepted**", "verdict", "n_forged"),
        row("**unexpected replies**", "verdict", "n_unexpected"),
        row("**arms out of balance by**", "verdict", "arm_imbalance"),
    ]
    head = "| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names)
    return PAGE_TEXT.format(command=result["command"], table=head + "\n" + "\n".join(rows))


PAGE_TEXT = """# What survives

Written by `{command}` (`docs/results/chaos.json` has the same numbers). Two gunicorn workers with a clock that jumps by up to an hour,
back and forth, from request to request; 16 participants at a time, who repeat what was not answered, as the page's script does.

{table}

What this shows and what not: SIGKILL takes the processes, not the machine. What the kernel had taken survives it, so these
numbers say that nothing is acknowledged before the database has it. That the database brings it to the disk first is its own
promise (`synchronous = FULL`, PostgreSQL's default), which a test checks by its settings. The full disk is a tmpfs of 12 MB
filled to the last byte; answers get 503 while it is full and are repeated.
"""

if __name__ == "__main__":
    raise SystemExit(main())
