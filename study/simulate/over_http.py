"""Simulated participants who reach a running server over HTTP, several at once; no browser paints for them.

They do what the data-only ones do (`run.take_part`), so one seed gives one set of answers either way. A session is
begun by its function, because no address of the server lets anybody call himself simulated; from its first page on
everything is a request: form, instructions, turns, pictures, answers, questionnaire. A request that a lost connection
or a busy server swallowed is sent again, which the server answers as it did before.
"""

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from study import sessions
from study.models import SessionRow
from study.sessions import Desk
from study.simulate.run import DEVICE, Turn, claim, names_of, start, take_part
from study.simulate.truth import Parameters, SimulationError, state_truth
from study.studies import Study

USER_AGENT = "simulated, HTTP"
OVER = ("complete", "unqualified", "withdrawn")
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
TIMEOUT_S = 60.0
WAITS_S = (0.05, 0.2, 1.0, 3.0)
PAUSE = 503  # a server that asks for a moment


def simulate_over_http(
    desk: Desk,
    study: Study,
    url: str,
    *,
    n_participants: int,
    rates: Mapping[str, float],
    parameters: Parameters,
    clock: Callable[[], datetime],
    n_at_once: int = 8,
    among_people: bool = False,
    tell: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Let simulated participants take part at `url`, which serves this instance; return the stated truth.

    Who was under way when an earlier call was interrupted goes on first; with 0 new participants nobody else comes.
    """
    if n_participants < 0:
        raise SimulationError(f"--participants: expected 0 or more, got {n_participants}")
    if not 1 <= n_at_once <= 256:
        raise SimulationError(f"--at-once: expected 1 to 256, got {n_at_once}")
    address = _Address.parse(url)
    truth = state_truth(study, rates, parameters)
    address.probe(study)
    n_before = claim(desk, study, truth, among_people=among_people)
    people = dict(_under_way(desk, study, truth, n_before))
    # One after the other, so that arms and places in the plan do not depend on who is fast.
    for number in range(n_before, n_before + n_participants):
        people[number] = start(desk, study, truth, number, now=clock(), user_agent=USER_AGENT)
    is_stopped = threading.Event()

    def lead(number: int) -> int:
        line = _Line(address, people[number], is_stopped)
        try:
            take_part(line, desk, study, truth, number, people[number], clock=clock())
        finally:
            line.close()
        return number

    with ThreadPoolExecutor(n_at_once) as pool:
        try:
            for one in as_completed([pool.submit(lead, number) for number in people]):
                tell(one.result())
        except BaseException:
            is_stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return truth


def _under_way(desk: Desk, study: Study, truth: dict[str, Any], n_before: int) -> Iterator[tuple[int, str]]:
    """Find the sessions of an interrupted call by the tokens that the seeds give them."""
    mine = select(SessionRow.token_sha256).where(
        SessionRow.study_id == study.id, SessionRow.user_agent == USER_AGENT, SessionRow.status.not_in(OVER)
    )
    with desk.database.reading_session() as session:
        unfinished = set(session.scalars(mine))
    for number in range(n_before if unfinished else 0):
        token = sessions.make_token(names_of(study, truth, number).getrandbits)
        if sessions.hash_token(token) in unfinished:
            yield number, token


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a server is."""

    url: str
    kind: type[http.client.HTTPConnection]
    host: str
    port: int | None
    prefix: str

    @classmethod
    def parse(cls, url: str) -> "_Address":
        """Read an address; the message of what is none is one line."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urllib.parse.urlsplit("")
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not host or parts.query or parts.fragment:
            raise SimulationError(f"--http: expected an address like http://127.0.0.1:8000, got {url!r}")
        return cls(url, kinds[parts.scheme], host, port, parts.path.rstrip("/"))

    def connect(self) -> http.client.HTTPConnection:
        """Give a connection that opens with its first request."""
        return self.kind(self.host, self.port, timeout=TIMEOUT_S)

    def probe(self, study: Study) -> None:
        """Stop with one line, before anything is written, if nobody answers or the study is not there."""
        connection = self.connect()
        try:
            connection.request("GET", f"{self.prefix}/s/{study.slug}/")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise SimulationError(f"--http: {self.url} does not answer ({error}); start the server first") from None
        finally:
            connection.close()
        if answer.status == 404:
            raise SimulationError(
                f"--http: {self.url} has no study {study.slug}; start the server on this instance and its database"
            )


class _Stopped(Exception):  # noqa: N818 - no error: somebody else's was
    """Another participant failed, or the person at the keyboard had enough."""


@dataclass
class _Line:
    """One participant's connection, kept alive."""

    address: _Address
    token: str
    is_stopped: threading.Event
    connection: http.client.HTTPConnection = field(init=False)
    fetched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the connection; it opens with the first request."""
        self.connection = self.address.connect()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def check(self, answers: dict[str, str], *, now: datetime) -> None:
        """Open the session's page and send its form, if there is one."""
        if b'id="readiness"' in self._send("GET", f"/p/{self.token}/", wanted=200):
            self._submit("checks", answers)

    def leave_instructions(self) -> None:
        """Go on to the trials, and open their page."""
        self._submit("advance", {"stage": "instructions"})
        self._send("GET", f"/p/{self.token}/", wanted=200)

    def next_trial(self, page_id: str, *, now: datetime) -> Turn:
        """Ask for the outstanding trial, and load its pictures."""
        return self._look(self._post("trial", {"page_id": page_id, "device": DEVICE}))

    def answer(self, report: dict[str, Any], *, now: datetime) -> Turn:
        """Report the outstanding trial, and load the pictures of the next."""
        return self._look(self._post("response", report))

    def fill_in(self, answers: dict[str, str], *, now: datetime) -> None:
        """Send the questionnaire, and see the last page."""
        self._submit("answers", answers)
        self._send("GET", f"/p/{self.token}/", wanted=200)

    def _look(self, turn: Turn) -> Turn:
        """Load each picture once, as a browser does: this trial's, then those to be fetched ahead."""
        trial = turn["trial"]
        here = [picture["url"] for picture in trial["pictures"]] + [trial["reference"]] if trial else []
        for url in (*here, *turn["prefetch"]):
            if url and url not in self.fetched:
                self._send("GET", url, wanted=200, is_whole=True)
                self.fetched.add(url)
        return turn

    def _post(self, what: str, data: object) -> Turn:
        body = self._send("POST", f"/p/{self.token}/api/{what}", json.dumps(data).encode(), JSON, wanted=200)
        turn: Turn = json.loads(body)
        return turn

    def _submit(self, what: str, fields: Mapping[str, str]) -> None:
        self._send("POST", f"/p/{self.token}/{what}", urllib.parse.urlencode(fields).encode(), FORM, wanted=303)

    def _send(
        self, method: str, path: str, body: bytes = b"", kind: str = "", *, wanted: int, is_whole: bool = False
    ) -> bytes:
        """Send a request, and again after a lost connection; every request here may come twice.

        `is_whole`: the path came from the server and has its prefix.
        """
        headers = {"Content-Type": kind} if kind else {}
        reason = ""
        for wait_s in (*WAITS_S, None):
            if self.is_stopped.is_set():
                raise _Stopped
            try:
                self.connection.request(method, path if is_whole else self.address.prefix + path, body, headers)
                answer = self.connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                reason = str(error) or type(error).__name__
            else:
                if answer.status == wanted:
                    return data
                reason = f"expected {wanted}, got {answer.status}: {data[:120].decode('utf-8', 'replace')!r}"
                if answer.status != PAUSE:
                    break
            if wait_s is not None:
                time.sleep(wait_s)
        raise SimulationError(
            f"--http: {method} {self.address.url}{path.replace(self.token, '…')}: {reason}; "
            "the same command goes on with those who are under way"
        )
