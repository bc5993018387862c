"""Random orders until one fails.

    python tools/flakes.py --runs 100 --whole 3 [--select MARKS] [FILES…]

Every run has a seed of its own, which orders the tests and seeds their generators (pytest-randomly) and hypothesis, so
that a failure comes again with `python -m pytest --randomly-seed=SEED --hypothesis-seed=SEED`. The first failure ends
it with status 1. The unit tier runs in one process, so that each test can meet what any other has left behind.

What has passed is kept in docs/results/flakes.json with its commit and the state of the files that it depends on: a
run that was stopped goes on with the seeds that are left, a change of the documentation loses nothing, and a change of
the code or of these tests begins anew (earlier runs stay in the file).
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "flakes.json"
UNIT, WHOLE = "unit", "whole"
# What a tier's outcome depends on. The pages and the results are read by tests of the whole, but change no order.
SOURCES = {
    UNIT: (
        "study",
        "analysis",
        "migrations",
        "tests/conftest.py",
        "tests/golden",
        "requirements.txt",
        "pyproject.toml",
    ),
    WHOLE: ("study", "analysis", "colorizer", "migrations", "tests", "tools", "requirements.txt", "pyproject.toml"),
}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only pytest's own folder in it
ROOM_BYTES = 2 << 30


def git(*arguments: str) -> str:
    """Run git in the checkout and give what it printed."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def state_of(paths: tuple[str, ...]) -> str:
    """Give a hash of the tracked files below `paths`, as they lie on the disk."""
    digest = hashlib.sha256()
    for name in sorted(git("ls-files", "-z", "--", *paths).split("\0")):
        file = ROOT / name
        if name and file.is_file():
            digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def read_results() -> dict[str, list[dict[str, Any]]]:
    """Give what is kept of each tier: one entry for each commit and state, with the seconds of each seed."""
    try:
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        kept = {}
    return {tier: kept.get(tier, []) for tier in (UNIT, WHOLE)}


def keep(results: dict[str, list[dict[str, Any]]], tier: str, state: str, seed: int, seconds: float) -> None:
    """Add a run that passed."""
    commit = git("rev-parse", "--short=10", "HEAD").strip()
    entries = [one for one in results[tier] if (one["commit"], one["state"]) == (commit, state)]
    if not entries:
        entries = [{"commit": commit, "state": state, "seconds": {}}]
        results[tier] += entries
    entries[0]["seconds"][str(seed)] = round(seconds, 1)
    lines = [
        f' "{name}": [\n  ' + ",\n  ".join(json.dumps(one) for one in results[name]) + "\n ]"
        if results[name]
        else f' "{name}": []'
        for name in (UNIT, WHOLE)
    ]
    RESULTS.write_text('{\n "command": "make flakes",\n' + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def run(seed: int, *arguments: str) -> str:
    """Run pytest once; give its output if it failed, else nothing."""
    seeds = (f"--randomly-seed={seed}", f"--hypothesis-seed={seed}")
    command = [sys.executable, "-m", "pytest", "-q", "-x", *seeds, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own tests
    return "" if done.returncode == 0 else f"{' '.join(command[1:])}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


def main() -> int:
    """Run the unit tier, then everything as `make test` does."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=100, help="of the unit tier")
    parser.add_argument("--whole", type=int, default=3, help="of everything")
    parser.add_argument("--select", default="", help="marks of the unit tier")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    results = read_results()
    # Databases in memory: a run need not wait for a disk. Fewer examples of the stateful test, as of every property.
    has_room = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > ROOM_BYTES
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(SHARED_MEMORY) if has_room else tempfile.gettempdir()
    others = ("--hypothesis-profile=others",)
    few = ("--hypothesis-profile=flakes", "-p", "no:schemathesis", "-n", "0")
    tiers = {
        UNIT: (options.runs, [("-m", options.select, *few, *options.files)], {"TRUEHUE_EXAMPLES": "2"}),
        WHOLE: (
            options.whole,
            [(*others, "-m", "alone"), (*others, "-m", "not alone", "-n", "4", "--dist", "worksteal")],
            {},
        ),
    }
    for tier, (n_runs, commands, environment) in tiers.items():
        os.environ.update(environment)
        sources = (*SOURCES[tier], *(options.files if tier == UNIT else ()))
        seeds = range(options.first_seed, options.first_seed + n_runs)
        state = state_of(sources)
        passed = {seed for one in results[tier] if one["state"] == state for seed in one["seconds"]}
        left = [seed for seed in seeds if str(seed) not in passed]
        for seed in tqdm(left, total=n_runs, initial=n_runs - len(left), unit=f" {tier} run"):
            began = time.monotonic()
            for command in commands:
                if failed := run(seed, *command):
                    print(failed, file=sys.stderr)
                    return 1
            if state_of(sources) != state:
                print(f"flakes: files changed while seed {seed} ran; start again", file=sys.stderr)
                return 2
            keep(results, tier, state, seed, time.monotonic() - began)
        for name in environment:
            os.environ.pop(name)
        took = sorted(s for one in results[tier] if one["state"] == state for s in one["seconds"].values())
        if n_runs and took:
            print(f"{tier}: {len(took)} random orders, none failed; {took[0]:.0f} to {took[-1]:.0f} s a run")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
