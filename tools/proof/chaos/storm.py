"""Participants with bad luck: requests cut, doubled, delayed, sent again late; and what was acknowledged to them."""

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tools.proof.person import JSON, Http, Person, RefusedError, Reply, expect
from tools.proof.server import HOST

GIVE_UP_AFTER_S = 90


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answer whose reply reached the participant."""

    token: str
    idempotency_key: str
    response: str


@dataclass
class Ledger:
    """What participants were told, and what was done to them."""

    answers: list[Acknowledged] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    """Tokens of sessions whose participant saw the last page."""
    status: dict[int, int] = field(default_factory=dict)
    """HTTP status → how often it came."""
    n_lost_connections: int = 0
    n_cut: int = 0
    n_doubled: int = 0
    n_replayed: int = 0
    n_delayed: int = 0
    unexpected: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set if the storm cannot go on."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, status: int) -> None:
        """Count a reply."""
        with self.lock:
            self.status[status] = self.status.get(status, 0) + 1


class Unlucky:
    """A transport that repeats what failed until it gets an answer below 500, as the page's script does."""

    def __init__(self, port: int, ledger: Ledger, dice: random.Random, *, misfortune: float) -> None:
        self.port, self.ledger, self.dice, self.misfortune = port, ledger, dice, misfortune
        self.http = Http(port, timeout_s=20)

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply:
        """Send until there is an answer; on the way requests are cut, doubled and delayed."""
        may_repeat = not path.endswith("/start")  # a start that was cut leaves an orphan, and the person begins anew
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        wait_s = 0.02
        while True:
            if self.dice.random() < self.misfortune:
                self._mishap(method, path, body, content_type, may_repeat=may_repeat)
            try:
                reply = self.http.send(method, path, body, content_type)
                self.ledger.count(reply.status)
                if reply.status < 500:
                    return reply
            except OSError:
                with self.ledger.lock:
                    self.ledger.n_lost_connections += 1
            if time.monotonic() > deadline or self.ledger.over.is_set():
                raise RefusedError(f"no answer within {GIVE_UP_AFTER_S} s")
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, 1.0)

    def _mishap(self, method: str, path: str, body: bytes, content_type: str, *, may_repeat: bool) -> None:
        kind = self.dice.choice(("cut", "double", "delay")) if may_repeat else "delay"
        if kind == "delay":
            self.ledger.n_delayed += 1
            time.sleep(self.dice.uniform(0, 0.1))
        elif kind == "cut":
            self.ledger.n_cut += 1
            self._send_and_leave(method, path, body, content_type)
        else:
            self.ledger.n_doubled += 1
            twin = threading.Thread(target=self._quietly, args=(method, path, body, content_type))
            twin.start()

    def _quietly(self, method: str, path: str, body: bytes, content_type: str) -> None:
        with contextlib.suppress(OSError):
            Http(self.port, timeout_s=10).send(method, path, body, content_type)

    def _send_and_leave(self, method: str, path: str, body: bytes, content_type: str) -> None:
        """Send the request, whole or in part, and hang up without reading."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type or JSON}\r\n"
        data = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(data[: self.dice.choice((len(data), len(data) // 2, len(data)))])


def take_part(port: int, slug: str, number: int, ledger: Ledger, answers: dict[str, str], *, misfortune: float) -> None:
    """Lead one unlucky participant from consent to the last page."""
    dice = random.Random(number)
    person = Person(Unlucky(port, ledger, dice, misfortune=misfortune), slug, name=f"page-{number}")
    person.agree()
    with ledger.lock:
        ledger.tokens.append(person.token)
    person.leave_instructions()
    person.look()
    old: list[dict[str, object]] = []
    while person.turn["trial"]:
        report = person.report(dice.choice(("left", "right")))
        reply = person.post(f"{person.here}api/response", report)
        expect(reply, 200)
        with ledger.lock:
            ledger.answers.append(Acknowledged(person.token, report["idempotency_key"], report["response"]))
        person.turn = reply.json
        if old and dice.random() < misfortune:
            _replay(person, dice.choice(old), ledger)
        old.append(report)
    person.fill_in(**answers)
    page = expect(person.transport.send("GET", person.here), 200)
    if b"Thank you" in page.body:
        with ledger.lock:
            ledger.completed.append(person.token)


def _replay(person: Person, report: dict[str, object], ledger: Ledger) -> None:
    """Send an older report again, once as it was and once forged: the first is repeated, the second refused."""
    ledger.n_replayed += 1
    expect(person.post(f"{person.here}api/response", report), 200)
    forged = {**report, "idempotency_key": f"forged-{ledger.n_replayed}", "response": "left"}
    reply = person.transport.send("POST", f"{person.here}api/response", json.dumps(forged).encode(), JSON)
    if reply.status != 409:
        ledger.unexpected.append(f"a forged report got {reply.status}")


def crowd(
    port: int,
    slug: str,
    numbers: Sequence[int],
    answers: dict[str, str],
    *,
    misfortune: float = 0.1,
    n_threads: int = 16,
    ledger: Ledger | None = None,
) -> Ledger:
    """Let many take part at once."""
    book = ledger or Ledger()

    def one(number: int) -> None:
        if book.over.is_set():
            return
        try:
            take_part(port, slug, number, book, answers, misfortune=misfortune)
        except (RefusedError, OSError, http.client.HTTPException, ValueError) as error:
            with book.lock:
                book.unexpected.append(f"session {number}: {error}")

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(one, numbers))
    return book
