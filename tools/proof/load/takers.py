"""One participant of each system: `begin` leads to the first trial, `answer` stores one answer."""

import json
import re
import time
from typing import Any, Protocol

from tools.proof.load.websocket import WebSocket
from tools.proof.person import JSON, Http, Person, expect


class Taker(Protocol):
    """Somebody who answers."""

    def begin(self) -> None: ...  # noqa: D102

    def answer(self) -> float: ...  # noqa: D102


class Truehue:
    """A participant of ours; with pictures it fetches the trial's own before it answers."""

    def __init__(self, port: int, about: str, number: int, *, with_pictures: bool = False) -> None:
        self.person = Person(Http(port, timeout_s=60), about, name=f"page-{number}")
        self.with_pictures = with_pictures

    def begin(self) -> None:
        """Agree, read, get the first trial."""
        self.person.begin()

    def answer(self) -> float:
        """Answer; give the milliseconds that the server took."""
        if self.with_pictures:
            for picture in self.person.turn["trial"]["pictures"]:
                self.person.fetch(picture["url"])
        return self.person.answer("left").ms


def report(name: str, number: int) -> dict[str, Any]:
    """Write the report that our page would send, for all systems alike."""
    exposure = {"onset_ms": 0, "offset_ms": 1000, "achieved_ms": 1000.2, "frames": 60, "dropped_frames": 0}
    return {
        "trial_id": f"{number:032d}",
        "idempotency_key": f"{name}-{number}",
        "page_id": name,
        "response": "left",
        "void_reason": None,
        "rt_ms": 812.4,
        "exposures": [exposure, exposure],
        "refresh_hz": 60.0,
        "visible": True,
    }


class Bare:
    """A participant of the bare insert."""

    def __init__(self, port: int, about: str, number: int) -> None:
        self.http, self.name, self.n = Http(port, timeout_s=60), f"page-{number}", 0

    def begin(self) -> None:
        """Nothing to do."""

    def answer(self) -> float:
        """Insert one row."""
        self.n += 1
        return expect(self.http.send("POST", "/answer", json.dumps(report(self.name, self.n)).encode(), JSON), 200).ms


class PsiTurk:
    """A participant of psiTurk: all data so far after each trial, as `psiturk.saveData()` sends it."""

    def __init__(self, port: int, about: str, number: int) -> None:
        self.http, self.name, self.n = Http(port, timeout_s=60), f"w{number}", 0
        self.data: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Open the experiment, say that it begins."""
        place = f"hitId=h&assignmentId=a{self.name}&workerId={self.name}&mode=live"
        expect(self.http.send("GET", f"/exp?{place}"), 200)
        self.id = f"{self.name}:a{self.name}"
        form = f"uniqueId={self.id}".encode()
        expect(self.http.send("POST", "/inexp", form, "application/x-www-form-urlencoded"), 200)

    def answer(self) -> float:
        """Save."""
        told = {"uniqueid": self.id, "current_trial": self.n, "dateTime": int(time.time() * 1000)}
        self.data.append(told | {"trialdata": report(self.name, self.n)})
        self.n += 1
        saved = {
            "condition": 0, "counterbalance": 0, "assignmentId": f"a{self.name}", "workerId": self.name, "hitId": "h",
            "currenttrial": self.n, "bonus": 0, "data": self.data, "questiondata": {}, "eventdata": [],
            "useragent": "", "mode": "live", "status": 1,
        }  # fmt: skip
        request = ("PUT", f"/sync/{self.id}", json.dumps(saved).encode(), JSON)
        try:
            return expect(self.http.send(*request), 200).ms
        except OSError:  # its gunicorn hangs up after two idle seconds; the next request opens a new connection
            return expect(self.http.send(*request), 200).ms


class OTree:
    """A participant of an oTree live page: one message, one reply."""

    def __init__(self, port: int, about: str, number: int) -> None:
        self.port, self.code, self.n = port, about.split(",")[number], 0

    def begin(self) -> None:
        """Open the participant's address and the page's WebSocket."""
        http, path = Http(self.port, timeout_s=60), f"/InitializeParticipant/{self.code}"
        reply = http.send("GET", path)
        while reply.status in {302, 303, 307}:
            reply = http.send("GET", re.sub(r"^https?://[^/]+", "", reply.header("Location")))
        found = re.search(rb'data-socket-url="(/live[^"]+)"', expect(reply, 200).body)
        if found is None:
            raise ConnectionError("oTree's page names no WebSocket")
        self.socket = WebSocket(self.port, found[1].decode().replace("&amp;", "&"))

    def answer(self) -> float:
        """Send, wait."""
        self.n += 1
        before = time.perf_counter()
        self.socket.send(json.dumps(report(self.code, self.n)))
        if not json.loads(self.socket.receive())["otree_success"]:
            raise ConnectionError("oTree's live method failed")
        return (time.perf_counter() - before) * 1000


KINDS: dict[str, Any] = {"truehue": Truehue, "bare": Bare, "psiturk": PsiTurk, "otree": OTree}
