"""Where a session stands: one SELECT, and what follows from its plan."""

import dataclasses
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from study.definition import StudyDefinition
from study.design import PRACTICE, PlannedTrial
from study.scoring import score
from study.sessions.desk import Desk
from study.sessions.errors import NotFound
from study.sessions.names import hash_token, picture_addresses
from study.sessions.tables import SELECT_STATE, SELECT_VOIDS, SESSIONS, TRIALS
from study.studies import Study

TRIAL_STATUS = ("practice", "test")


@dataclass(frozen=True, slots=True)
class State:
    """Where a session stands."""

    id: int
    study: Study
    session_id: str
    arm: str
    status: str
    source: str
    """The platform that the person came from."""
    shown: tuple[PlannedTrial, ...]
    """All trials by trial_index, as far as is known now."""
    void: tuple[int, ...]
    n_rows: int
    """Trials answered or void; the next one's trial_index."""
    page_id: str
    """The page load that holds the outstanding trial; empty if none does."""
    shown_at_utc: datetime | None
    level_ms: float | None
    """The staircase's state for the outstanding trial, in nominal ms; None without a staircase."""

    @property
    def outstanding(self) -> PlannedTrial | None:
        """The trial that waits for its answer."""
        return self.shown[self.n_rows] if self.n_rows < len(self.shown) else None


def read_state(desk: Desk, token: str) -> State:
    """Read where a session stands."""
    with desk.database.reading() as connection:
        return read_state_on(desk, connection, token)


def read_state_on(desk: Desk, connection: Connection, token: str) -> State:
    """Read where a session stands on a connection that is there already."""
    row = SELECT_STATE.run(connection, {"token_sha256": hash_token(token)})
    if row is None:
        raise NotFound("there is no such session")
    plan = desk.plan(row.study_id, row.arm, row.session_seed, row.arm_slot)
    void = tuple(connection.execute(SELECT_VOIDS, {"id": row.id}).scalars()) if row.n_void else ()
    n_rows = 0 if row.trial_index is None else row.trial_index + 1
    # The answer before it hands a trial out, unless a page load asked for it since.
    page_id, shown_at = row.page_id, row.answered_at_utc
    if row.handed_trial_index == n_rows:
        page_id, shown_at = row.handed_page_id, row.handed_at_utc
    shown = plan.presented(void)
    study = desk.study(row.study_id)
    return State(
        id=row.id,
        study=study,
        session_id=row.session_id,
        arm=row.arm,
        status=row.status,
        source=row.source,
        shown=shown,
        void=void,
        n_rows=n_rows,
        page_id=page_id or "",
        shown_at_utc=shown_at,
        level_ms=level_of(study.definition, shown, n_rows, row),
    )


def level_of(definition: StudyDefinition, shown: Sequence[PlannedTrial], n_rows: int, last: Any) -> float | None:
    """Give the staircase's level for the trial at `n_rows`; `last` is the row before it.

    Each block begins anew; practice has none; void and control trials leave the level where it was.
    """
    staircase = definition.staircase
    if not staircase.is_on or n_rows >= len(shown) or shown[n_rows].block == PRACTICE:
        return None
    if n_rows == 0 or shown[n_rows - 1].block != shown[n_rows].block or last.staircase_level_ms is None:
        return staircase.start_ms
    level_ms = float(last.staircase_level_ms)
    if last.void_reason or last.kind != "test":
        return level_ms
    return staircase.after(level_ms, is_correct=bool(score(last).is_correct))


def state_after(
    desk: Desk, state: State, connection: Connection, *, n_rows: int, void: Sequence[int], last: Any
) -> State:
    """Give the state as it was, or is, when `n_rows` rows were written, `last` being the last of them."""
    if tuple(void) == state.void:
        shown = state.shown
    else:
        seed, study_id, slot = connection.execute(
            select(SESSIONS.c.session_seed, SESSIONS.c.study_id, SESSIONS.c.arm_slot).where(SESSIONS.c.id == state.id)
        ).one()
        shown = desk.plan(study_id, state.arm, seed, slot).presented(void)
    level_ms = level_of(state.study.definition, shown, n_rows, last)
    return dataclasses.replace(state, shown=shown, void=tuple(void), n_rows=n_rows, level_ms=level_ms)


def find_picture(desk: Desk, token: str, address: str) -> tuple[Study, str]:
    """Find the file behind an address: of the outstanding trial or the one after it, of nothing else."""
    state = read_state(desk, token)
    if state.status in TRIAL_STATUS:
        for index in range(state.n_rows, min(state.n_rows + 2, len(state.shown))):
            trial = state.shown[index]
            names = picture_addresses(desk, state.session_id, index, trial)
            for name, stimulus in zip(names, trial.pictures, strict=True):
                if hmac.compare_digest(name, address.encode("ascii", "replace").decode()):
                    return state.study, state.study.served[stimulus.stimulus_id]
    raise NotFound("there is no such picture")


@dataclass(frozen=True, slots=True)
class Result:
    """A participant's own score: test trials only."""

    n_scored: int
    n_correct: int
    n_fooled: int


def read_result(desk: Desk, state: State) -> Result:
    """Count a session's scored answers."""
    with desk.database.reading() as connection:
        rows = connection.execute(
            select(TRIALS).where(TRIALS.c.session_id == state.id, TRIALS.c.kind == "test", TRIALS.c.void_reason == "")
        )
        scores = [score(row) for row in rows]
    return Result(
        n_scored=len(scores),
        n_correct=sum(s.is_correct is True for s in scores),
        n_fooled=sum(s.is_fooled is True for s in scores),
    )
