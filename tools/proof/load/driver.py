"""Participants in processes of their own, so that the driver's work is nobody's but its own."""

import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.proof.load.takers import KINDS

N_PROCESSES = 2
TIMEOUT_S = 600


@dataclass(frozen=True)
class Drive:
    """What came of it."""

    n_answers: int
    cpu_ms_per_answer: float
    answers_per_s: float
    p50_ms: float
    p99_ms: float
    errors: tuple[str, ...]


def _some(
    kind: str, port: int, about: str, numbers: range, n_answers: int, options: dict[str, Any], gate: Any, told: Any
) -> None:
    """Lead some participants, a thread each: all begin, all wait, all answer without a pause."""
    times: list[float] = []
    errors: list[str] = []
    ready = threading.Barrier(len(numbers) + 1)
    go = threading.Event()

    def one(number: int) -> None:
        taker = None
        try:
            taker = KINDS[kind](port, about, number, **options)
            taker.begin()
        except Exception as error:
            errors.append(f"begin: {error!r}")
        ready.wait()
        go.wait()
        try:
            for _ in range(n_answers if taker else 0):
                times.append(taker.answer())
        except Exception as error:
            errors.append(f"answer: {error!r}")

    threads = [threading.Thread(target=one, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    ready.wait()
    gate.wait(TIMEOUT_S)  # all have begun
    gate.wait(TIMEOUT_S)  # the CPU clock is read
    go.set()
    for thread in threads:
        thread.join()
    told.put((times, errors))


def drive(
    kind: str,
    port: int,
    cpu_s: Callable[[], float],
    *,
    about: str = "",
    first: int = 0,
    n_participants: int = 50,
    n_answers: int = 20,
    options: dict[str, Any] | None = None,
) -> Drive:
    """Let participants answer; `cpu_s` gives the CPU seconds of everything that serves."""
    context = multiprocessing.get_context("spawn")
    n_processes = min(N_PROCESSES, n_participants)
    gate, told = context.Barrier(n_processes + 1), context.Queue()
    edges = [first + n_participants * i // n_processes for i in range(n_processes + 1)]
    processes = [
        context.Process(target=_some, args=(kind, port, about, range(a, b), n_answers, options or {}, gate, told))
        for a, b in itertools.pairwise(edges)
    ]
    for process in processes:
        process.start()
    gate.wait(TIMEOUT_S)
    cpu, clock = cpu_s(), time.monotonic()
    gate.wait(TIMEOUT_S)
    parts = [told.get(timeout=TIMEOUT_S) for _ in processes]
    cpu, clock = cpu_s() - cpu, time.monotonic() - clock
    for process in processes:
        process.join()
    times = sorted(ms for part, _ in parts for ms in part)
    errors = tuple(error for _, part in parts for error in part)
    if not times:
        raise RuntimeError(f"{kind}: nobody could answer: {errors[:3]}")
    return Drive(
        n_answers=len(times),
        cpu_ms_per_answer=round(1000 * cpu / len(times), 3),
        answers_per_s=round(len(times) / clock, 1),
        p50_ms=round(times[len(times) // 2], 1),
        p99_ms=round(times[min(len(times) - 1, int(len(times) * 0.99))], 1),
        errors=errors[:10],
    )
