"""Random orders until one fails.

    python tools/flakes.py --runs 100 --whole 3 [--select MARKS] [FILES…]

Every run has a seed of its own, which orders the tests and seeds their generators (pytest-randomly), so that a failure
comes again with `python -m pytest --randomly-seed=SEED`. The first failure ends it with status 1.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent


def run(seed: int, *arguments: str) -> str:
    """Run pytest once; give its output if it failed, else nothing."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--randomly-seed={seed}", *arguments]
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
    spread = ("-n", "2", "--dist", "worksteal")
    for seed in tqdm(range(options.first_seed, options.first_seed + options.runs), unit=" unit runs"):
        if failed := run(seed, "-m", options.select, *spread, *options.files):
            print(failed, file=sys.stderr)
            return 1
    for seed in tqdm(range(options.first_seed, options.first_seed + options.whole), unit=" whole runs"):
        failed = run(seed, "-m", "alone") or run(seed, "-m", "not alone", "-n", "4", "--dist", "worksteal")
        if failed:
            print(failed, file=sys.stderr)
            return 1
    print(f"{options.runs} random orders of the unit tier and {options.whole} of everything: none failed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
