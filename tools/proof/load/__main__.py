"""Measure what an answer costs and write docs/results/load.json and docs/benchmarks-server.md: `make load`."""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.proof import instance, material, postgresql, server
from tools.proof.load import pace, peers, rows
from tools.proof.load.driver import Drive, drive

RESULT = server.ROOT / "docs" / "results" / "load.json"
PAGE = server.ROOT / "docs" / "benchmarks-server.md"
N_ANSWERS = 40
DEFINITION = instance.define(n_practice=4, n_test=N_ANSWERS, n_low_anchor=1, n_instructed=1)
PARTS = ("cost", "pace", "growth", "memory")


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.proof.load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of everything in turn  [default: 3]")
    parser.add_argument("--participants", type=int, default=50, help="at once, no think time  [default: 50]")
    parser.add_argument("--walkers", type=int, default=1000, help="participants at a person's pace  [default: 1000]")
    parser.add_argument("--seconds", type=float, default=60, help="of that pace  [default: 60]")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--without-peers", action="store_true", help="measure neither psiTurk nor oTree")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--environments", type=Path, default=Path("out/peers"), help="where psiTurk and oTree live")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    told = parser.parse_args()
    result: dict[str, Any] = {
        "command": "make load" if len(sys.argv) == 1 else "python -m tools.proof.load " + " ".join(sys.argv[1:]),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "n_participants": told.participants,
        "load_average_before": [round(x, 1) for x in os.getloadavg()],
    }
    with tempfile.TemporaryDirectory() as scratch:
        # Where nginx would serve the pictures their size costs the server nothing; small ones are imported sooner.
        stimuli = material.derive(Path(scratch) / "small", size_px=32, n_copies=2)
        parts: dict[str, Callable[[], Any]] = {
            "cost": lambda: cost(stimuli, Path(scratch), told),
            "pace": lambda: walk(stimuli, told),
            "growth": lambda: growth(stimuli, told),
            "memory": lambda: memory(stimuli, told),
        }
        for name in told.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            result[name] = parts[name]()
    result["load_average_after"] = [round(x, 1) for x in os.getloadavg()]
    told.out.parent.mkdir(parents=True, exist_ok=True)
    told.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    told.page.write_text(page(result), encoding="utf-8")
    print(told.page.read_text(encoding="utf-8"))
    return 0


@contextlib.contextmanager
def ours(
    stimuli: Path, *, url: str = "", n_workers: int = 2, accel: bool = True
) -> Iterator[tuple[instance.Instance, server.Server]]:
    """Serve a study as in production: pictures by nginx (X-Accel-Redirect) unless told otherwise."""
    with instance.fresh(DEFINITION, database_url=url, stimuli=stimuli) as place:
        environment = place.environment | ({"TRUEHUE_ACCEL_PREFIX": "/pictures"} if accel else {})
        with server.serving(environment, n_workers=n_workers) as serving:
            yield place, serving


