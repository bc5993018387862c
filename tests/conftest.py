"""What all tests share: draws that come again, programs that must be there, and a throwaway PostgreSQL server.

What the product draws in a test's own process (tokens, names, seeds of studies and sessions, keys) follows from the
test's name and pytest-randomly's seed: `make test` is the same each time, a failure of `make flakes` comes again with
its seed. Servers in processes of their own draw as ever. An assertion must hold for every draw all the same.

A test marked `chromium`, `firefox`, `postgresql`, `redis`, `nginx` or `compiler` needs that program. Where it is
missing, a person gets a skip that says which line installs it; under CI=1 it is a failure, because there it should be
installed.
"""

import gc
import hashlib
import itertools
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tools.proof.postgresql import PostgreSQL, find_program, running

# A loaded machine is no failure; hangs are pytest-timeout's. `make test` looks at the same examples each time, so that
# it says the same of the same code; `make flakes` takes other examples in each run: few in the many of the unit tier.
SLOW_IS_FINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("truehue", max_examples=50, derandomize=True, **SLOW_IS_FINE)
settings.register_profile("others", max_examples=50, **SLOW_IS_FINE)
settings.register_profile("flakes", max_examples=5, **SLOW_IS_FINE)
settings.register_profile("mutants", max_examples=10, derandomize=True, database=None, **SLOW_IS_FINE)
settings.load_profile("truehue")

PROGRAMS = {
    "chromium": ("chromium", "sudo apt-get install -y chromium"),
    "firefox": ("firefox-esr", "sudo apt-get install -y firefox-esr"),
    "postgresql": ("initdb", "sudo apt-get install -y postgresql"),
    "redis": ("redis-server", "sudo apt-get install -y redis-server"),
    "nginx": ("nginx", "sudo apt-get install -y nginx"),
    "compiler": ("cc", "sudo apt-get install -y gcc libc6-dev"),
}


# The unit tier (`make flakes`): tests in these folders start no program and listen on no socket, unless marked.
UNIT_FOLDERS = tuple(Path(__file__).parent / name for name in ("study", "analysis"))
OUTSIDE = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.bind")
MAY_GO_OUTSIDE = ("outside", *PROGRAMS)
closed_item: list[str] = []  # the test that runs now, if it may not go outside


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse what an unmarked unit test must not do; `git rev-parse` tells the commit, and `uname` the platform."""
    if closed_item and event in OUTSIDE:  # in this order: at the interpreter's end both names are None
        is_harmless = event == "subprocess.Popen" and str(arguments[0]).rpartition("/")[2] in {"git", "uname"}
        if not is_harmless:
            message = f"{closed_item[0]} went outside ({event}{arguments!r:.200}); mark it with pytest.mark.outside"
            raise AssertionError(message)


sys.addaudithook(_guard)


class Draws:
    """Bytes that follow from `parts`, in the place of the system's that `secrets` and random.SystemRandom draw."""

    def __init__(self, *parts: object) -> None:
        self._key = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
        self._numbers = itertools.count()  # each is given once, also to threads that ask at the same time

    def __call__(self, n: int) -> bytes:
        return hashlib.shake_256(self._key + next(self._numbers).to_bytes(8)).digest(n)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    is_unit = any(folder in item.path.parents for folder in UNIT_FOLDERS)
    closed_item[:] = [item.nodeid] if is_unit and not any(map(item.get_closest_marker, MAY_GO_OUTSIDE)) else []
    seed = item.config.getoption("randomly_seed", 0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "_urandom", Draws(seed, item.nodeid))
            return (yield)
    finally:
        closed_item.clear()


@pytest.fixture
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws in every run, for a test with a statistic in it: its outcome is chance otherwise."""
    monkeypatch.setattr(random, "_urandom", Draws("the same"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """A server that another test has started ends after whichever test is the last."""
    closed_item.clear()


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not walk through pandas, scipy and torch again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (program, remedy) in PROGRAMS.items():
        if item.get_closest_marker(marker) and find_program(program) is None:
            message = f"{program} is missing; run: {remedy}"
            if os.environ.get("CI"):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server of our own in a temporary folder."""
    with running() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for one test."""
    name = f"t{abs(hash(request.node.nodeid)):x}"
    yield postgresql_server.create(name)
    postgresql_server.drop(name)
