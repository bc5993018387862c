"""One complete session over HTTP, marked as a pilot's and withdrawn afterwards."""

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from study import rights, sessions
from study.definition import StudyDefinition
from study.design import PlannedTrial
from study.preflight.client import Client, Reply
from study.readiness import fitting_answers
from study.scoring import score
from study.sessions import Desk, planned_columns
from study.studies import Study

NAME = "preflight"


class DummyError(RuntimeError):
    """The session could not go on; the message says where."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the session met."""

    n_trials: int
    n_pictures: int
    status: str


def take_part(client: Client, desk: Desk, study: Study, *, now: datetime) -> Taken:
    """Take part from the instructions to the last page; practice is answered rightly. Raises DummyError, OSError."""
    token = sessions.start(desk, study.id, now=now, user_agent=NAME, may_be_closed=True, is_pilot=True)
    try:
        return _take_part(client, desk, study, token)
    finally:
        state = sessions.read_state(desk, token)
        rights.withdraw(desk, state.session_id, by=NAME, now=now, reason="preflight check")


def _take_part(client: Client, desk: Desk, study: Study, token: str) -> Taken:
    here = f"/p/{token}/"
    state = sessions.read_state(desk, token)
    if sessions.is_waiting(state, sessions.read_checks(desk, state)):
        _expect(client.get(here), 200, "what is asked before the instructions")
        given = fitting_answers(study.definition, sessions.plates_of(desk, state))
        _expect(client.submit(f"{here}checks", **given), 303, "the answers before the instructions")
    _expect(client.get(here), 200, "the instructions")
    _expect(client.submit(f"{here}advance", stage="instructions"), 303, "leaving the instructions")
    _expect(client.get(here), 200, "the page of trials")
    turn = _expect(client.post(f"{here}api/trial", {"page_id": NAME, "device": {}}), 200, "the first trial").json
    n_trials = n_pictures = 0
    lengths: set[int] = set()
    while (trial := turn["trial"]) is not None:
        urls = [picture["url"] for picture in trial["pictures"]] + [trial["reference"]] * bool(trial["reference"])
        for url in urls:
            reply = _expect(client.get(url), 200, f"picture {url.rsplit('/', 1)[-1]} of trial {n_trials + 1}")
            if not reply.body.startswith(b"\x89PNG"):
                raise DummyError(f"a picture of trial {n_trials + 1} is no PNG; something on the way answers instead")
            lengths.add(len(reply.body))
            n_pictures += 1
        planned = sessions.read_state(desk, token).outstanding
        assert planned is not None
        report = _report(trial, right_side(study.definition, planned), n_trials)
        turn = _expect(client.post(f"{here}api/response", report), 200, f"the answer to trial {n_trials + 1}").json
        n_trials += 1
    if len(lengths) > 1:
        raise DummyError("pictures came with different lengths; something on the way packs them again: switch it off")
    if sessions.read_state(desk, token).status == "questionnaire":
        _expect(client.get(here), 200, "the questionnaire")
        given = _answers(study.definition)
        _expect(client.submit(f"{here}answers", **given), 303, "the questionnaire's answers")
    _expect(client.get(here), 200, "the last page")
    return Taken(n_trials, n_pictures, sessions.read_state(desk, token).status)


def right_side(definition: StudyDefinition, planned: PlannedTrial) -> str:
    """Give the button that answers a trial rightly; left where nothing is right or wrong."""
    columns = planned_columns(definition, planned)
    for side in ("left", "right"):
        response = side
        if definition.is_single:
            response = "real" if side == definition.trial.real_button else "fake"
        if score(SimpleNamespace(**columns, response=response)).is_correct:
            return side
    return "left"


def _report(trial: dict[str, Any], side: str, number: int) -> dict[str, Any]:
    timing = trial["timing"]
    ms = timing["exposure_ms"] or 1000.0
    n = 2 if trial["design"] == "sequential_pair" else 1
    return {
        "trial_id": trial["trial_id"],
        "idempotency_key": f"{NAME}-{number}",
        "page_id": NAME,
        "response": side,
        "rt_ms": 800.0,
        "exposures": [{"achieved_ms": ms, "frames": max(1, round(ms * 0.06)), "dropped_frames": 0}] * n,
        "mask_frames": timing["n_masks"],
        "refresh_hz": 60.0,
        "visible": True,
        "shown_width_px": trial["width_px"],
        "shown_height_px": trial["height_px"],
    }


def _answers(definition: StudyDefinition) -> dict[str, str]:
    given: dict[str, str] = {}
    for item in definition.questionnaire.items:
        if item.type == "choice":
            given[item.item_id] = item.options[0].value
        elif item.type == "text":
            given[item.item_id] = NAME
        else:
            given[item.item_id] = f"{item.minimum or 0:g}"
    return given


def _expect(reply: Reply, status: int, what: str) -> Reply:
    if reply.status != status:
        raise DummyError(f"{what}: expected {status}, got {reply.status}")
    return reply
