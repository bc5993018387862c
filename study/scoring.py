"""What an answer means: derived from the raw response in one place, for feedback, debrief, export and console alike."""

from dataclasses import dataclass
from typing import Protocol


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
    """Score one trial: `a` is the condition under test (the fake), `b` the original."""
    if not trial.response:
        return Score()
    chose_a = trial.response == trial.side_of_a
    chosen = trial.stimulus_a if chose_a else trial.stimulus_b
    if trial.control == "instructed":
        # The participant did as told; that says nothing of what looked real.
        return Score(chosen_stimulus=chosen, is_correct=trial.response == trial.instructed_response)
    a_is_real = chose_a == (trial.question == "real")
    return Score(
        chosen_stimulus=chosen,
        said_real=trial.stimulus_a if a_is_real else trial.stimulus_b,
        is_fooled=a_is_real,
        is_correct=not a_is_real,
    )
