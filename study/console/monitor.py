"""How a running study goes, in numbers that tell nothing about fool rates.

What the sessions' table tells is read at each look; what the trials tell comes from `digests`. The monitor of a large
study is kept for a few seconds, so that pages that poll cost one look and not one each.
"""

import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, case, extract, func, select

from study.console.digests import FAST_MS, NOTHING, Digest, Digests, Session, list_sessions
from study.db import Database
from study.models import CompletionRow, SessionRow, TrialRow

ABANDONED_AFTER = timedelta(hours=1)
FAST_SHARE = 0.2
STREAK = 15  # in a row alike: 1 in 1,200 sessions of 40 fair trials
ONE_SIDED = 0.9
MIN_TRIALS = 20
MAX_ALIKE = 5  # a device that more than this many describe alike is a common one, and tells nothing
N_SUSPICIOUS = 50
N_NAMES = 8
N_LARGE = 500
"""Sessions from which on a monitor is kept for KEPT_FOR."""
KEPT_FOR = timedelta(seconds=3)
OVER = ("complete", "withdrawn", "unqualified")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A session that somebody may want to look at; no reason by itself not to pay."""

    session_id: str
    status: str
    reasons: tuple[str, ...]


class Progress(NamedTuple):
    """How far sessions are: of one condition, or of all."""

    n_started: int = 0
    n_complete: int = 0
    n_withdrawn: int = 0
    n_unqualified: int = 0
    n_abandoned: int = 0
    n_active: int = 0
    n_trials: int = 0
    n_void: int = 0


@dataclass(frozen=True, slots=True)
class Monitor:
    """All of it."""

    total: Progress
    arms: dict[str, Progress]
    n_pilot: int
    """Sessions of the pilot, or tried by researchers, which are counted nowhere else here."""
    median_minutes: float | None
    trials: Digest
    """Sums over all sessions, but for `longest`."""
    is_counting: bool
    """What the trials tell is still being counted: it is older than the rest, or not there."""
    browsers: list[tuple[str, int]]
    screens: list[tuple[str, int]]
    sources: list[tuple[str, int]]
    codes: list[tuple[str, int]]
    suspicious: list[Suspicion]
    """The first N_SUSPICIOUS of them."""
    n_suspicious: int


class Watch:
    """What one worker remembers of the studies that somebody watches."""

    def __init__(self) -> None:
        self._digests: dict[tuple[int, bool], Digests] = {}
        self._kept: dict[tuple[int, bool], tuple[datetime, Monitor]] = {}
        self._lock = threading.Lock()

    def monitor(self, database: Database, study_id: int, *, is_pilot: bool, now: datetime) -> Monitor:
        """Read how a study goes: its proper sessions, or those of its pilot."""
        key = (study_id, is_pilot)
        with self._lock:
            digests = self._digests.setdefault(key, Digests())
            at, kept = self._kept.get(key, (now, None))
        if kept is not None and kept.total.n_started >= N_LARGE and now - KEPT_FOR < at <= now:
            return kept
        with database.reading() as connection:
            sessions = list_sessions(connection, study_id, is_pilot=is_pilot)
            count = digests.update(database, sessions)
            found = _read(connection, study_id, sessions, digests, is_pilot=is_pilot, is_counted=not count, now=now)
        if count:
            count()
        else:
            with self._lock:
                self._kept[key] = (now, found)
        return found

    def forget(self) -> None:
        """Look anew next time; what was counted stays."""
        with self._lock:
            self._kept.clear()

    def wait(self) -> None:
        """Return when nothing is being counted any more."""
        for digests in list(self._digests.values()):
            digests.wait()


def _read(
    connection: Connection,
    study_id: int,
    sessions: Sequence[Session],
    digests: Digests,
    *,
    is_pilot: bool,
    is_counted: bool,
    now: datetime,
) -> Monitor:
    mine = (SessionRow.study_id == study_id) & (SessionRow.is_pilot == is_pilot)
    known = digests.of(sessions)
    arms = _arms(connection, mine, sessions, known, now=now)
    suspects = {
        key: reasons
        for (key, _, _), d in zip(sessions, known, strict=True)
        if d.n_scored >= MIN_TRIALS and (reasons := _reasons(d))
    }
    for session_id, n in _alike(connection, mine):
        suspects[session_id] = (*suspects.get(session_id, ()), _as_in(n - 1))
    return Monitor(
        total=_sum(arms.values()),
        arms=arms,
        n_pilot=0 if is_pilot else _count(connection, (SessionRow.study_id == study_id) & SessionRow.is_pilot),
        median_minutes=_median_minutes(connection, mine),
        trials=Digest._make(map(sum, zip(NOTHING, *known, strict=True))),
        is_counting=not is_counted,
        browsers=_browsers(connection, mine),
        screens=_screens(connection, mine),
        sources=_counted(connection, mine, SessionRow.source),
        codes=_codes(connection, mine),
        suspicious=_name(connection, suspects),
        n_suspicious=len(suspects),
    )


def _count(connection: Connection, mine: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(SessionRow).where(mine)).scalar_one()


def _arms(
    connection: Connection,
    mine: ColumnElement[bool],
    sessions: Sequence[Session],
    known: Sequence[Digest],
    *,
    now: datetime,
) -> dict[str, Progress]:
    last_answer = (
        select(TrialRow.answered_at_utc)
        .where(TrialRow.session_id == SessionRow.id)
        .order_by(TrialRow.trial_index.desc())
        .limit(1)
        .correlate(SessionRow)
        .scalar_subquery()
    )
    # Only of sessions that are not over is the last answer looked up.
    is_idle = case(
        (SessionRow.status.in_(OVER), None),
        (func.coalesce(last_answer, SessionRow.started_at_utc) < now - ABANDONED_AFTER, 1),
        else_=0,
    )
    s = select(SessionRow.status, SessionRow.arm, is_idle.label("is_idle")).where(mine).subquery().c
    n_trials: Counter[str] = Counter()
    n_void: Counter[str] = Counter()
    for (_, arm, _), digest in zip(sessions, known, strict=True):
        n_trials[arm] += digest.n_trials
        n_void[arm] += digest.n_void
    rows = connection.execute(
        select(
            s.arm,
            func.count(),
            func.count(case((s.status == "complete", 1))),
            func.count(case((s.status == "withdrawn", 1))),
            func.count(case((s.status == "unqualified", 1))),
            func.count(case((s.is_idle == 1, 1))),
            func.count(case((s.is_idle == 0, 1))),
        )
        .group_by(s.arm)
        .order_by(s.arm)
    )
    return {row.arm: Progress._make((*row[1:], n_trials[row.arm], n_void[row.arm])) for row in rows}


def _sum(arms: Any) -> Progress:
    return Progress._make(map(sum, zip(Progress(), *arms, strict=True)))


def _median_minutes(connection: Connection, mine: ColumnElement[bool]) -> float | None:
    if connection.dialect.name == "sqlite":
        days = func.julianday(SessionRow.completed_at_utc) - func.julianday(SessionRow.started_at_utc)
        minutes: Any = days * 1440.0
    else:
        minutes = extract("epoch", SessionRow.completed_at_utc - SessionRow.started_at_utc) / 60.0
    complete = mine & (SessionRow.status == "complete") & SessionRow.completed_at_utc.is_not(None)
    n = _count(connection, complete)
    if not n:
        return None
    middle = select(minutes).where(complete).order_by(minutes).offset((n - 1) // 2).limit(2 - n % 2)
    values = [float(value) for value in connection.execute(middle).scalars()]
    return sum(values) / len(values)


def browser_of(user_agent: str) -> str:
    """Name browser and system in words that people use; what cannot be told is `other`."""
    browsers = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
    systems = (
        ("iPhone|iPad", "iOS"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"), ("Linux", "Linux"),
    )  # fmt: skip
    browser = next((name for mark, name in browsers if mark in user_agent), "other")
    system = next((name for mark, name in systems if re.search(mark, user_agent)), "")
    return f"{browser}, {system}" if system else browser


def _browsers(connection: Connection, mine: ColumnElement[bool]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for agent, n in _counted(connection, mine, SessionRow.user_agent):
        counts[browser_of(agent) if agent else "not told"] += n
    return counts.most_common(N_NAMES)


def _screens(connection: Connection, mine: ColumnElement[bool]) -> list[tuple[str, int]]:
    columns = (SessionRow.screen_width_px, SessionRow.screen_height_px, SessionRow.device_pixel_ratio)
    rows = connection.execute(
        select(*columns, func.count().label("n"))
        .where(mine, SessionRow.screen_width_px.is_not(None))
        .group_by(*columns)
        .order_by(func.count().desc())
        .limit(N_NAMES)
    )
    return [(f"{r[0]} × {r[1]}, ratio {r[2]:g}" if r[2] else f"{r[0]} × {r[1]}", r.n) for r in rows]


def _counted(connection: Connection, mine: ColumnElement[bool], column: Any) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(column, func.count()).where(mine).group_by(column).order_by(func.count().desc(), column)
    )
    return [(value, n) for value, n in rows]


def _codes(connection: Connection, mine: ColumnElement[bool]) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(CompletionRow.outcome, func.count())
        .join(SessionRow, SessionRow.id == CompletionRow.session_id)
        .where(mine)
        .group_by(CompletionRow.outcome)
        .order_by(CompletionRow.outcome)
    )
    return [(outcome, n) for outcome, n in rows]


def _reasons(d: Digest) -> tuple[str, ...]:
    """Say how a session's answers do not look at pictures: long streaks, one side, too fast."""
    reasons = []
    if d.longest >= STREAK:
        reasons.append(f"{d.longest} answers in a row alike")
    side = max(d.n_left, d.n_scored - d.n_left)
    if side >= ONE_SIDED * d.n_scored:
        reasons.append(f"{side} of {d.n_scored} answers alike")
    if d.n_fast >= FAST_SHARE * d.n_scored:
        reasons.append(f"{d.n_fast} of {d.n_scored} answers within {FAST_MS} ms")
    return tuple(reasons)


