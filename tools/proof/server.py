"""A study server under gunicorn, as in production: started, measured, wounded, stopped."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.proof.postgresql import children

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 240  # of a crowded machine
TICKS = os.sysconf("SC_CLK_TCK")


def reserve_port() -> socket.socket:
    """Hold a free port of this machine for a program that binds it with SO_REUSEPORT.

    Until the socket is closed nobody else is given the port, and as it does not listen, it takes no connection.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((HOST, 0))
    return holder


def port_of(holder: socket.socket) -> int:
    """Give the port that a socket holds."""
    return int(holder.getsockname()[1])


class Server:
    """gunicorn with `factory`, `n_workers` processes, in a group of its own."""

    def __init__(
        self,
        environment: dict[str, str],
        *,
        n_workers: int = 2,
        n_threads: int = 4,
        factory: str = "study:create_app()",
        python: str = sys.executable,
        cwd: Path = ROOT,
        probe: str = "/healthz",
    ) -> None:
        self._holder = reserve_port()
        self.port = port_of(self._holder)
        self.probe = probe
        self.log = Path(tempfile.mkstemp(prefix="truehue-server-", suffix=".log")[1])
        # The worker count is fixed by --workers; the threads keep connections alive, which sync workers cannot.
        command = [
            python, "-m", "gunicorn", factory, "--bind", f"{HOST}:{self.port}", "--reuse-port",
            "--workers", str(n_workers), "--timeout", "120",
            "--worker-class", "gthread", "--threads", str(n_threads), "--keep-alive", "60", "--log-level", "warning",
            "--worker-connections", "4000", "--backlog", "4096", "--no-control-socket", "--graceful-timeout", "5",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command, cwd=cwd, stdout=log, stderr=log, env=os.environ | environment, start_new_session=True
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", self.probe)
                if connection.getresponse().status < 500:
                    return
            time.sleep(0.05)
        told = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"the server did not start within {START_TIMEOUT_S} s:\n{told}")

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return children(self.process.pid)

    def kill_worker(self, which: int) -> None:
        """Kill a worker outright; gunicorn starts another."""
        workers = self.workers
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[which % len(workers)], signal.SIGKILL)

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the server and all its workers, the dead ones included."""
        return sum(cpu_s(pid) for pid in (self.process.pid, *self.workers))

    def memory_mb(self) -> float:
        """Proportional memory of all processes, in MB."""
        return sum(_pss_kb(pid) for pid in (self.process.pid, *self.workers)) / 1024

    def stop(self) -> None:
        """End it, with force if need be."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._holder.close()
        self.log.unlink(missing_ok=True)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children that were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and all its descendants."""
    return sum(cpu_s(each) for each in (pid, *children(pid)))


def _pss_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


@contextlib.contextmanager
def serving(environment: dict[str, str], **options: object) -> Iterator[Server]:
    """Give a server that is gone afterwards."""
    server = Server(environment, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()
