"""How a simulated participant answers one trial; `truth` says the model."""

import math
from dataclasses import dataclass
from typing import Any

from study.design import SIDES, PlannedTrial, other
from study.dice import Dice
from study.manifest import REAL
from study.simulate.truth import expit
from study.studies import Study

LONG_MS = 10_000.0  # an unlimited look


@dataclass(frozen=True, slots=True)
class Participant:
    """One simulated person."""

    study: Study
    truth: dict[str, Any]
    u: float
    dice: Dice


def respond(person: Participant, trial: PlannedTrial, exposure_ms: float) -> str:
    """Give the side of the button that the participant presses."""
    definition, p = person.study.definition, person.truth["parameters"]
    if person.dice.random() < p["lapse"]:
        return person.dice.choice(SIDES)
    if definition.is_single:
        said = _judge(person, trial, exposure_ms)
        return definition.trial.real_button if said == REAL else other(definition.trial.real_button, SIDES)
    if trial.instructed_response:
        return trial.instructed_response
    if trial.control == "same":
        return "left" if person.dice.random() < expit(p["side_bias"]) else "right"
    a, b = trial.side_of_a, other(trial.side_of_a, SIDES)
    if definition.is_preference:
        name = trial.fake if trial.control else f"{trial.a.condition} vs {trial.b.condition if trial.b else ''}"
        return a if _yes(person, trial, name, p["side_bias"] if a == "left" else -p["side_bias"]) else b
    is_fooled = _yes(person, trial, trial.a.condition, p["side_bias"] if a == "right" else -p["side_bias"])
    return b if is_fooled == (definition.trial.question == "fake") else a


def _judge(person: Participant, trial: PlannedTrial, exposure_ms: float) -> str:
    """Say real or fake of a single picture."""
    definition, p = person.study.definition, person.truth["parameters"]
    if trial.instructed_response:
        return trial.instructed_response
    is_real = trial.a.condition == REAL
    bias = p["side_bias"] if definition.trial.real_button == "left" else -p["side_bias"]
    if definition.staircase.is_on and not trial.control:
        log_ratio = math.log((exposure_ms or LONG_MS) / p["latent_threshold_ms"][trial.fake])
        if person.dice.random() < expit(p["slope"] * log_ratio + person.u + _image(person, trial)):
            return REAL if is_real else "fake"
        return REAL if person.dice.random() < expit(bias) else "fake"
    if is_real:
        said_real = person.dice.random() < expit(p["latent_hit_intercept"] + person.u + _image(person, trial) + bias)
    else:
        said_real = _yes(person, trial, trial.a.condition, bias)
    return REAL if said_real else "fake"


def _yes(person: Participant, trial: PlannedTrial, name: str, bias: float) -> bool:
    intercept = person.truth["parameters"]["latent_intercept"][name]
    return person.dice.random() < expit(intercept + person.u + _image(person, trial) + bias)


def _image(person: Participant, trial: PlannedTrial) -> float:
    p = person.truth["parameters"]
    return float(p["sd_image"] * Dice("image", person.study.seed, p["seed"], trial.a.image_id).gauss(0, 1))
