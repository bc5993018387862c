"""Simulated participants take part, data only, through the same session functions as people."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import func, select

from study import sessions
from study.dice import Dice
from study.models import SessionRow, StudyRow
from study.readiness import fitting_answers
from study.sessions import Desk
from study.simulate.answers import Participant, respond
from study.simulate.truth import Parameters, SimulationError, state_truth
from study.studies import Study

Turn = dict[str, Any]
FRAME_MS = 1000 / 60
DEVICE = {
    "screen_width_px": 1920,
    "screen_height_px": 1080,
    "viewport_width_px": 1280,
    "viewport_height_px": 900,
    "device_pixel_ratio": 1,
    "refresh_hz": 60,
    "language": "en",
}


def simulate(
    desk: Desk,
    study: Study,
    *,
    n_participants: int,
    rates: Mapping[str, float],
    parameters: Parameters,
    now: datetime,
    among_people: bool = False,
    tell: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Add simulated sessions to a study and return the stated truth; `tell` hears of every session."""
    if n_participants < 1:
        raise SimulationError(f"--participants: expected 1 or more, got {n_participants}")
    truth = state_truth(study, rates, parameters)
    n_before = claim(desk, study, truth, among_people=among_people)
    for number in range(n_before, n_before + n_participants):
        with desk.database.batch():
            begun = now - timedelta(hours=1)
            token = start(desk, study, truth, number, now=begun)
            take_part(Direct(desk, token), desk, study, truth, number, token, clock=begun)
        tell(number)
    return truth


def claim(desk: Desk, study: Study, truth: dict[str, Any], *, among_people: bool) -> int:
    """Mark the study as simulated; two truths never mix, and people's data only where it is asked for."""
    with desk.database.session() as session:
        row = session.get_one(StudyRow, study.id)
        mine = select(func.count()).select_from(SessionRow).where(SessionRow.study_id == study.id)
        if not among_people and session.scalar(mine.where(SessionRow.is_simulated.is_(False))):
            raise SimulationError(
                f"{study.slug} holds sessions of people; create a study of its own for simulation, "
                "or say --among-people (its report will say SIMULATED)"
            )
        if row.simulation is not None and row.simulation != truth:
            raise SimulationError(
                f"{study.slug} was simulated with another truth {row.simulation['fool_rate']} or other parameters; "
                "create a study of its own"
            )
        row.simulation = truth
        return session.scalar(mine) or 0


def start(
    desk: Desk, study: Study, truth: dict[str, Any], number: int, *, now: datetime, user_agent: str = "simulated"
) -> str:
    """Begin the session of the study's `number`-th participant; its token follows from the seeds."""
    return sessions.start(
        desk,
        study.id,
        now=now,
        user_agent=user_agent,
        source="simulated",
        is_simulated=True,
        may_be_closed=True,
        bits=names_of(study, truth, number).getrandbits,
    )


def names_of(study: Study, truth: dict[str, Any], number: int) -> Dice:
    """Give the source of a participant's token and names."""
    return Dice("names", study.name, study.seed, truth["parameters"]["seed"], number)


class Access(Protocol):
    """How a participant's doings reach the study; a *turn* is what docs/participant-http.md says."""

    def check(self, answers: dict[str, str], *, now: datetime) -> None:
        """Send the form before the instructions."""

    def leave_instructions(self) -> None:
        """Go on to the trials."""

    def next_trial(self, page_id: str, *, now: datetime) -> Turn:
        """Ask for the outstanding trial."""

    def answer(self, report: dict[str, Any], *, now: datetime) -> Turn:
        """Report the outstanding trial."""

    def fill_in(self, answers: dict[str, str], *, now: datetime) -> None:
        """Send the questionnaire."""


