"""Complete sessions, pictures included, as fast as the cores allow: from consent to the last page, through nginx."""

import contextlib
import itertools
import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any

from tools.proof import postgresql
from tools.proof.load.stand import DATABASES, Stand, standing
from tools.proof.person import Http, Person, required_answers

N_PROCESSES = 2
N_THREADS = 16


def _some(port: int, slug: str, numbers: range, answers: dict[str, str], queue: Any) -> None:
    told: dict[str, Any] = {"n_answers": 0, "n_pictures": 0, "n_bytes": 0, "n_complete": 0, "errors": []}
    lock, left = threading.Lock(), iter(numbers)

    def people() -> None:
        http = Http(port, timeout_s=60)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                http.connection.close()
                return
            try:
                counts = _one(Person(http, slug, name=f"page-{number}"), answers)
            except Exception as error:
                with lock:
                    told["errors"].append(f"session {number}: {error!r}")
                continue
            with lock:
                for name, n in counts.items():
                    told[name] += n

    threads = [threading.Thread(target=people) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(told)


def _one(person: Person, answers: dict[str, str]) -> dict[str, int]:
    counts = {"n_answers": 0, "n_pictures": 0, "n_bytes": 0, "n_complete": 0}
    person.begin()
    while person.turn["trial"]:
        for picture in person.turn["trial"]["pictures"]:
            counts["n_bytes"] += len(person.fetch(picture["url"]).body)
            counts["n_pictures"] += 1
        person.answer("left")
        counts["n_answers"] += 1
    person.fill_in(**answers)
    counts["n_complete"] = int(b"Thank you" in person.transport.send("GET", person.here).body)
    return counts


def _run(stand: Stand, n_sessions: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    answers = required_answers(stand.place.study.definition)
    edges = [n_sessions * i // N_PROCESSES for i in range(N_PROCESSES + 1)]
    before, clock = stand.parts(), time.monotonic()
    processes = [
        context.Process(target=_some, args=(stand.port, stand.slug, range(a, b), answers, queue))
        for a, b in itertools.pairwise(edges)
    ]
    for process in processes:
        process.start()
    parts = [queue.get(timeout=900) for _ in processes]
    clock = time.monotonic() - clock
    after = stand.parts()
    for process in processes:
        process.join()
    n = sum(part["n_answers"] for part in parts)
    errors = [error for part in parts for error in part["errors"]]
    return {
        "n_sessions": n_sessions,
        "n_complete": sum(part["n_complete"] for part in parts),
        "n_answers": n,
        "n_pictures": sum(part["n_pictures"] for part in parts),
        "picture_mb": round(sum(part["n_bytes"] for part in parts) / 1e6),
        "n_errors": len(errors),
        "errors": errors[:5],
        "seconds": round(clock, 1),
        "answers_per_s": round(n / clock, 1),
        "sessions_per_min": round(60 * n_sessions / clock, 1),
        "cpu_ms_per_answer": {name: round(1000 * (after[name] - before[name]) / max(n, 1), 3) for name in after},
    }


def measure(full: Path, *, n_sessions: int) -> dict[str, Any]:
    """Lead `n_sessions` complete sessions on each database; everything that they ask for counts."""
    found = {}
    with contextlib.ExitStack() as stack:
        for name in DATABASES:
            database = stack.enter_context(postgresql.running()) if name == "PostgreSQL" else None
            with standing(full, database=database, is_fronted=True) as stand:
                found[name] = _run(stand, n_sessions)
    return found
