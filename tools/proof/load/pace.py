"""Many participants at a person's pace: an answer every few seconds each, both pictures fetched before it."""

import asyncio
import contextlib
import json
import multiprocessing
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.proof import postgresql
from tools.proof.load.stand import DATABASES, standing
from tools.proof.load.takers import report
from tools.proof.server import HOST

EVERY_S = 5.0
BEGIN_PER_S = 25
READ_BYTES = 1 << 20


class Line:
    """A kept connection of one participant."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(
        self, method: str, path: str, body: bytes = b"", kind: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer."""
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection(HOST, self.port, limit=READ_BYTES)
        assert self.reader is not None
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
        self.writer.write((head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode() + body)
        status = int((await self.reader.readline()).split()[1])
        headers: dict[str, str] = {}
        while line := (await self.reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        data = await self.reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.writer.close()
        return status, headers, data


async def _person(port: int, slug: str, number: int, told: dict[str, list[Any]], about: dict[str, float]) -> None:
    dice, line, name = random.Random(number), Line(port), f"pace-{number}"
    form, as_json = "application/x-www-form-urlencoded", "application/json"
    try:
        await asyncio.sleep(dice.random() * about["ramp_s"])
        _, headers, _ = await line.send("POST", f"/s/{slug}/start", b"&", form)
        here = headers["location"]
        await line.send("POST", f"{here}advance", b"stage=instructions", form)
        _, _, data = await line.send("POST", f"{here}api/trial", json.dumps({"page_id": name}).encode(), as_json)
        turn, n = json.loads(data), 0
        await asyncio.sleep(max(0.0, about["from"] + dice.random() * about["every_s"] - time.monotonic()))
        while turn["trial"] and time.monotonic() < about["until"]:
            began = time.monotonic()
            for picture in turn["trial"]["pictures"]:
                await line.send("GET", picture["url"])
            n += 1
            body = json.dumps(report(name, n) | {"trial_id": turn["trial"]["trial_id"]}).encode()
            before = time.perf_counter()
            status, _, data = await line.send("POST", f"{here}api/response", body, as_json)
            told["ms"].append((time.perf_counter() - before) * 1000)
            if status != 200:
                told["errors"].append(f"{status} {data[:100]!r}")
                return
            turn = json.loads(data)
            await asyncio.sleep(max(0.0, began + about["every_s"] * dice.uniform(0.8, 1.2) - time.monotonic()))
    except (OSError, asyncio.IncompleteReadError, ValueError, KeyError, IndexError) as error:
        told["errors"].append(repr(error))


def _many(port: int, slug: str, numbers: range, about: dict[str, float], queue: Any) -> None:
    told: dict[str, list[Any]] = {"ms": [], "errors": []}

    async def everybody() -> None:
        await asyncio.gather(*(_person(port, slug, number, told, about) for number in numbers))

    asyncio.run(everybody())
    queue.put(told)


@dataclass(frozen=True)
class Pace:
    """What they waited."""

    n_participants: int
    every_s: float
    n_answers: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    n_errors: int
    errors: tuple[str, ...]


def measure(full: Path, *, n_participants: int, duration_s: float) -> dict[str, Any]:
    """Let so many answer every five seconds on each database, behind nginx, which sends the pictures."""
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        for name in DATABASES:
            database = stack.enter_context(postgresql.running()) if name == "PostgreSQL" else None
            with standing(full, database=database, is_fronted=True) as stand:
                before = stand.cpu_s()
                walked = walk(
                    stand.port, stand.slug, n_participants=n_participants, every_s=EVERY_S,
                    ramp_s=n_participants / BEGIN_PER_S, duration_s=duration_s,
                )  # fmt: skip
                found[name] = asdict(walked) | {"server_cpu_s": round(stand.cpu_s() - before, 1)}
    return found


def walk(port: int, slug: str, *, n_participants: int, every_s: float, ramp_s: float, duration_s: float) -> Pace:
    """Let them all begin within `ramp_s`, then answer for `duration_s`; two driver processes."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    begin = time.monotonic() + ramp_s + 5
    about = {"ramp_s": ramp_s, "every_s": every_s, "from": begin, "until": begin + duration_s}
    half = n_participants // 2
    numbers = (range(half), range(half, n_participants))
    processes = [context.Process(target=_many, args=(port, slug, some, about, queue)) for some in numbers]
    for process in processes:
        process.start()
    parts = [queue.get(timeout=ramp_s + duration_s + 300) for _ in processes]
    for process in processes:
        process.join()
    times = sorted(ms for part in parts for ms in part["ms"])
    errors = [error for part in parts for error in part["errors"]]
    if not times:
        raise RuntimeError(f"nobody could answer: {errors[:3]}")
    return Pace(
        n_participants=n_participants,
        every_s=every_s,
        n_answers=len(times),
        p50_ms=round(times[len(times) // 2], 1),
        p99_ms=round(times[min(len(times) - 1, int(len(times) * 0.99))], 1),
        max_ms=round(times[-1], 1),
        n_errors=len(errors),
        errors=tuple(errors[:5]),
    )
