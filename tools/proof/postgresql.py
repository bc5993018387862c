"""A PostgreSQL server of our own in a temporary folder, which may be killed and started again."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def find_program(name: str) -> str | None:
    """Find a program on the path, or PostgreSQL's where Debian keeps it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found:
        return found
    debian = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=None)
    return str(newest) if newest else None


def _account() -> str | None:
    """PostgreSQL refuses to run as root; name somebody else."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgreSQL:
    """A server that listens on a socket in its own folder; `address` lacks the database's name."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="truehue-pg-"))
        self.account = _account()
        if self.account:
            entry = pwd.getpwnam(self.account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.data = str(self.folder / "data")
        self.address = f"postgresql+psycopg://truehue@/{{name}}?host={self.folder}"
        self._run("initdb", "-D", self.data, "-U", "truehue", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self.folder.chmod(0o755)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        path = find_program(program)
        if path is None:
            raise FileNotFoundError(f"{program} is missing; run: sudo apt-get install -y postgresql")
        # A log file, not a pipe: the server would inherit the pipe and keep it open.
        with tempfile.TemporaryFile() as log:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
                [path, *arguments], stdout=log, stderr=log, cwd=self.folder, user=self.account,
                env=os.environ | {"LC_ALL": "C"}, check=False,
            )  # fmt: skip
            if done.returncode:
                log.seek(0)
                raise RuntimeError(f"{program} failed: {log.read().decode()}")

    def start(self) -> None:
        """Start the server; after a crash it recovers from its log."""
        options = f"-k {self.folder} -c listen_addresses='' -c unix_socket_permissions=0777 -c max_connections=120"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "240", "-l", log, "-o", options, "start")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int((Path(self.data) / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """Kill the server and all its processes at once (SIGKILL): no goodbye, no checkpoint."""
        first = self.pid
        os.kill(first, signal.SIGSTOP)  # it forks no backend that the list would lack, which would keep the memory
        pids = (first, *children(first))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(is_running, pids)):  # the next start refuses while one of them holds the shared memory
            time.sleep(0.01)
        # Both name the dead process. PostgreSQL asks whether it exists, and a zombie does until its parent looks.
        for lock in (Path(self.data) / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, name: str) -> str:
        """Make an empty database and give its address."""
        import psycopg

        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.address.format(name=name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is in it."""
        import psycopg

        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @property
    def _admin(self) -> str:
        return self.address.format(name="postgres").replace("+psycopg", "")


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """Give a server that is gone afterwards."""
    server = PostgreSQL()
    try:
        yield server
    finally:
        server.stop()


def children(pid: int) -> list[int]:
    """List the ids of a process's descendants."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
