"""What all tests share: programs that must be there, and a throwaway PostgreSQL server.

A test marked `chromium`, `firefox`, `postgresql`, `redis`, `nginx` or `r` needs that program. Where it is missing, a
person gets a skip that says which line installs it; under CI=1 it is a failure, because there it should be installed.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tools.proof.postgresql import PostgreSQL, find_program, running

# A loaded machine is no failure; hangs are pytest-timeout's.
settings.register_profile("truehue", deadline=None)
settings.load_profile("truehue")

PROGRAMS = {
    "chromium": ("chromium", "sudo apt-get install -y chromium"),
    "firefox": ("firefox-esr", "sudo apt-get install -y firefox-esr"),
    "postgresql": ("initdb", "sudo apt-get install -y postgresql"),
    "redis": ("redis-server", "sudo apt-get install -y redis-server"),
    "nginx": ("nginx", "sudo apt-get install -y nginx"),
    "r": ("Rscript", "sudo apt-get install -y r-base-core r-cran-glmmtmb r-cran-lme4"),
}


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
