"""How a running study goes, in numbers that tell nothing about fool rates."""

import re
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, case, cast, func, select

from study.models import CompletionRow, SessionRow, TrialRow

ABANDONED_AFTER = timedelta(hours=1)
FAST_MS = 250  # nobody sees two pictures, decides and presses in less
FAST_SHARE = 0.2
STREAK = 15  # in a row alike: 1 in 1,200 sessions of 40 fair trials
ONE_SIDED = 0.9
MIN_TRIALS = 20
N_SUSPICIOUS = 50


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A session that somebody may want to look at; no reason by itself not to pay."""

    session_id: str
    status: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Monitor:
    """All of it."""

    total: Row[Any]
    arms: list[Row[Any]]
    median_minutes: float | None
    n_instructed: int
    n_instructed_failed: int
    n_exposures: int
    n_exposures_exact: int
    n_hidden: int
    browsers: list[tuple[str, int]]
    screens: list[tuple[str, int]]
    sources: list[tuple[str, int]]
    codes: list[tuple[str, int]]
    suspicious: list[Suspicion]
    """The first N_SUSPICIOUS of them."""

    @property
    def has_more_suspicious(self) -> bool:
        """Whether the list may have been cut."""
        return len(self.suspicious) == N_SUSPICIOUS


def monitor(connection: Connection, study_id: int, *, now: datetime) -> Monitor:
    """Read how a study goes."""
    total, arms = _progress(connection, study_id, now=now)
    instructed = connection.execute(_mine(study_id, _instructed())).one()
    exposures = connection.execute(_mine(study_id, _exposures())).one()
    return Monitor(
        total=total,
        arms=arms,
        median_minutes=_median_minutes(connection, study_id),
        n_instructed=instructed.n or 0,
        n_instructed_failed=instructed.n_failed or 0,
        n_exposures=exposures.n or 0,
        n_exposures_exact=exposures.n_exact or 0,
        n_hidden=exposures.n_hidden or 0,
        browsers=_browsers(connection, study_id),
        screens=_screens(connection, study_id),
        sources=_counted(connection, study_id, SessionRow.source),
        codes=_codes(connection, study_id),
        suspicious=_suspicious(connection, study_id),
    )


def _progress(connection: Connection, study_id: int, *, now: datetime) -> tuple[Row[Any], list[Row[Any]]]:
    last = func.coalesce(func.max(TrialRow.answered_at_utc), SessionRow.started_at_utc)
    n_void = func.coalesce(func.sum(cast(TrialRow.void_reason != "", Integer)), 0)
    per_session = (
        select(
            SessionRow.status,
            SessionRow.arm,
            func.count(TrialRow.trial_index).label("n_trials"),
            n_void.label("n_void"),
            (last < now - ABANDONED_AFTER).label("is_idle"),
        )
        .outerjoin(TrialRow, TrialRow.session_id == SessionRow.id)
        .where(SessionRow.study_id == study_id)
        .group_by(SessionRow.id)
        .subquery()
    )
    s = per_session.c
    is_over = s.status.in_(("complete", "withdrawn", "unqualified"))
    counts = (
        func.count().label("n_started"),
        func.count().filter(s.status == "complete").label("n_complete"),
        func.count().filter(s.status == "withdrawn").label("n_withdrawn"),
        func.count().filter(~is_over, s.is_idle).label("n_abandoned"),
        func.count().filter(~is_over, ~s.is_idle).label("n_active"),
        func.coalesce(func.sum(s.n_trials), 0).label("n_trials"),
        func.coalesce(func.sum(s.n_void), 0).label("n_void"),
    )
    total = connection.execute(select(*counts)).one()
    arms = connection.execute(select(s.arm, *counts).group_by(s.arm).order_by(s.arm)).all()
    return total, list(arms)


def _mine(study_id: int, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(SessionRow, SessionRow.id == TrialRow.session_id).where(SessionRow.study_id == study_id)


def _instructed() -> Select[*tuple[Any, ...]]:
    failed = case((TrialRow.response != TrialRow.instructed_response, 1), else_=0)
    return (
        select(func.count().label("n"), func.sum(failed).label("n_failed"))
        .select_from(TrialRow)
        .where(TrialRow.control == "instructed", TrialRow.void_reason == "")
    )


def _exposures() -> Select[*tuple[Any, ...]]:
    """Count answered trials whose exposures both missed the nominal time by a frame at most."""
    frame_ms = 1000.0 / func.nullif(TrialRow.refresh_hz, 0)

    def is_exact(achieved: Any) -> Any:
        return func.abs(achieved - TrialRow.exposure_ms_nominal) <= func.coalesce(frame_ms, 1000.0 / 60) + 0.5

    exact = is_exact(TrialRow.exposure_a_ms_achieved) & is_exact(TrialRow.exposure_b_ms_achieved)
    return select(
        func.count().filter(TrialRow.void_reason == "").label("n"),
        func.count().filter(TrialRow.void_reason == "", exact).label("n_exact"),
        func.count().filter(TrialRow.void_reason == "hidden").label("n_hidden"),
    ).select_from(TrialRow)


def _median_minutes(connection: Connection, study_id: int) -> float | None:
    rows = connection.execute(
        select(SessionRow.started_at_utc, SessionRow.completed_at_utc).where(
            SessionRow.study_id == study_id, SessionRow.status == "complete"
        )
    )
    minutes = [(end - start).total_seconds() / 60 for start, end in rows if end is not None]
    return statistics.median(minutes) if minutes else None


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


def _browsers(connection: Connection, study_id: int) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for agent, n in _counted(connection, study_id, SessionRow.user_agent):
        counts[browser_of(agent) if agent else "not told"] += n
    return counts.most_common()


def _screens(connection: Connection, study_id: int) -> list[tuple[str, int]]:
    columns = (SessionRow.screen_width_px, SessionRow.screen_height_px, SessionRow.device_pixel_ratio)
    rows = connection.execute(
        select(*columns, func.count().label("n"))
        .where(SessionRow.study_id == study_id, SessionRow.screen_width_px.is_not(None))
        .group_by(*columns)
        .order_by(func.count().desc())
        .limit(8)
    )
    return [(f"{r[0]} × {r[1]}, ratio {r[2]:g}" if r[2] else f"{r[0]} × {r[1]}", r.n) for r in rows]


def _counted(connection: Connection, study_id: int, column: Any) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(column, func.count())
        .where(SessionRow.study_id == study_id)
        .group_by(column)
        .order_by(func.count().desc())
    )
    return [(value, n) for value, n in rows]


def _codes(connection: Connection, study_id: int) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(CompletionRow.outcome, func.count())
        .join(SessionRow, SessionRow.id == CompletionRow.session_id)
        .where(SessionRow.study_id == study_id)
        .group_by(CompletionRow.outcome)
        .order_by(CompletionRow.outcome)
    )
    return [(outcome, n) for outcome, n in rows]


def _suspicious(connection: Connection, study_id: int) -> list[Suspicion]:
    """Find sessions whose answers do not look at pictures: too fast, one side, long streaks.

    In SQL, so that ten thousand participants cost a second and not a minute.
    """
    answered = (TrialRow.void_reason == "") & (TrialRow.control == "")
    place = func.row_number().over(partition_by=TrialRow.session_id, order_by=TrialRow.trial_index)
    place_on_side = func.row_number().over(
        partition_by=(TrialRow.session_id, TrialRow.response), order_by=TrialRow.trial_index
    )
    runs = (
        select(TrialRow.session_id, TrialRow.response, TrialRow.rt_ms, (place - place_on_side).label("run"))
        .join(SessionRow, SessionRow.id == TrialRow.session_id)
        .where(SessionRow.study_id == study_id, answered)
        .subquery()
    )
    per_run = (
        select(
            runs.c.session_id,
            func.count().label("length"),
            func.count().filter(runs.c.response.in_(("left", "real"))).label("n_left"),
            func.count().filter(runs.c.rt_ms < FAST_MS).label("n_fast"),
        )
        .group_by(runs.c.session_id, runs.c.response, runs.c.run)
        .subquery()
    )
    n, n_left = func.sum(per_run.c.length), func.sum(per_run.c.n_left)
    n_fast, longest = func.sum(per_run.c.n_fast), func.max(per_run.c.length)
    rows = connection.execute(
        select(
            SessionRow.session_id,
            SessionRow.status,
            n.label("n"),
            n_left.label("n_left"),
            n_fast.label("n_fast"),
            longest.label("longest"),
        )
        .join(per_run, per_run.c.session_id == SessionRow.id)
        .group_by(SessionRow.session_id, SessionRow.status)
        .having(
            (n >= MIN_TRIALS)
            & (
                (longest >= STREAK)
                | (n_left >= ONE_SIDED * n)
                | (n_left <= (1 - ONE_SIDED) * n)
                | (n_fast >= FAST_SHARE * n)
            )
        )
        .order_by(longest.desc(), SessionRow.session_id)
        .limit(N_SUSPICIOUS)
    )
    return [Suspicion(row.session_id, row.status, _reasons(row)) for row in rows]


def _reasons(row: Any) -> tuple[str, ...]:
    reasons = []
    if row.longest >= STREAK:
        reasons.append(f"{row.longest} answers in a row alike")
    side = max(row.n_left, row.n - row.n_left)
    if side >= ONE_SIDED * row.n:
        reasons.append(f"{side} of {row.n} answers alike")
    if row.n_fast >= FAST_SHARE * row.n:
        reasons.append(f"{row.n_fast} of {row.n} answers within {FAST_MS} ms")
    return tuple(reasons)
