"""A session from consent to debrief: the only code that writes what participants do.

The plan is recomputed from (definition, stimulus set, session seed), so nothing about a trial is stored before it is
answered, and an answer costs one SELECT and one INSERT. Names of trials and addresses of pictures are keyed hashes of
their place in the session; they are compared with the outstanding trial's, so that an old, a later or another
session's name is simply not found. Two requests that race for one trial meet at the table's primary key.

Time is passed in as `now`.
"""

import base64
import dataclasses
import functools
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from study.db import Database
from study.design import Plan, PlannedTrial
from study.models import AnswerRow, SessionRow, StudyRow, TrialRow
from study.scoring import score
from study.studies import SEED_BITS, Study, load_study

P = ParamSpec("P")
T = TypeVar("T")
N_TRIES = 8
TOKEN_BITS = 192
NAME_BITS = 64
VOID_REASONS = ("hidden", "reloaded", "resized", "load_failed")
MAX_NAME = 64  # characters of page_id and idempotency_key
MAX_MS = 86_400_000.0
N_PLANS_KEPT = 4096
TRIAL_STATUS = ("practice", "test")


class SessionError(Exception):
    """A request that the session refuses; `status` is the HTTP status, the message one line."""

    status = 400


class NotFound(SessionError):  # noqa: N818 - named after its status
    """There is no such session, study or picture."""

    status = 404


class Closed(SessionError):  # noqa: N818
    """The study takes no new participants."""

    status = 403


class Conflict(SessionError):  # noqa: N818
    """The session is somewhere else."""

    status = 409


class Busy(SessionError):  # noqa: N818
    """Too many requests met at the same row; asking again helps."""

    status = 503


class Invalid(SessionError):  # noqa: N818
    """The request is malformed."""

    status = 422


@dataclass
class Desk:
    """What every function here needs: the database, the key, and what this worker remembers of studies and plans."""

    database: Database
    key: bytes
    studies: dict[int, Study] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive a key of our own, so that no other use of the secret can be turned against addresses."""
        self.name_key = hmac.digest(self.key, b"truehue names of trials and pictures", "sha256")
        self.plan = functools.lru_cache(maxsize=N_PLANS_KEPT)(self._plan)

    def study(self, study_id: int) -> Study:
        """Give a study, loaded once per worker."""
        study = self.studies.get(study_id)
        if study is None:
            with self.database.reading_session() as session:
                study = self.studies[study_id] = load_study(session, study_id)
        return study

    def _plan(self, study_id: int, arm: str, seed: int) -> Plan:
        return self.study(study_id).plan(arm=arm, seed=seed)


@dataclass(frozen=True, slots=True)
class State:
    """Where a session stands."""

    id: int
    study: Study
    session_id: str
    arm: str
    status: str
    shown: tuple[PlannedTrial, ...]
    """All trials by trial_index, as far as is known now."""
    void: tuple[int, ...]
    n_rows: int
    """Trials answered or void; the next one's trial_index."""
    page_id: str
    """The page load that holds the outstanding trial; empty if none does."""
    shown_at_utc: datetime | None

    @property
    def outstanding(self) -> PlannedTrial | None:
        """The trial that waits for its answer."""
        return self.shown[self.n_rows] if self.n_rows < len(self.shown) else None


def patient(call: Callable[P, T]) -> Callable[P, T]:
    """Repeat a call that lost a race for a row, or (once) its connection: what it writes cannot be written twice."""

    @functools.wraps(call)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        n_lost = 0
        for _ in range(N_TRIES):
            try:
                return call(*args, **kwargs)
            except IntegrityError:
                continue
            except DBAPIError as error:
                n_lost += 1
                if not error.connection_invalidated or n_lost > 1:
                    raise
        raise Busy("too many requests at once; please try again")

    return repeated


# --- names -------------------------------------------------------------------------------------------------------


def hash_token(token: str) -> str:
    """Hash a token as the database knows it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _name(desk: Desk, *parts: object) -> str:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), key=desk.name_key, digest_size=16).hexdigest()


def trial_name(desk: Desk, session_id: str, index: int, trial: PlannedTrial) -> str:
    """Name a trial to the browser."""
    return _name(desk, "trial", session_id, index, trial.plan_index, trial.attempt)


def picture_addresses(desk: Desk, session_id: str, index: int, trial: PlannedTrial) -> tuple[str, str]:
    """Name a trial's two pictures, in order of presentation."""
    place = (session_id, index, trial.plan_index, trial.attempt)
    return _name(desk, "picture", *place, 0), _name(desk, "picture", *place, 1)