@dataclass(frozen=True, slots=True)
class Direct:
    """Data only: the session functions themselves."""

    desk: Desk
    token: str

    def check(self, answers: dict[str, str], *, now: datetime) -> None:
        """Send the form before the instructions."""
        sessions.record_checks(self.desk, self.token, answers, now=now)

    def leave_instructions(self) -> None:
        """Go on to the trials."""
        sessions.advance(self.desk, self.token, stage="instructions")

    def next_trial(self, page_id: str, *, now: datetime) -> Turn:
        """Ask for the outstanding trial."""
        return sessions.next_trial(self.desk, self.token, page_id=page_id, device=DEVICE, now=now)

    def answer(self, report: dict[str, Any], *, now: datetime) -> Turn:
        """Report the outstanding trial."""
        return sessions.record_response(self.desk, self.token, report, now=now)

    def fill_in(self, answers: dict[str, str], *, now: datetime) -> None:
        """Send the questionnaire."""
        sessions.record_answers(self.desk, self.token, answers, now=now)


def take_part(
    access: Access, desk: Desk, study: Study, truth: dict[str, Any], number: int, token: str, *, clock: datetime
) -> None:
    """Lead one simulated participant from where the session stands to debrief, or to where they leave.

    All that a participant does follows from the seeds and the number, by whatever way it reaches the study. Trials that
    have been answered are lived through again without sending anything, so that the rest is as if nothing had happened.
    """
    p = truth["parameters"]
    dice = Dice("participant", study.seed, p["seed"], number)
    state = sessions.read_state(desk, token)
    if state.status == "consented":
        access.check(fitting_answers(study.definition, sessions.plates_of(desk, state)), now=clock)
        access.leave_instructions()
    page_id = f"page-{number}"
    turn = access.next_trial(page_id, now=clock)
    person = Participant(study, truth, u=dice.gauss(0, p["sd_participant"]), dice=dice)
    speed = dice.gauss(0, p["rt_sd_participant"])
    last = dice.randrange(len(state.shown)) if dice.random() < p["drop_out"] else len(state.shown)
    for index, trial in enumerate(state.shown):
        is_over = index < state.n_rows
        if index == last or (turn["trial"] is None and not is_over):  # gone, or not qualified
            break
        rt_ms = round(math.exp(math.log(p["rt_median_ms"]) + speed + dice.gauss(0, p["rt_sd"])), 1)
        clock += timedelta(milliseconds=4000 + rt_ms)
        timing = study.definition.timing
        exposure_ms = timing.exposure_ms if is_over else turn["trial"]["timing"]["exposure_ms"]
        report = {
            "trial_id": "" if is_over else turn["trial"]["trial_id"],
            "idempotency_key": f"{page_id}-{index}",
            "page_id": page_id,
            "response": respond(person, trial, exposure_ms),
            "rt_ms": rt_ms,
            "exposures": [_exposure(exposure_ms or rt_ms, dice) for _ in range(2 if trial.order_of_a else 1)],
            "refresh_hz": 60.0,
            "visible": True,
            "mask_frames": (timing.n_masks if exposure_ms else 0) * max(1, round(timing.mask_ms / FRAME_MS)),
            "shown_width_px": trial.a.width_px,
            "shown_height_px": trial.a.height_px,
        }
        if not is_over:
            turn = access.answer(report, now=clock)
    if sessions.read_state(desk, token).status == "questionnaire":
        access.fill_in(fill_in(study, dice), now=clock + timedelta(seconds=40))


def _exposure(nominal_ms: float, dice: Dice) -> dict[str, float]:
    """A screen of 60 Hz that keeps its time to a fraction of a millisecond."""
    n_frames = max(1, round(nominal_ms / FRAME_MS))
    return {
        "achieved_ms": round(n_frames * FRAME_MS + dice.gauss(0, 0.2), 2),
        "frames": n_frames,
        "dropped_frames": 0,
    }


def fill_in(study: Study, dice: Dice) -> dict[str, str]:
    """Answer the questionnaire, mostly by each choice's first option."""
    answers: dict[str, str] = {}
    for item in study.definition.questionnaire.items:
        if item.type == "choice":
            answers[item.item_id] = item.options[0].value if dice.random() < 0.9 else dice.choice(item.options).value
        elif item.type == "text":
            if item.required:
                answers[item.item_id] = "simulated"
        else:
            low = math.ceil(item.minimum) if item.minimum is not None else 0
            high = math.floor(item.maximum) if item.maximum is not None else low + 10
            answers[item.item_id] = str(dice.randint(low, high))
    return answers
