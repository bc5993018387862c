"""Kills workers, and the database, again and again while others work."""

import random
import threading

from tools.proof.postgresql import PostgreSQL
from tools.proof.server import Server


class Killer:
    """A thread that kills a worker every `workers_s` seconds and PostgreSQL every `database_s`."""

    def __init__(
        self, server: Server, *, workers_s: float, postgresql: PostgreSQL | None = None, database_s: float = 20
    ) -> None:
        self.server, self.postgresql = server, postgresql
        self.workers_s, self.database_s = workers_s, database_s
        self.n_workers_killed = self.n_databases_killed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Killer":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; the database is up then."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        dice = random.Random(1)
        since_database = 0.0
        while not self._stop.wait(pause := dice.uniform(0.5, 1.5) * self.workers_s):
            self.server.kill_worker(dice.randrange(64))
            self.n_workers_killed += 1
            since_database += pause
            if self.postgresql is not None and since_database > self.database_s:
                since_database = 0.0
                self.postgresql.kill()
                self.n_databases_killed += 1
                self.postgresql.start()