# --- reading -----------------------------------------------------------------------------------------------------

_sessions: Table = SessionRow.__table__  # type: ignore[assignment]
_trials: Table = TrialRow.__table__  # type: ignore[assignment]
_answers: Table = AnswerRow.__table__  # type: ignore[assignment]
_studies: Table = StudyRow.__table__  # type: ignore[assignment]
_earlier, _voids = _trials.alias("earlier"), _trials.alias("voids")
# Literal, not bound: only so do SQLite and PostgreSQL see that the partial index of void trials answers it.
_STATE = (
    select(
        _sessions.c.id,
        _sessions.c.study_id,
        _sessions.c.session_id,
        _sessions.c.arm,
        _sessions.c.session_seed,
        _sessions.c.status,
        _sessions.c.handed_trial_index,
        _sessions.c.handed_page_id,
        _sessions.c.handed_at_utc,
        _trials.c.trial_index,
        _trials.c.page_id,
        _trials.c.answered_at_utc,
        select(func.count())
        .select_from(_voids)
        .where(_voids.c.session_id == _sessions.c.id, text("voids.void_reason <> ''"))
        .scalar_subquery()
        .label("n_void"),
    )
    .select_from(
        _sessions.outerjoin(
            _trials,
            and_(
                _trials.c.session_id == _sessions.c.id,
                _trials.c.trial_index
                == select(func.max(_earlier.c.trial_index))
                .where(_earlier.c.session_id == _sessions.c.id)
                .scalar_subquery(),
            ),
        )
    )
    .where(_sessions.c.token_sha256 == bindparam("token_sha256"))
)
_VOIDS = (
    select(_trials.c.trial_index)
    .where(_trials.c.session_id == bindparam("id"), text("trial.void_reason <> ''"))
    .order_by(_trials.c.trial_index)
)
_INSERT_TRIAL = insert(_trials)
_BY_KEY = select(_trials).where(
    _trials.c.session_id == bindparam("id"), _trials.c.idempotency_key == bindparam("idempotency_key")
)


def read_state(desk: Desk, token: str) -> State:
    """Read where a session stands."""
    with desk.database.reading() as connection:
        return _state(desk, connection, token)


def _state(desk: Desk, connection: Connection, token: str) -> State:
    row = connection.execute(_STATE, {"token_sha256": hash_token(token)}).one_or_none()
    if row is None:
        raise NotFound("there is no such session")
    plan = desk.plan(row.study_id, row.arm, row.session_seed)
    void = tuple(connection.execute(_VOIDS, {"id": row.id}).scalars()) if row.n_void else ()
    n_rows = 0 if row.trial_index is None else row.trial_index + 1
    # The answer before it hands a trial out, unless a page load asked for it since.
    page_id, shown_at = row.page_id, row.answered_at_utc
    if row.handed_trial_index == n_rows:
        page_id, shown_at = row.handed_page_id, row.handed_at_utc
    return State(
        id=row.id,
        study=desk.study(row.study_id),
        session_id=row.session_id,
        arm=row.arm,
        status=row.status,
        shown=plan.presented(void),
        void=void,
        n_rows=n_rows,
        page_id=page_id or "",
        shown_at_utc=shown_at,
    )


def _after(desk: Desk, state: State, connection: Connection, *, n_rows: int, void: Sequence[int]) -> State:
    """Give the state as it was, or is, when `n_rows` rows were written."""
    if tuple(void) == state.void:
        shown = state.shown
    else:
        seed, study_id = connection.execute(
            select(_sessions.c.session_seed, _sessions.c.study_id).where(_sessions.c.id == state.id)
        ).one()
        shown = desk.plan(study_id, state.arm, seed).presented(void)
    return dataclasses.replace(state, shown=shown, void=tuple(void), n_rows=n_rows)


