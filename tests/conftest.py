"""What all tests share: programs that must be there, and a throwaway PostgreSQL server.

A test marked `chromium`, `firefox`, `postgresql`, `nginx` or `r` needs that program. Where it is missing, a person
gets a skip that says which line installs it; under CI=1 it is a failure, because there it should be installed.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = {
    "chromium": ("chromium", "sudo apt-get install -y chromium"),
    "firefox": ("firefox-esr", "sudo apt-get install -y firefox-esr"),
    "postgresql": ("initdb", "sudo apt-get install -y postgresql"),
    "nginx": ("nginx", "sudo apt-get install -y nginx"),
    "r": ("Rscript", "sudo apt-get install -y r-base-core r-cran-glmmtmb r-cran-lme4"),
}


def find_program(name: str) -> str | None:
    """Find a program on the path, or PostgreSQL's where Debian keeps it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found:
        return found
    debian = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=None)
    return str(newest) if newest else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (program, remedy) in PROGRAMS.items():
        if item.get_closest_marker(marker) and find_program(program) is None:
            message = f"{program} is missing; run: {remedy}"
            if os.environ.get("CI"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server of our own in a temporary folder; gives the address without a database name."""
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="truehue-pg-"))
    if account:
        os.chown(folder, pwd.getpwnam(account).pw_uid, pwd.getpwnam(account).pw_gid)

    def run(program: str, *arguments: str) -> None:
        # A log file, not a pipe: the server would inherit the pipe and keep it open.
        path = find_program(program)
        assert path is not None, f"{program} is missing; run: sudo apt-get install -y postgresql"
        with tempfile.TemporaryFile() as log:
            done = subprocess.run(
                [path, *arguments], stdout=log, stderr=log, cwd=folder, user=account, env=os.environ | {"LC_ALL": "C"}
            )
            log.seek(0)
            assert done.returncode == 0, log.read().decode()

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "truehue", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c unix_socket_permissions=0777"
    folder.chmod(0o755)
    run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://truehue@/{{name}}?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str | None:
    """PostgreSQL refuses to run as root; name somebody else."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture
def postgresql_url(postgresql_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for one test."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)):x}"
    admin = postgresql_server.format(name="postgres").replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.format(name=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
