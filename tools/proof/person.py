"""A simulated participant who speaks HTTP and knows only what a browser would be told."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tools.proof.server import HOST

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
DEVICE = {"screen_width_px": 1440, "screen_height_px": 900, "device_pixel_ratio": 1.0, "language": "en"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and how long it took."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    ms: float

    def header(self, name: str) -> str:
        """Give a header's value, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Transport(Protocol):
    """A way to send a request."""

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply: ...  # noqa: D102


class Http:
    """A connection that is kept alive; a lost one raises OSError and is made anew by the next request."""

    def __init__(self, port: int, timeout_s: float = 120) -> None:
        self.connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply:
        """Send a request and wait for its answer."""
        headers = {"Content-Type": content_type} if content_type else {}
        before = time.perf_counter()
        try:
            self.connection.request(method, path, body or None, headers)
            answer = self.connection.getresponse()
            data = answer.read()
        except http.client.HTTPException as error:
            self.connection.close()
            raise ConnectionError(str(error)) from None
        except OSError:
            self.connection.close()
            raise
        return Reply(answer.status, tuple(answer.getheaders()), data, (time.perf_counter() - before) * 1000)


class Wsgi:
    """The application itself, without a network; for tests."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply:
        """Send a request and wait for its answer."""
        before = time.perf_counter()
        answer = self.client.open(path, method=method, data=body or None, content_type=content_type or None)
        ms = (time.perf_counter() - before) * 1000
        return Reply(answer.status_code, tuple(answer.headers), answer.data, ms)


class RefusedError(RuntimeError):
    """The server answered with a status that the participant did not expect."""


@dataclass
class Person:
    """Somebody who takes part. `turn` is the last turn that the server sent."""

    transport: Transport
    slug: str
    name: str = "page"
    token: str = ""
    turn: dict[str, Any] = field(default_factory=dict)
    n_sent: int = 0

    @property
    def here(self) -> str:
        """The session's address."""
        return f"/p/{self.token}/"

    def post(self, path: str, data: object) -> Reply:
        """Post JSON."""
        return self.transport.send("POST", path, json.dumps(data).encode(), JSON)

    def submit(self, path: str, **fields: str) -> Reply:
        """Post a form."""
        return self.transport.send("POST", path, urllib.parse.urlencode(fields).encode() or b"&", FORM)

    def begin(self) -> "Person":
        """Agree, leave the instructions, get the first trial."""
        self.agree()
        self.leave_instructions()
        self.look()
        return self

    def agree(self) -> None:
        """Agree on the first page."""
        reply = self.submit(f"/s/{self.slug}/start")
        expect(reply, 303)
        self.token = reply.header("Location").rstrip("/").rsplit("/", 1)[1]

    def leave_instructions(self) -> None:
        """Go on to the trials."""
        expect(self.submit(f"{self.here}advance", stage="instructions"), 303)

    def look(self) -> Reply:
        """Ask for the outstanding trial."""
        reply = self.post(f"{self.here}api/trial", {"page_id": self.name, "device": DEVICE})
        self.turn = expect(reply, 200).json
        return reply

    def fetch(self, url: str) -> Reply:
        """Fetch a picture."""
        return expect(self.transport.send("GET", url), 200)

    def report(self, response: str) -> dict[str, Any]:
        """Make a report of the outstanding trial."""
        self.n_sent += 1
        exposure = {"onset_ms": 0, "offset_ms": 1000, "achieved_ms": 1000.2, "frames": 60, "dropped_frames": 0}
        return {
            "trial_id": self.turn["trial"]["trial_id"],
            "idempotency_key": f"{self.name}-{self.n_sent}",
            "page_id": self.name,
            "response": response,
            "void_reason": None,
            "rt_ms": 812.4,
            "exposures": [exposure, exposure],
            "refresh_hz": 60.0,
            "visible": True,
        }

    def answer(self, response: str) -> Reply:
        """Answer the outstanding trial."""
        reply = self.post(f"{self.here}api/response", self.report(response))
        self.turn = expect(reply, 200).json
        return reply

    def fill_in(self, **answers: str) -> Reply:
        """Send the questionnaire."""
        return expect(self.submit(f"{self.here}answers", **(answers or {"colour_vision": "no"})), 303)


def expect(reply: Reply, status: int) -> Reply:
    """Stop if the status is another."""
    if reply.status != status:
        raise RefusedError(f"expected {status}, got {reply.status}: {reply.body[:200]!r}")
    return reply


def required_answers(definition: Any) -> dict[str, str]:
    """Give an answer to every questionnaire item that needs one."""
    answers: dict[str, str] = {}
    for item in definition.questionnaire.items:
        if not item.required:
            continue
        if item.type == "choice":
            answers[item.item_id] = item.options[0].value
        elif item.type == "text":
            answers[item.item_id] = "simulated"
        else:
            answers[item.item_id] = str(int(item.minimum or 0))
    return answers


Tell = Callable[[str], object]