def _as_in(n: int) -> str:
    return f"a device that describes itself exactly as that of {n} other session{'' if n == 1 else 's'}"


def _alike(connection: Connection, mine: ColumnElement[bool]) -> list[Row[*tuple[Any, ...]]]:
    """Find sessions whose devices describe themselves alike in everything, though few do so.

    Seats of a lab share devices by design; no network address is stored that could tell more.
    """
    device = (
        SessionRow.user_agent, SessionRow.language, SessionRow.screen_width_px, SessionRow.screen_height_px,
        SessionRow.viewport_width_px, SessionRow.viewport_height_px, SessionRow.device_pixel_ratio,
        SessionRow.refresh_hz,
    )  # fmt: skip
    known = mine & SessionRow.refresh_hz.is_not(None) & ~SessionRow.is_simulated & (SessionRow.source != "lab")
    n = func.count().over(partition_by=device)
    found = select(SessionRow.id, n.label("n")).where(known).subquery().c
    return list(connection.execute(select(found.id, found.n).where(found.n > 1, found.n <= MAX_ALIKE)))


def _name(connection: Connection, suspects: dict[int, tuple[str, ...]]) -> list[Suspicion]:
    """Name the sessions with the most reasons."""
    first = sorted(suspects, key=lambda key: (-len(suspects[key]), key))[:N_SUSPICIOUS]
    rows = connection.execute(
        select(SessionRow.id, SessionRow.session_id, SessionRow.status).where(SessionRow.id.in_(first))
    )
    named = {row.id: Suspicion(row.session_id, row.status, suspects[row.id]) for row in rows}
    return [named[key] for key in first if key in named]
