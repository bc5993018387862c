"""The database's verdict on what a person did at the browser."""

from typing import Any

from person import Person
from study_server import Server

N_TRIALS = 7  # of the study "quick": 2 practice, 3 test, 1 low anchor, 1 instructed


def answered(server: Server) -> list[dict[str, Any]]:
    """The answered trials of the newest session."""
    return [row for row in server.trials("quick") if row["response"]]


def check_session(server: Server, person: Person, *, n_void: int = 0, slug: str = "quick", n: int = N_TRIALS) -> None:
    """Every answer is stored once and in order, and nothing else is but trials that the machine slept through."""
    rows = server.trials(slug)
    valid = [row for row in rows if not row["void_reason"]]
    assert [row["response"] for row in valid] == person.answers
    assert len(valid) == n
    assert n_void <= len(rows) - len(valid) <= n_void + person.naps
    assert len({row["plan_index"] for row in valid}) == n
    assert not person.complaints
