"""Debian's Firefox, driven by WebDriver BiDi (W3C) over a web socket: no driver program between.

Only what a test needs: open a page, evaluate, press keys, and hear what the console says.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from study.simulate import asking

PATIENCE_S = 240  # a crowded machine is no failure
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class FirefoxError(AssertionError):
    """Firefox refused a command, or what was waited for did not come."""


class Firefox:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._n = 0
        self.complaints: list[str] = []
        self.version = self._send("session.new", {"capabilities": {}})["capabilities"]["browserVersion"]
        self._send("session.subscribe", {"events": ["log.entryAdded"]})
        self._tab = self._send("browsingContext.getTree", {})["contexts"][0]["context"]

        self._send("script.addPreloadScript", {"functionDeclaration": f"() => {{ {asking.COUNT} }}"})
        self._send("browsingContext.setViewport", {"context": self._tab, "viewport": {"width": 1280, "height": 800}})

    def _send(self, method: str, parameters: dict[str, Any]) -> Any:
        self._n += 1
        self._socket.send(json.dumps({"id": self._n, "method": method, "params": parameters}))
        while True:
            reply = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if reply.get("method") == "log.entryAdded" and reply["params"]["level"] in {"error", "warn"}:
                self.complaints.append(str(reply["params"]["text"]))
            if reply.get("id") == self._n:
                if reply["type"] == "error":
                    raise FirefoxError(f"{method}: {reply['message']}")
                return reply["result"]

    def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self._send("browsingContext.navigate", {"context": self._tab, "url": url, "wait": "complete"})

    def reload(self) -> None:
        """Load the page again."""
        self._send("browsingContext.reload", {"context": self._tab, "wait": "complete"})

    def evaluate(self, expression: str) -> Any:
        """Give the value of an expression or of its promise, as JSON has it."""
        wrapped = f"Promise.resolve({expression}).then((value) => JSON.stringify(value) ?? 'null')"
        result = self._send(
            "script.evaluate", {"expression": wrapped, "target": {"context": self._tab}, "awaitPromise": True}
        )
        if result["type"] == "exception":
            raise FirefoxError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, and give its value; a page that is leaving is asked again."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                value = self.evaluate(expression)
            except FirefoxError as error:
                if "not found" not in str(error) and "context" not in str(error).casefold():
                    raise
                value = None
            if value:
                return value
        raise FirefoxError(f"never came: {expression}")

    def question(self) -> int:
        """Give the number of the open question when its buttons are painted."""
        return int(self.evaluate(f"({asking.PAINTED})()"))

    def wait_for_end(self, number: int) -> None:
        """Wait until this question is open no more."""
        over = asking.over(number)
        self.wait(f"document.querySelector({json.dumps(over)}) !== null")

    def press(self, key: str) -> None:
        """Press and release a key."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        keys = [{"type": "key", "id": "keyboard", "actions": actions}]
        self._send("input.performActions", {"context": self._tab, "actions": keys})

    def click(self, selector: str) -> None:
        """Bring an element into sight and click its middle."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({ block: 'center' });"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        actions = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = [{"type": "pointer", "id": "mouse", "actions": actions}]
        self._send("input.performActions", {"context": self._tab, "actions": mouse})


@contextmanager
def running_firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox without a window and with a profile of its own; tests without it are skipped by their marker."""
    program = shutil.which("firefox-esr")
    if program is None:
        raise FileNotFoundError("firefox-esr is missing; run: sudo apt-get install -y firefox-esr")
    profile = folder / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    with (folder / "firefox.log").open("w+") as log:
        process = subprocess.Popen(
            [program, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            with connect(f"{_address(process, folder / 'firefox.log')}/session", max_size=None) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise FirefoxError(f"Firefox did not start: {log.read_text(errors='replace')[-500:]}")
