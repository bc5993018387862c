"""The server of a demonstration or a class as processes of this machine: up until Ctrl-C, then all down."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

import click

from study.demo.errors import DemoError

START_TIMEOUT_S = 90


def check_port(host: str, port: int, *, command: str) -> None:
    """Stop with one line if nothing can listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DemoError(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another: {command} PORT={port + 1}"
            ) from None


def host_until_ctrl_c(
    environment: dict[str, str],
    *,
    host: str,
    port: int,
    threads: int,
    is_worker_wanted: bool,
    begin: Callable[[], object],
) -> None:
    """Serve; `begin` is called when the server answers. Raises DemoError if it does not."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a script started us with Ctrl-C ignored
        signal.signal(ending, _end)
    server = subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "gunicorn", "study:create_app()", "--bind", f"{host}:{port}", "--workers", "1",
         "--worker-class", "gthread", "--threads", str(threads), "--log-level", "warning", "--no-control-socket"],
        env=environment,
    )  # fmt: skip
    processes = [server]
    try:
        if is_worker_wanted:
            command = [sys.executable, "-m", "flask", "--app", "study", "work"]
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))  # noqa: S603 - ours
        _wait_for(server, f"http://127.0.0.1:{port}/healthz")
        begin()
        code = server.wait()
        if code:
            raise DemoError(f"the server ended with status {code}; the lines above say why")
    except KeyboardInterrupt:
        click.echo("\nbye")
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def has_display() -> bool:
    """Whether a browser could be opened here."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def address_in_network() -> str:
    """Find this machine's address in the local network; 127.0.0.1 where it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737): the system only picks a way to it
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _end(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(number)


def _wait_for(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DemoError(f"the server ended with status {server.returncode}; the lines above say why")
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
    raise DemoError(f"the server did not answer within {START_TIMEOUT_S} s")
