"""What an answer means: derived from the raw response in one place, for feedback, debrief, export and console alike."""

from dataclasses import dataclass
from typing import Protocol

REAL = "real"


class Presented(Protocol):
    """What scoring needs to know of a trial: a row of the table has it."""

    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def control(self) -> str: ...  # noqa: D102
    @property
    def stimulus_a(self) -> str: ...  # noqa: D102
    @property
    def stimulus_b(self) -> str: ...  # noqa: D102
    @property
    def condition_a(self) -> str: ...  # noqa: D102
    @property
    def side_of_a(self) -> str: ...  # noqa: D102
    @property
    def instructed_response(self) -> str: ...  # noqa: D102
    @property
    def response(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Score:
    """An answer's meaning; a void trial has none."""

    chosen_stimulus: str = ""
    said_real: str = ""
    is_fooled: bool | None = None
    is_correct: bool | None = None


def score(trial: Presented) -> Score:
    """Score one trial: `a` is the condition under test, `b` the original, another condition, or nothing."""
    if not trial.response:
        return Score()
    if trial.question == "real_or_fake":
        return _score_single(trial)
    chose_a = trial.response == trial.side_of_a
    chosen = trial.stimulus_a if chose_a else trial.stimulus_b
    if trial.control == "instructed":
        # The participant did as told; that says nothing of what looked real.
        return Score(chosen_stimulus=chosen, is_correct=trial.response == trial.instructed_response)
    if trial.control == "same":
        return Score(chosen_stimulus=chosen)
    if trial.question == "natural":  # a control colouring should lose; else nothing is right or wrong
        return Score(chosen_stimulus=chosen, is_correct=not chose_a if trial.control else None)
    a_is_real = chose_a == (trial.question == "real")
    return Score(
        chosen_stimulus=chosen,
        said_real=trial.stimulus_a if a_is_real else trial.stimulus_b,
        is_fooled=a_is_real,
        is_correct=not a_is_real,
    )


def _score_single(trial: Presented) -> Score:
    if trial.control == "instructed":
        return Score(is_correct=trial.response == trial.instructed_response)
    said_real, is_real = trial.response == REAL, trial.condition_a == REAL
    return Score(
        said_real=trial.stimulus_a if said_real else "",
        is_fooled=None if is_real else said_real,
        is_correct=said_real == is_real,
    )