def find_picture(desk: Desk, token: str, address: str) -> tuple[Study, str]:
    """Find the file behind an address: of the outstanding trial or the one after it, of nothing else."""
    state = read_state(desk, token)
    if state.status in TRIAL_STATUS:
        for index in range(state.n_rows, min(state.n_rows + 2, len(state.shown))):
            trial = state.shown[index]
            names = picture_addresses(desk, state.session_id, index, trial)
            for name, (stimulus, _) in zip(names, trial.in_order, strict=True):
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
            select(_trials).where(
                _trials.c.session_id == state.id, _trials.c.kind == "test", _trials.c.void_reason == ""
            )
        )
        scores = [score(row) for row in rows]
    return Result(
        n_scored=len(scores),
        n_correct=sum(s.is_correct is True for s in scores),
        n_fooled=sum(s.is_fooled is True for s in scores),
    )


# --- turns -------------------------------------------------------------------------------------------------------


def _turn(desk: Desk, token: str, state: State, *, feedback: bool | None = None) -> dict[str, Any]:
    """Say what comes next; nothing in it tells which picture is which."""
    here = f"/p/{token}/"
    index, shown = state.n_rows, state.shown
    trial = shown[index] if index < len(shown) else None
    prefetch: list[str] = []
    if index + 1 < len(shown):
        # Sorted by address: the order of presentation stays unknown until the trial's turn.
        prefetch = sorted(picture_addresses(desk, state.session_id, index + 1, shown[index + 1]))
    return {
        "trial": None if trial is None else _describe(desk, here, state, trial),
        "next_url": here,
        "feedback": None if feedback is None else {"correct": feedback},
        "progress": {"done": index - len(state.void), "total": len(shown) - len(state.void)},
        "prefetch": [f"{here}image/{address}" for address in prefetch],
    }


def _describe(desk: Desk, here: str, state: State, trial: PlannedTrial) -> dict[str, Any]:
    definition = state.study.definition
    words, timing = definition.words, definition.timing
    addresses = picture_addresses(desk, state.session_id, state.n_rows, trial)
    instruction = {"left": words.instructed_left, "right": words.instructed_right}.get(trial.instructed_response)
    return {
        "trial_id": trial_name(desk, state.session_id, state.n_rows, trial),
        "is_practice": trial.kind == "practice",
        "design": definition.trial.design,
        "question": definition.trial.question,
        "prompt": definition.trial.prompt,
        "instruction": instruction,
        "pictures": [
            {"url": f"{here}image/{address}", "side": side}
            for address, (_, side) in zip(addresses, trial.in_order, strict=True)
        ],
        "width_px": trial.b.width_px,
        "height_px": trial.b.height_px,
        "size_unit": definition.trial.size_unit,
        "timing": {
            "blank_before_ms": timing.first_blank_ms if state.n_rows == 0 else timing.blank_before_ms,
            "exposure_ms": timing.exposure_ms,
            "blank_between_ms": timing.blank_between_ms,
            "buttons_after_ms": timing.buttons_after_ms,
            "feedback_ms": timing.feedback_ms,
        },
    }


def _feedback(state: State, row: Any) -> bool | None:
    if row.kind != "practice" or row.void_reason or not state.study.definition.practice.feedback:
        return None
    return score(row).is_correct


# --- reports -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long one picture was really visible."""

    achieved_ms: float
    frames: int
    dropped_frames: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the browser says of one trial."""

    trial_id: str
    idempotency_key: str
    page_id: str
    response: str
    void_reason: str
    rt_ms: float | None
    exposures: tuple[Exposure, ...]
    """In order of presentation; a void trial may lack them."""
    refresh_hz: float | None
    visible: bool | None


def parse_report(data: object) -> Report:
    """Check a report's form; what it means is checked against the session."""
    if not isinstance(data, dict):
        raise Invalid("expected a JSON object")
    response, void_reason = data.get("response"), data.get("void_reason")
    if response not in (None, "left", "right"):
        raise Invalid("response: expected left, right or null")
    if void_reason is not None and void_reason not in VOID_REASONS:
        raise Invalid(f"void_reason: expected null or one of {', '.join(VOID_REASONS)}")
    if (response is None) == (void_reason is None):
        raise Invalid("expected either a response or a void_reason")
    exposures = data.get("exposures")
    if exposures is None and void_reason:
        exposures = []
    if not isinstance(exposures, list) or len(exposures) > 2 or (response and len(exposures) != 2):
        raise Invalid("exposures: expected one object for each of the two pictures")
    visible = data.get("visible")
    if visible is not None and not isinstance(visible, bool):
        raise Invalid("visible: expected true or false")
    rt_ms = _number(data, "rt_ms", MAX_MS)
    if response and not rt_ms:
        raise Invalid("rt_ms: expected a number above 0")
    return Report(
        trial_id=_short(data, "trial_id"),
        idempotency_key=_short(data, "idempotency_key"),
        page_id=_short(data, "page_id"),
        response=response or "",
        void_reason=void_reason or "",
        rt_ms=rt_ms if response else None,
        exposures=tuple(_exposure(item, needed=bool(response)) for item in exposures if item or response),
        refresh_hz=_number(data, "refresh_hz", 10_000),
        visible=visible,
    )


