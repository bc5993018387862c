"""Kills workers, and the database, again and again while others work."""

import random
import threading

from tools.proof.postgresql import PostgreSQL
from tools.proof.server import Server


class Killer:
    """A thread that kills a worker every `workers_s` seconds and PostgreSQL every `database_s`."""

    def __init__(
        self,
        server: Server,
        *,
        workers_s: float,
        postgresql: PostgreSQL | None = None,
        database_s: float = 20,
        over: threading.Event | None = None,
    ) -> None:
        self.server, self.postgresql, self.over = server, postgresql, over or threading.Event()
        self.error: Exception | None = None
        self.workers_s, self.database_s = workers_s, database_s
        self.n_workers_killed = self.n_databases_killed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Killer":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; the database is up then, or it could not be brought up, which is an error."""
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._kill_and_start()
        except Exception as error:
            self.error = error
            self.over.set()  # else everybody would wait for a database that does not come back

    def _kill_and_start(self) -> None:
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
