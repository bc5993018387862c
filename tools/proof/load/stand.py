"""A study that is served for a measurement, with everything whose CPU counts."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.proof import instance, nginx, server
from tools.proof.postgresql import PostgreSQL

N_ANSWERS = 40
DEFINITION = instance.define(n_practice=4, n_test=N_ANSWERS, n_low_anchor=1, n_instructed=1)
ANY_RATE = "1000000r/s"  # all drivers come from one address
DATABASES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Stand:
    """What serves."""

    place: instance.Instance
    serving: server.Server
    front: nginx.Nginx | None
    database: PostgreSQL | None

    @property
    def port(self) -> int:
        """Where participants come to."""
        return self.serving.port if self.front is None else self.front.port

    @property
    def slug(self) -> str:
        """The study's name in addresses."""
        return self.place.study.slug

    def cpu_s(self) -> float:
        """CPU seconds of all server processes: application, nginx, database."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """CPU seconds of each part."""
        parts = {"application": self.serving.cpu_s()}
        if self.front is not None:
            parts["nginx"] = self.front.cpu_s()
        if self.database is not None:
            parts["PostgreSQL"] = server.tree_cpu_s(self.database.pid)
        return parts


@contextlib.contextmanager
def standing(
    stimuli: Path,
    *,
    database: PostgreSQL | None = None,
    n_workers: int = 2,
    is_fronted: bool = False,
    by_python: bool = False,
) -> Iterator[Stand]:
    """Serve a new study, from SQLite if there is no `database`; `is_fronted`: with nginx before it."""
    with contextlib.ExitStack() as stack:
        url = ""
        if database is not None:
            name = f"load_{next(_numbers)}"
            url = database.create(name)
            stack.callback(database.drop, name)
        place = stack.enter_context(instance.fresh(DEFINITION, database_url=url, stimuli=stimuli))
        environment = place.environment | ({} if by_python else {"TRUEHUE_ACCEL_PREFIX": "/pictures"})
        serving = stack.enter_context(server.serving(environment, n_workers=n_workers))
        front = None
        if is_fronted:
            front = stack.enter_context(nginx.fronting([serving.port], place.settings.stimuli, rate=ANY_RATE))
        yield Stand(place, serving, front, database)


_numbers = iter(range(1_000_000))
