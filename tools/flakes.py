"""Random orders until one fails.

    python tools/flakes.py --runs 100 --whole 3 [--select MARKS] [FILES…]

Every run has a seed of its own, which orders the tests and seeds their generators (pytest-randomly) and hypothesis, so
that a failure comes again with `python -m pytest --randomly-seed=SEED --hypothesis-seed=SEED`. The first failure ends
it with status 1. What has passed is remembered in out/flakes.json under the state of the checkout: a run that was
stopped goes on with the seeds that are left, and any change of a tracked file begins anew.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
MEMORY = ROOT / "out" / "flakes.json"
UNIT, WHOLE = "unit", "whole"


def git(*arguments: str) -> str:
    """Run git in the checkout and give what it printed."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def state_of_checkout() -> str:
    """Give the commit, and a hash of what differs from it."""
    changes = git("diff", "HEAD", "--binary")
    differs = f"+{hashlib.sha256(changes.encode()).hexdigest()[:12]}" if changes else ""
    return git("rev-parse", "HEAD").strip() + differs


def passed_before(state: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Give the seconds of each seed that passed in this very state, by tier."""
    try:
        kept = json.loads(MEMORY.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    is_same = isinstance(kept, dict) and kept.get("state") == state
    return {tier: dict(kept.get("seconds", {}).get(tier, {})) if is_same else {} for tier in (UNIT, WHOLE)}


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
    state = {"checkout": state_of_checkout(), "select": options.select, "files": options.files}
    seconds = passed_before(state)
    few = ("--hypothesis-profile=flakes", "-n", "2", "--dist", "worksteal")
    tiers = {
        UNIT: (options.runs, [("-m", options.select, *few, *options.files)]),
        WHOLE: (options.whole, [("-m", "alone"), ("-m", "not alone", "-n", "4", "--dist", "worksteal")]),
    }
    for tier, (n_runs, commands) in tiers.items():
        seeds = range(options.first_seed, options.first_seed + n_runs)
        left = [seed for seed in seeds if str(seed) not in seconds[tier]]
        for seed in tqdm(left, total=n_runs, initial=n_runs - len(left), unit=f" {tier} run"):
            began = time.monotonic()
            for command in commands:
                if failed := run(seed, *command):
                    print(failed, file=sys.stderr)
                    return 1
            seconds[tier][str(seed)] = round(time.monotonic() - began, 1)
            MEMORY.parent.mkdir(exist_ok=True)
            MEMORY.write_text(json.dumps({"state": state, "seconds": seconds}, indent=1) + "\n", encoding="utf-8")
    print(f"{options.runs} random orders of the unit tier and {options.whole} of everything: none failed")
    for tier, (n_runs, _) in tiers.items():
        if n_runs and seconds[tier]:
            took = sorted(seconds[tier].values())
            print(f"{tier}: {took[0]:.0f} to {took[-1]:.0f} s a run, median {took[len(took) // 2]:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
