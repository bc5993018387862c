"""Run a page's commands in order and compare what they print with what the page shows."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tools.docs.blocks import Block, read_blocks
from tools.docs.folder import PASSWORD, environment, prepare
from tools.docs.lines import commands, logical_lines, without_comment

PORT = "8000"
LIMIT_S = 600
START_S = 60
ANYTHING = "…"

NOT_RUN = {
    "sudo": "it would change the machine",
    "apt-get": "it would change the machine",
    "pip": "it would change this environment",
    "git": "it needs the repository's address",
    ".": "the environment is active already",
    "cd": "the folder is the test's own",
    "make": "targets take from seconds to hours; annotate with `test: run`",
    "chromium": "it would open a window",
}


@dataclass(frozen=True)
class Failure:
    """A command that did something else than its page says."""

    place: str
    command: str
    told: str

    def __str__(self) -> str:
        return f"{self.place}\n    {self.command.strip()}\n{self.told}"


@dataclass
class _Page:
    folder: Path
    port: str
    state: Path
    environment: Mapping[str, str]
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)


def run_page(page: Path, photographs: Path) -> Iterator[Failure]:
    """Run all blocks of a page in an empty folder; stops at the first that fails, for the next ones build on it."""
    with tempfile.TemporaryDirectory(prefix="truehue-page-") as name, ExitStack() as afterwards:
        base = Path(name).resolve()
        folder = base / "here"
        prepare(folder, photographs)
        (base / "tmp").mkdir()
        running = _Page(folder, _free_port(), base / "state", environment(folder, base / "tmp"))
        afterwards.callback(_stop, running)
        for block in read_blocks(page):
            if (failure := _run_block(block, running)) is not None:
                yield failure
                return


def _run_block(block: Block, page: _Page) -> Failure | None:
    if not block.manner.is_run:
        return None
    if block.language == "python":
        return _python(block, page)
    for typed, shown in block.typed:
        status, printed = 0, ""
        for part, is_server in _parts(typed, has_make=block.manner.reason == "run"):
            text = re.sub(rf"\b{PORT}\b", page.port, part)
            if is_server:
                if told := _serve(text, page):
                    return Failure(block.place, part, told)
                continue
            status, said = _shell(text, page)
            printed += said
            if status != 0:
                break
        if status != block.manner.status:
            return Failure(
                block.place, typed, f"expected exit status {block.manner.status}, got {status}:\n{_end(printed)}"
            )
        if shown is not None and not matches(shown, printed.replace(page.port, PORT)):
            return Failure(block.place, typed, f"the page shows\n{shown}\nbut it printed\n{printed}")
    return None


def _parts(text: str, *, has_make: bool) -> Iterator[tuple[str, bool]]:
    """Give the text in parts: servers alone (True), what lies between them together; lines by rule not run left out."""
    between: list[str] = []
    for line in logical_lines(text):
        called = commands(line)
        if called and _is_server(called[0]):
            if between:
                yield "\n".join(between) + "\n", False
                between = []
            yield line, True
        elif called and called[0][0] in NOT_RUN and not (called[0][0] == "make" and has_make):
            continue
        elif called and called[0][-3:-1] == ["researcher", "add"]:
            between.append(f"echo {shlex.quote(PASSWORD)} | {without_comment(line)} --password-stdin")
        else:
            between.append(line)
    if between:
        yield "\n".join(between) + "\n", False


def _is_server(words: list[str]) -> bool:
    program = Path(words[0]).name
    if program == "gunicorn":
        return "--version" not in words
    return (
        program in ("flask", "truehue-study")
        and any(name in words[1:4] for name in ("run", "demo", "class", "work"))
        and ("--help" not in words)
    )


def _shell(text: str, page: _Page) -> tuple[int, str]:
    # Variables and the folder live on from block to block, as in the reader's terminal.
    before = f'set -a; . {page.state}; set +a; cd "$PAGE_PWD"' if page.state.exists() else "true"
    script = f"{before}\nset -aeo pipefail\ntrap 'export PAGE_PWD=\"$PWD\"; export -p > {page.state}' EXIT\n{text}"
    done = subprocess.run(  # noqa: S603 - what the pages say
        ["/bin/bash", "-c", script],
        cwd=page.folder,
        env=dict(page.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout


def _python(block: Block, page: _Page) -> Failure | None:
    done = subprocess.run(  # noqa: S603 - what the pages say
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=page.folder,
        env=dict(page.environment),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != block.manner.status:
        return Failure(block.place, block.text, _end(done.stderr))
    return None


def _serve(line: str, page: _Page) -> str:
    """Start a server; gives what went wrong, if it does not answer."""
    log = page.folder.parent / f"server-{len(page.servers)}.log"
    text = without_comment(line).rstrip().removesuffix("&")  # in the background it is anyway, and ours to stop
    if " demo" in text and "--no-browser" not in text:
        text += " --no-browser"
    before = f'set -a; . {page.state}; set +a; cd "$PAGE_PWD"\n' if page.state.exists() else ""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - what the pages say
            ["/bin/bash", "-c", before + text],
            cwd=page.folder,
            env=dict(page.environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    page.servers.append(process)
    if page.port not in text:
        return ""  # it opens no port: `flask --app study work`
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(page.port))) == 0:
                return ""
        time.sleep(0.1)
    return f"the server does not answer on port {page.port}:\n{_end(log.read_text(errors='replace'))}"


def _stop(page: _Page) -> None:
    for process in page.servers:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-12:])


def matches(shown: str, printed: str) -> bool:
    """Say whether a command printed what its page shows, in which `…` stands for anything."""

    def lines(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip().splitlines())

    pattern = ".*?".join(re.escape(part) for part in lines(shown).split(ANYTHING))
    return re.fullmatch(pattern, lines(printed), re.DOTALL) is not None
