"""Measure what answers cost and how many people may come; write docs/results/load.json and docs/load.md: `make load`."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.proof import material, server
from tools.proof.load import cost, full, growth, pace
from tools.proof.load.page import write

RESULT = server.ROOT / "docs" / "results" / "load.json"
PAGE = server.ROOT / "docs" / "load.md"
SECTIONS = ("cost", "pace", "full", "growth", "memory")


def main() -> int:
    """Measure section by section; each is written when it is done, and stands until it is measured again."""
    parser = argparse.ArgumentParser(prog="python -m tools.proof.load", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="sections  [default: all]")
    parser.add_argument("--rounds", type=int, default=3, help="of everything in turn  [default: 3]")
    parser.add_argument("--participants", type=int, default=50, help="at once, no think time  [default: 50]")
    parser.add_argument("--walkers", type=int, default=1000, help="participants at a person's pace  [default: 1000]")
    parser.add_argument("--seconds", type=float, default=60, help="of that pace  [default: 60]")
    parser.add_argument("--sessions", type=int, default=100, help="complete ones on each database  [default: 100]")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--without-peers", action="store_true", help="measure neither psiTurk nor oTree")
    parser.add_argument("--environments", type=Path, default=Path("out/peers"), help="where psiTurk and oTree live")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    told = parser.parse_args()
    for name in ("rounds", "participants", "walkers", "seconds", "sessions"):
        if getattr(told, name) < 1:
            parser.error(f"--{name}: expected 1 or more, got {getattr(told, name)}")
    with tempfile.TemporaryDirectory() as scratch:
        # Where no pictures are asked for, their size costs the server nothing; small ones are imported sooner.
        small = material.derive(Path(scratch) / "small", size_px=32, n_copies=2)
        large = material.derive(Path(scratch) / "large", size_px=256, n_copies=2)
        n = told.participants
        sections: dict[str, Callable[[], dict[str, Any]]] = {
            "cost": lambda: cost.measure(
                small, large, Path(scratch), n_participants=n, n_rounds=told.rounds,
                environments=None if told.without_peers else told.environments,
            ),
            "pace": lambda: pace.measure(large, n_participants=told.walkers, duration_s=told.seconds),
            "full": lambda: full.measure(large, n_sessions=told.sessions),
            "growth": lambda: growth.measure(small, n_participants=n, n_rows=told.rows),
            "memory": lambda: growth.memory(small, n_participants=n),
        }  # fmt: skip
        for name in told.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            stamp = _stamp()
            found = sections[name]()
            _keep(told.out, name, stamp | found | {"load_average_after": _load_average()})
            told.page.write_text(write(json.loads(told.out.read_text(encoding="utf-8"))), encoding="utf-8")
    print(told.page.read_text(encoding="utf-8"))
    return 0


def _stamp() -> dict[str, Any]:
    return {
        "command": "make load" if len(sys.argv) == 1 else "python -m tools.proof.load " + " ".join(sys.argv[1:]),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "measured_at_utc": datetime.now(UTC).isoformat(timespec="minutes"),
        "load_average_before": _load_average(),
    }


def _load_average() -> list[float]:
    return [round(x, 1) for x in os.getloadavg()]


def _keep(out: Path, name: str, section: dict[str, Any]) -> None:
    """Replace one section of the result; the others stay."""
    out.parent.mkdir(parents=True, exist_ok=True)
    result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    result[name] = section
    out.write_text(
        json.dumps({key: result[key] for key in SECTIONS if key in result}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    raise SystemExit(main())
