"""Memory of exports: two simulated sizes, ten times apart, in processes of their own.

    python tools/bench_export.py [--trials 100000 1000000] [--out docs/results/export-memory.json]

Rows are copied inside the database, so that a million trials take a minute. Prints the peak memory of each format at
each size and their ratio.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine, text

ROOT = Path(__file__).resolve().parent.parent
FORMATS = ("csv", "psych-ds", "parquet")
MEASURED = """
import resource, sys
from study import create_app
result = create_app().test_cli_runner().invoke(args=sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
sys.exit(result.output if result.exit_code else 0)
"""
DEFINITION = """preset = "zhang2016"
[study]
contact = "lab@example.org"
[practice]
n_trials = 4
n_spare = 2
[test]
n_trials = 16
[catch]
n_low_anchor = 2
n_instructed = 2
n_spare = 2
"""


def command(instance: Path, *arguments: str) -> str:
    """Run a command of the study in an instance; give what it printed."""
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [sys.executable, "-c", MEASURED, *arguments],
        env={**os.environ, "TRUEHUE_INSTANCE": str(instance)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def fill(instance: Path, n_trials: int) -> int:
    """Simulate twenty sessions and copy them until there are about `n_trials`; give how many there are."""
    definition = instance.parent / "bench.toml"
    definition.write_text(DEFINITION, encoding="utf-8")
    command(instance, "create", str(definition), str(ROOT / "study" / "demo" / "stimuli"), "--slug", "bench")
    command(instance, "simulate", "bench", "--participants", "20")
    engine = create_engine(f"sqlite:///{instance / 'truehue.sqlite3'}")
    with engine.begin() as connection:
        n_there = connection.execute(text("SELECT count(*) FROM trial")).scalar_one()
        sessions = columns(connection, "session")
        unique = {
            "id": "id + :n", "session_id": "printf('s-%016x', id + :n)", "token_sha256": "'copy' || (id + :n)",
            "participant_id": "printf('p-%016x', id + :n)", "arm_slot": "arm_slot + :n",
        }  # fmt: skip
        trials = columns(connection, "trial")
        for copy in range(1, -(-n_trials // n_there)):
            n = 20 * copy
            for table, names, new in (
                ("session", sessions, unique),
                ("trial", trials, {"session_id": "session_id + :n"}),
            ):
                values = ", ".join(new.get(name, name) for name in names)
                key = "id" if table == "session" else "session_id"
                query = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {key} <= 20"  # noqa: S608
                connection.execute(text(query), {"n": n})
        return int(connection.execute(text("SELECT count(*) FROM trial")).scalar_one())


def columns(connection: object, table: str) -> list[str]:
    """Name a table's columns."""
    return [row[1] for row in connection.execute(text(f"PRAGMA table_info({table})"))]  # type: ignore[attr-defined]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs=2, default=(100_000, 1_000_000))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for n_wanted in options.trials:
        with tempfile.TemporaryDirectory(prefix="truehue-bench-") as scratch:
            n_trials = fill(Path(scratch) / "instance", n_wanted)
            for kind in FORMATS:
                more = ["--no-results"] if kind == "psych-ds" else []
                begun = time.perf_counter()
                out = str(Path(scratch) / f"{kind}.zip")
                printed = command(Path(scratch) / "instance", "export", "bench", "--out", out, "--format", kind, *more)
                row = found.setdefault(kind, {})
                row[f"peak_mib_{n_trials}"] = round(float(printed.split()[-1]), 1)
                row[f"seconds_{n_trials}"] = round(time.perf_counter() - begun, 1)
    for kind, row in found.items():
        small, large = (value for key, value in row.items() if key.startswith("peak"))
        row["ratio"] = round(large / small, 2)
        print(f"{kind:9} " + ", ".join(f"{key} {value:g}" for key, value in row.items()))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
