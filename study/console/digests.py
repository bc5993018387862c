"""What the trials of each session amount to, remembered by the worker: a session is counted again when it has grown.

Trials are only ever appended (or all deleted by withdrawal), so a session's newest trial_index tells whether anything
happened. Ten thousand sessions are counted once; after that a look costs those who answered since.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, case, func, select

from study.db import Database
from study.models import SessionRow, TrialRow

FAST_MS = 250  # nobody sees two pictures, decides and presses in less
CHUNK = 500
AT_ONCE = 500
"""Grown sessions that a request counts itself; more are counted beside it."""


class Digest(NamedTuple):
    """The trials of one session in numbers."""

    n_trials: int
    n_void: int
    n_hidden: int
    n_instructed: int
    n_instructed_failed: int
    n_timed: int
    """Answered trials whose pictures were to be seen for a set time."""
    n_exact: int
    """Those of them that missed it by a frame at most."""
    n_scored: int = 0
    n_left: int = 0
    """Scored answers on the left, or `real`."""
    n_fast: int = 0
    longest: int = 0
    """Scored answers alike in a row."""


Session = Row[int, str, int]
"""Row, arm, and newest trial_index (-1 without a trial) of a session."""
NOTHING = Digest(0, 0, 0, 0, 0, 0, 0)


def list_sessions(connection: Connection, study_id: int, *, is_pilot: bool) -> Sequence[Session]:
    """List a study's sessions."""
    newest = (
        select(func.max(TrialRow.trial_index)).where(TrialRow.session_id == SessionRow.id).correlate(SessionRow)
    ).scalar_subquery()
    columns = select(SessionRow.id, SessionRow.arm, func.coalesce(newest, -1))
    rows = connection.execute(columns.where(SessionRow.study_id == study_id, SessionRow.is_pilot == is_pilot))
    return rows.all()


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split names of sessions into what one statement asks for."""
    return (ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK))


def read_digests(connection: Connection, ids: Iterable[int]) -> dict[int, Digest]:
    """Count the trials of sessions; those without a trial are missing."""
    found: dict[int, Digest] = {}
    for some in chunks(list(ids)):
        runs = {row.session_id: row[1:] for row in connection.execute(_runs(some))}
        for row in connection.execute(_sums(some)):
            found[row.session_id] = Digest(*row[1:], *runs.get(row.session_id, ()))
    return found


def _sums(ids: Sequence[int]) -> Any:
    answered = TrialRow.void_reason == ""
    instructed = answered & (TrialRow.control == "instructed")
    frame_ms = func.coalesce(1000.0 / func.nullif(TrialRow.refresh_hz, 0), 1000.0 / 60)
    first, second = TrialRow.exposure_a_ms_achieved, TrialRow.exposure_b_ms_achieved
    timed = answered & TrialRow.exposure_ms_nominal.is_not(None) & first.is_not(None)
    exact = timed
    for achieved in (first, func.coalesce(second, first)):  # a single picture has one exposure
        exact &= func.abs(achieved - TrialRow.exposure_ms_nominal) <= frame_ms + 0.5
    return (
        select(
            TrialRow.session_id,
            func.count(),
            func.count(case((~answered, 1))),
            func.count(case((TrialRow.void_reason == "hidden", 1))),
            func.count(case((instructed, 1))),
            func.count(case((instructed & (TrialRow.response != TrialRow.instructed_response), 1))),
            func.count(case((timed, 1))),
            func.count(case((exact, 1))),
        )
        .where(TrialRow.session_id.in_(ids))
        .group_by(TrialRow.session_id)
    )


def _runs(ids: Sequence[int]) -> Any:
    """Scored answers, how many were on the left or fast, and the longest run of the same."""
    side = (TrialRow.session_id, TrialRow.response)
    place = func.row_number().over(partition_by=TrialRow.session_id, order_by=TrialRow.trial_index)
    place_on_side = func.row_number().over(partition_by=side, order_by=TrialRow.trial_index)
    runs = (
        select(*side, TrialRow.rt_ms, (place - place_on_side).label("run"))
        .where(TrialRow.session_id.in_(ids), TrialRow.void_reason == "", TrialRow.control == "")
        .subquery()
    )
    per_run = (
        select(
            runs.c.session_id,
            func.count().label("length"),
            func.count(case((runs.c.response.in_(("left", "real")), 1))).label("n_left"),
            func.count(case((runs.c.rt_ms < FAST_MS, 1))).label("n_fast"),
        )
        .group_by(runs.c.session_id, runs.c.response, runs.c.run)
        .subquery()
    )
    length, n_left, n_fast = per_run.c.length, per_run.c.n_left, per_run.c.n_fast
    sums = (func.sum(length), func.sum(n_left), func.sum(n_fast), func.max(length))
    return select(per_run.c.session_id, *sums).group_by(per_run.c.session_id)


class Digests:
    """The digests of one study's sessions, as far as they have been counted."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Digest]] = {}
        self._lock = threading.Lock()
        self._counting = threading.Lock()

    def update(self, database: Database, sessions: Iterable[Session]) -> Callable[[], None] | None:
        """Count what has grown; if that is much, give what begins to count it beside: until then, all here is older."""
        known, new = self._known, (-1, NOTHING)
        grown = {key: newest for key, _, newest in sessions if known.get(key, new)[0] != newest}
        if len(grown) <= AT_ONCE:
            self._count(database, grown)
            return None

        def begin() -> None:
            if self._counting.acquire(blocking=False):
                threading.Thread(target=self._count_beside, args=(database, grown), daemon=True).start()

        return begin

    def _count_beside(self, database: Database, grown: Mapping[int, int]) -> None:
        try:
            for some in chunks(list(grown)):
                self._count(database, {key: grown[key] for key in some})
        finally:
            self._counting.release()

    def _count(self, database: Database, grown: Mapping[int, int]) -> None:
        if not grown:
            return
        with database.reading() as connection:
            found = read_digests(connection, [key for key, newest in grown.items() if newest >= 0])
        with self._lock:
            # A trial that came in between is counted twice at worst: the next look sees a newer index.
            self._known.update({key: (newest, found.get(key, NOTHING)) for key, newest in grown.items()})

    def wait(self) -> None:
        """Return when nothing is being counted beside."""
        with self._counting:
            pass

    def of(self, sessions: Iterable[Session]) -> list[Digest]:
        """Give the digests of sessions; nothing for one without trials, or not yet counted."""
        known, new = self._known, (-1, NOTHING)
        return [known.get(key, new)[1] for key, _, _ in sessions]
