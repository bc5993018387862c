"""What an answer costs, beside a bare insert, psiTurk and oTree, in one run."""

import contextlib
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.proof import postgresql, server
from tools.proof.load import peers
from tools.proof.load.driver import Drive, drive
from tools.proof.load.stand import N_ANSWERS, Stand, standing

BARE = "bare Flask insert, SQLite"
BARE_PG = "bare Flask insert, PostgreSQL"
OURS = "Truehue, SQLite"
OURS_PG = "Truehue, PostgreSQL"
NGINX = "Truehue, SQLite, both pictures by nginx (X-Accel-Redirect)"
NGINX_PG = "Truehue, PostgreSQL, both pictures by nginx (X-Accel-Redirect)"
PYTHON = "Truehue, SQLite, both pictures by Python (not for production)"
PSITURK = "psiTurk 3.3.1, SQLite"
PSITURK_PG = "psiTurk 3.3.1, PostgreSQL"
OTREE_PG = "oTree 6.0.15 live, PostgreSQL"
FACTORY = "tools.proof.load.bare:create_app()"


@dataclass(frozen=True)
class Served:
    """Something that takes answers."""

    kind: str
    port: int
    cpu_s: Callable[[], float]
    about: str = ""
    with_pictures: bool = False

    def drive(self, number: int, n: int) -> Drive:
        """Let `n` participants answer, for the `number`th time."""
        options = {"with_pictures": True} if self.with_pictures else {}
        return drive(
            self.kind, self.port, self.cpu_s, about=self.about, first=number * n, n_participants=n, n_answers=N_ANSWERS,
            options=options,
        )  # fmt: skip


def measure(
    small: Path, full: Path, scratch: Path, *, n_participants: int, n_rounds: int, environments: Path | None
) -> dict[str, Any]:
    """Let everybody serve the same answers in turn, round after round; the median round counts.

    `small` and `full` are stimulus sets: where no pictures are asked for, small ones are imported sooner.
    `environments`: where psiTurk and oTree are installed; None leaves them out.
    """
    drives: dict[str, list[Drive]] = {}
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql.running())
        served: dict[str, Served] = {}

        def ours(name: str, stimuli: Path, **options: Any) -> None:
            stand: Stand = stack.enter_context(standing(stimuli, **options))
            served[name] = Served("truehue", stand.port, stand.cpu_s, stand.slug, with_pictures=stimuli is full)

        bare = stack.enter_context(server.serving({"BARE_DATABASE": str(scratch / "bare.sqlite3")}, factory=FACTORY))
        served[BARE] = Served("bare", bare.port, bare.cpu_s)
        address = database.create("bare").replace("+psycopg", "")
        bare_pg = stack.enter_context(server.serving({"BARE_DATABASE": address}, factory=FACTORY))
        served[BARE_PG] = Served("bare", bare_pg.port, lambda: bare_pg.cpu_s() + server.tree_cpu_s(database.pid))
        ours(OURS, small)
        ours(OURS_PG, small, database=database)
        if environments is not None:
            for name, kind, where in (
                (PSITURK, "psiturk", None), (PSITURK_PG, "psiturk", database), (OTREE_PG, "otree", database),
            ):  # fmt: skip
                peer = stack.enter_context(peers.running(kind, environments, scratch, where, n_participants, n_rounds))
                served[name] = Served(kind, peer.port, peer.cpu_s, peer.about)
        ours(NGINX, full, is_fronted=True)
        ours(NGINX_PG, full, is_fronted=True, database=database)
        ours(PYTHON, full, by_python=True)
        for number in range(n_rounds):
            for name, each in served.items():
                drives.setdefault(name, []).append(each.drive(number, n_participants))
                print(f"  {name}: {drives[name][-1].cpu_ms_per_answer} ms", file=sys.stderr, flush=True)
    return {
        "n_participants": n_participants,
        "n_answers_each": N_ANSWERS,
        "systems": {
            name: {
                "cpu_ms_per_answer": statistics.median(each.cpu_ms_per_answer for each in some),
                "cpu_ms_by_round": [each.cpu_ms_per_answer for each in some],
                "answers_per_s": statistics.median(each.answers_per_s for each in some),
                "n_answers": sum(each.n_answers for each in some),
                "errors": [error for each in some for error in each.errors],
            }
            for name, some in drives.items()
        },
    }