def cost(stimuli: Path, scratch: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Let everybody serve the same answers in turn, round after round; the median round counts."""
    n = told.participants
    drives: dict[str, list[Drive]] = {}
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql.running())
        runs: dict[str, Callable[[int], Drive]] = {}

        def add(name: str, kind: str, port: int, cpu_s: Callable[[], float], **options: Any) -> None:
            about = options.pop("about", "")
            runs[name] = lambda first: drive(
                kind, port, cpu_s, about=about, first=first, n_participants=n, n_answers=N_ANSWERS, options=options
            )

        bare_environment = {"BARE_DATABASE": str(scratch / "bare.sqlite3")}
        factory = "tools.proof.load.bare:create_app()"
        bare = stack.enter_context(server.serving(bare_environment, factory=factory))
        add("bare Flask insert, SQLite", "bare", bare.port, bare.cpu_s)
        place, on_sqlite = stack.enter_context(ours(stimuli))
        add("Truehue, SQLite", "truehue", on_sqlite.port, on_sqlite.cpu_s, about=place.study.slug)
        place, on_pg = stack.enter_context(ours(stimuli, url=database.create("ours")))

        def cpu_with_database() -> float:
            return on_pg.cpu_s() + server.tree_cpu_s(database.pid)

        add("Truehue, PostgreSQL", "truehue", on_pg.port, cpu_with_database, about=place.study.slug)
        if not told.without_peers:
            for kind, name in (("psiturk", "psiTurk 3.3.1, PostgreSQL"), ("otree", "oTree 6.0.15 live, PostgreSQL")):
                peer = stack.enter_context(peers.running(kind, told.environments, scratch, database, n * told.rounds))
                add(name, kind, peer.port, peer.cpu_s, about=peer.about)
        add("Truehue, SQLite, two pictures each by X-Accel-Redirect", "truehue", on_sqlite.port, on_sqlite.cpu_s,
            about=place.study.slug, with_pictures=True)  # fmt: skip
        full = material.derive(scratch / "full", size_px=256, n_copies=2)
        place, by_python = stack.enter_context(ours(full, accel=False))
        add("Truehue, SQLite, two pictures of 256 px each by Python", "truehue", by_python.port, by_python.cpu_s,
            about=place.study.slug, with_pictures=True)  # fmt: skip
        for number in range(told.rounds):
            for name, run in runs.items():
                drives.setdefault(name, []).append(run(number * n))
                print(f"  {name}: {drives[name][-1].cpu_ms_per_answer} ms", file=sys.stderr, flush=True)
    return {
        name: {
            "cpu_ms_per_answer": statistics.median(each.cpu_ms_per_answer for each in some),
            "cpu_ms_by_round": [each.cpu_ms_per_answer for each in some],
            "answers_per_s": statistics.median(each.answers_per_s for each in some),
            "n_answers": sum(each.n_answers for each in some),
            "errors": [error for each in some for error in each.errors],
        }
        for name, some in drives.items()
    }


def walk(stimuli: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Let a thousand answer every five seconds."""
    with ours(stimuli) as (place, serving):
        walked = pace.walk(
            serving.port, place.study.slug, n_participants=told.walkers, every_s=5.0, ramp_s=told.walkers / 25,
            duration_s=told.seconds,
        )  # fmt: skip
    return asdict(walked) | {"variant": "SQLite, 2 workers, both pictures of each trial asked for (X-Accel-Redirect)"}


def growth(stimuli: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Measure against participants, workers and rows, on SQLite."""
    found: dict[str, Any] = {"participants": {}, "workers": {}, "rows": {}}

    def one(place: instance.Instance, serving: server.Server, n: int) -> dict[str, Any]:
        about = place.study.slug
        return asdict(drive("truehue", serving.port, serving.cpu_s, about=about, n_participants=n, n_answers=N_ANSWERS))

    with ours(stimuli) as (place, serving):
        for n in (1, 10, 50, 200):
            found["participants"][n] = one(place, serving, n)
        for n_rows in told.rows:
            n_there = rows.fill(place, n_rows)
            found["rows"][n_there] = one(place, serving, told.participants)
    for n_workers in (1, 2, 4):
        with ours(stimuli, n_workers=n_workers) as (place, serving):
            found["workers"][n_workers] = one(place, serving, told.participants)
    return found


def memory(stimuli: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Measure the memory of all server processes between rounds of answers."""
    with ours(stimuli) as (place, serving):
        measured, n_answers = [], 0
        for number in range(6):
            done = drive(
                "truehue", serving.port, serving.cpu_s, about=place.study.slug, first=number * told.participants,
                n_participants=told.participants, n_answers=N_ANSWERS,
            )  # fmt: skip
            n_answers += done.n_answers
            measured.append({"n_answers": n_answers, "pss_mb": round(serving.memory_mb(), 1)})
    return {"all_server_processes": measured}


def page(result: dict[str, Any]) -> str:
    """Write the page from the result."""
    parts = [
        "# What an answer costs the server\n",
        f"Written by `{result['command']}` ({result['machine']}; load average before and after, other work on the machine "
        f"included: {result['load_average_before']}, {result['load_average_after']}); the same numbers are in "
        "`docs/results/load.json`. Drivers run in processes of their own beside the server, on the same cores. CPU is user "
        "and system time of all server processes, PostgreSQL's included. An answer counts when its reply has come.\n",
    ]
    if "cost" in result:
        parts.append(_cost(result["cost"], result["n_participants"]))
    if "pace" in result:
        p = result["pace"]
        parts.append(
            f"## At a person's pace\n\n{p['n_participants']} participants at once, each answering every {p['every_s']:g} s "
            f"({p['variant']}): {p['n_answers']} answers, median {p['p50_ms']} ms, **p99 {p['p99_ms']} ms**, "
            f"longest {p['max_ms']} ms, {p['n_errors']} errors.\n"
        )
    if "growth" in result:
        parts.append(_growth(result["growth"]))
    if "memory" in result:
        measured = result["memory"]["all_server_processes"]
        cells = ", ".join(f"{each['pss_mb']} MB after {each['n_answers']}" for each in measured)
        parts.append(f"## Memory\n\nProportional memory (PSS) of all server processes, by answers served: {cells}.\n")
    return "\n".join(parts)


def _cost(cost: dict[str, Any], n: int) -> str:
    bare = cost["bare Flask insert, SQLite"]["cpu_ms_per_answer"]
    lines = [
        "## CPU per durable answer\n",
        f"{n} participants at once, {N_ANSWERS} answers each, no think time; everything served in turn, "
        "round after round; the median round, all rounds in brackets. The bare insert knows no session, no plan and no "
        "next trial. psiTurk saves all data so far after each trial, as its script does; oTree live commits after its "
        "reply.\n",
        "| | CPU ms per answer | × bare | answers/s | answers | errors |\n|---|---|---|---|---|---|",
    ]
    for name, each in cost.items():
        rounds = ", ".join(f"{x:.2f}" for x in each["cpu_ms_by_round"])
        lines.append(
            f"| {name} | **{each['cpu_ms_per_answer']:.2f}** ({rounds}) | {each['cpu_ms_per_answer'] / bare:.2f} | "
            f"{each['answers_per_s']:.0f} | {each['n_answers']} | {len(each['errors'])} |"
        )
    return "\n".join(lines) + "\n"


def _growth(growth: dict[str, Any]) -> str:
    lines = [
        "## Growth\n",
        "SQLite, no pictures, 2 workers and the participants of the table above where not varied.\n",
        "| varied | | answers/s | CPU ms per answer | p50 ms | p99 ms |\n|---|---|---|---|---|---|",
    ]
    for what, curve in growth.items():
        for value, each in curve.items():
            lines.append(
                f"| {what} | {value} | {each['answers_per_s']:.0f} | {each['cpu_ms_per_answer']:.2f} | {each['p50_ms']} | "
                f"{each['p99_ms']} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