def _exposure(item: object, *, needed: bool) -> Exposure:
    if not isinstance(item, dict):
        raise Invalid("exposures: expected objects")
    achieved = _number(item, "achieved_ms", MAX_MS)
    frames, dropped = (_number(item, key, 1e7) for key in ("frames", "dropped_frames"))
    if needed and (achieved is None or frames is None):
        raise Invalid("exposures: expected achieved_ms and frames of each picture")
    return Exposure(achieved_ms=achieved or 0.0, frames=int(frames or 0), dropped_frames=int(dropped or 0))


def _number(data: Mapping[str, object], key: str, at_most: float) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= at_most:
        raise Invalid(f"{key}: expected a number from 0 to {at_most:g}")
    return float(value)


def _short(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise Invalid(f"{key}: expected 1 to {MAX_NAME} printable characters")
    return value


DEVICE_NUMBERS = {
    "screen_width_px": int,
    "screen_height_px": int,
    "viewport_width_px": int,
    "viewport_height_px": int,
    "device_pixel_ratio": float,
    "refresh_hz": float,
}


def parse_device(data: object) -> dict[str, Any]:
    """Check what the browser says of itself."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Invalid("device: expected an object")
    device: dict[str, Any] = {}
    for key, kind in DEVICE_NUMBERS.items():
        number = _number(data, key, 100_000)
        device[key] = None if number is None else kind(number)
    language = data.get("language")
    if language is not None and (
        not isinstance(language, str) or len(language) > MAX_NAME or not language.isprintable()
    ):
        raise Invalid("language: expected a language tag")
    return {**device, "language": language}


# --- writing -----------------------------------------------------------------------------------------------------


@patient
def start(
    desk: Desk,
    study_id: int,
    *,
    now: datetime,
    user_agent: str = "",
    source: str = "direct",
    is_simulated: bool = False,
    may_be_closed: bool = False,
    bits: Callable[[int], int] = secrets.randbits,
) -> str:
    """Begin a session: the participant has read the consent page and agreed. Return its token.

    `bits` is where names and the session's seed come from; only simulation, which must be repeatable, brings its own.
    """
    study = desk.study(study_id)
    token = base64.urlsafe_b64encode(bits(TOKEN_BITS).to_bytes(TOKEN_BITS // 8, "big")).decode()
    with desk.database.writing() as connection:
        # The lock queues simultaneous starts on PostgreSQL (SQLite has one writer anyway); UNIQUE(study_id, arm_slot)
        # would notice if it did not.
        state = connection.execute(
            select(_studies.c.state).where(_studies.c.id == study_id).with_for_update()
        ).scalar_one()
        if state != "open" and not may_be_closed:
            raise Closed(study.definition.words.closed)
        newest = connection.execute(
            select(func.max(_sessions.c.arm_slot)).where(_sessions.c.study_id == study_id)
        ).scalar_one()
        slot = 0 if newest is None else newest + 1
        connection.execute(
            insert(_sessions),
            {
                "study_id": study_id,
                "session_id": f"s-{bits(NAME_BITS):016x}",
                "token_sha256": hash_token(token),
                "participant_id": f"p-{bits(NAME_BITS):016x}",
                "arm": study.arm(slot),
                "arm_slot": slot,
                "session_seed": bits(SEED_BITS),
                "status": "consented",
                "source": source,
                "is_simulated": is_simulated,
                "is_pilot": False,
                "consent_sha256": study.definition.consent_sha256,
                "consented_at_utc": now,
                "started_at_utc": now,
                "user_agent": user_agent[:500],
            },
        )
    return token


def advance(desk: Desk, token: str, *, stage: str) -> None:
    """Leave the instructions for the trials; anything else stays as it is, so that a second click does no harm."""
    if stage != "instructions":
        raise Invalid("stage: expected instructions")
    state = read_state(desk, token)
    with desk.database.writing() as connection:
        connection.execute(
            update(_sessions)
            .where(_sessions.c.id == state.id, _sessions.c.status == "consented")
            .values(status=_status(state))
        )


@patient
def next_trial(
    desk: Desk, token: str, *, page_id: object, now: datetime, device: object = None, interrupted: object = None
) -> dict[str, Any]:
    """Hand the outstanding trial to a page load; one that another page load holds is void, unless nothing was shown."""
    page = _short({"page_id": page_id}, "page_id")
    told = parse_device(device)
    with desk.database.writing() as connection:
        state = _state(desk, connection, token)
        if state.status in {"started", "consented", "withdrawn"}:
            raise Conflict("the session is not in its trials; open its page")
        trial = state.outstanding
        if trial is not None and state.page_id not in {"", page}:
            name = trial_name(desk, state.session_id, state.n_rows, trial)
            if not _is_untouched(interrupted, name):
                state = _void_reloaded(desk, connection, state, trial, now=now)
        values: dict[str, Any] = {}
        if state.outstanding is not None and state.page_id != page:
            values = {"handed_trial_index": state.n_rows, "handed_page_id": page, "handed_at_utc": now}
        if values or told:
            connection.execute(update(_sessions).where(_sessions.c.id == state.id).values(**values, **told))
        return _turn(desk, token, state)


def _is_untouched(interrupted: object, name: str) -> bool:
    return isinstance(interrupted, dict) and interrupted.get("trial_id") == name and interrupted.get("shown") is False


def _void_reloaded(desk: Desk, connection: Connection, state: State, trial: PlannedTrial, *, now: datetime) -> State:
    report = Report(
        trial_id="",
        idempotency_key=f"void-{secrets.token_hex(8)}",
        page_id=state.page_id,
        response="",
        void_reason="reloaded",
        rt_ms=None,
        exposures=(),
        refresh_hz=None,
        visible=None,
    )
    connection.execute(_INSERT_TRIAL, _row(state, trial, report, now=now))
    after = _after(desk, state, connection, n_rows=state.n_rows + 1, void=(*state.void, state.n_rows))
    _write_status(connection, state, after, now=now)
    return dataclasses.replace(after, page_id="")


@patient
def record_response(desk: Desk, token: str, data: object, *, now: datetime) -> dict[str, Any]:
    """Write the outstanding trial's answer (or that it was void) and say what comes next.

    When this returns the row is on disk. The same report again gets the same turn; any other is a conflict.
    """
    report = parse_report(data)
    with desk.database.answering() as connection:
        state = _state(desk, connection, token)
        trial = state.outstanding
        if (
            trial is None
            or state.status not in TRIAL_STATUS
            or report.trial_id != trial_name(desk, state.session_id, state.n_rows, trial)
        ):
            return _again(desk, token, connection, state, report)
        row = _row(state, trial, report, now=now)
        void = (*state.void, state.n_rows) if report.void_reason else state.void
        after = _after(desk, state, connection, n_rows=state.n_rows + 1, void=void)
        try:
            if _status(after) == state.status:
                connection.execute(_INSERT_TRIAL, row)  # autocommit: on disk when this returns
                return _turn(desk, token, after, feedback=_feedback(state, _Facts(row)))
        except IntegrityError:
            _refuse_used_key(connection, state, report)
            raise
    try:
        with desk.database.writing() as connection:
            connection.execute(_INSERT_TRIAL, row)
            _write_status(connection, state, after, now=now)
    except IntegrityError:
        with desk.database.reading() as connection:
            _refuse_used_key(connection, state, report)
        raise
    return _turn(desk, token, after, feedback=_feedback(state, _Facts(row)))


class _Facts:
    """A row's dictionary with attributes, as `scoring.score` wants it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.__dict__ = row


def _refuse_used_key(connection: Connection, state: State, report: Report) -> None:
    row = connection.execute(_BY_KEY, {"id": state.id, "idempotency_key": report.idempotency_key}).one_or_none()
    if row is not None and row.trial_index < state.n_rows:
        raise Conflict("idempotency_key: another trial's report has used it")


def _again(desk: Desk, token: str, connection: Connection, state: State, report: Report) -> dict[str, Any]:
    """Repeat the turn of an answer that is already written, if this is that answer."""
    row = connection.execute(_BY_KEY, {"id": state.id, "idempotency_key": report.idempotency_key}).one_or_none()
    if row is not None:
        void = tuple(index for index in state.void if index <= row.trial_index)
        before = _after(desk, state, connection, n_rows=row.trial_index + 1, void=void)
        if report.trial_id == trial_name(desk, state.session_id, row.trial_index, before.shown[row.trial_index]):
            return _turn(desk, token, before, feedback=_feedback(state, row))
    raise Conflict("this is not the outstanding trial; ask for it again")


def _row(state: State, trial: PlannedTrial, report: Report, *, now: datetime) -> dict[str, Any]:
    definition = state.study.definition
    first, second = (*report.exposures, None, None)[:2]
    a, b = (first, second) if trial.order_of_a == "first" else (second, first)
    return {
        "session_id": state.id,
        "trial_index": state.n_rows,
        "plan_index": trial.plan_index,
        "kind": trial.kind,
        "control": trial.control,
        "design": definition.trial.design,
        "question": definition.trial.question,
        "image_id": trial.b.image_id,
        "stimulus_a": trial.a.stimulus_id,
        "stimulus_b": trial.b.stimulus_id,
        "condition_a": trial.a.condition,
        "condition_b": trial.b.condition,
        "side_of_a": trial.side_of_a,
        "order_of_a": trial.order_of_a,
        "instructed_response": trial.instructed_response,
        "response": report.response,
        "void_reason": report.void_reason,
        "rt_ms": report.rt_ms,
        "exposure_ms_nominal": definition.timing.exposure_ms,
        "exposure_a_ms_achieved": a and a.achieved_ms,
        "exposure_b_ms_achieved": b and b.achieved_ms,
        "frames_a": a and a.frames,
        "frames_b": b and b.frames,
        "dropped_frames": sum(e.dropped_frames for e in report.exposures) if report.exposures else None,
        "refresh_hz": report.refresh_hz,
        "visible": report.visible,
        "page_id": report.page_id,
        "idempotency_key": report.idempotency_key,
        "shown_at_utc": state.shown_at_utc or now,
        "answered_at_utc": now,
    }


def _status(state: State) -> str:
    """Say which status the rows alone imply, once the instructions are left."""
    trial = state.outstanding
    if trial is not None:
        return "practice" if trial.block == "practice" else "test"
    return "questionnaire" if state.study.definition.questionnaire.items else "complete"


def _write_status(connection: Connection, before: State, after: State, *, now: datetime) -> None:
    status = _status(after)
    if status != before.status:
        values: dict[str, Any] = {"status": status}
        if status == "complete":
            values["completed_at_utc"] = now
        connection.execute(update(_sessions).where(_sessions.c.id == before.id).values(**values))


@patient
def record_answers(desk: Desk, token: str, answers: Mapping[str, str], *, now: datetime) -> None:
    """Write the questionnaire's answers (checked by `questionnaire.check_answers`) and finish the session."""
    state = read_state(desk, token)
    with desk.database.writing() as connection:
        if not _finish(connection, state, now=now):
            return
        rows = [
            {
                "session_id": state.id,
                "item_id": item.item_id,
                "item_type": item.type,
                "question": item.question,
                "answer": answers[item.item_id],
                "answered_at_utc": now,
            }
            for item in state.study.definition.questionnaire.items
            if item.item_id in answers
        ]
        if rows:
            connection.execute(insert(_answers), rows)


def _finish(connection: Connection, state: State, *, now: datetime) -> bool:
    """Complete a session that is at its questionnaire; false if it was complete before."""
    done = connection.execute(
        update(_sessions)
        .where(_sessions.c.id == state.id, _sessions.c.status == "questionnaire")
        .values(status="complete", completed_at_utc=now)
    )
    if done.rowcount == 0 and state.status != "complete":
        raise Conflict("the session is not at its questionnaire")
    return done.rowcount == 1
