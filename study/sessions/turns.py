"""What the browser is told of the next trial; nothing in it tells which picture is which."""

from typing import Any

from study.design import PlannedTrial
from study.scoring import score
from study.sessions.desk import Desk
from study.sessions.names import picture_addresses, trial_name
from study.sessions.state import State


def describe_turn(desk: Desk, token: str, state: State, *, feedback: bool | None = None) -> dict[str, Any]:
    """Say what comes next; nothing in it tells which picture is which."""
    here = f"/p/{token}/"
    index, shown = state.n_rows, state.shown
    trial = shown[index] if index < len(shown) else None
    prefetch: list[str] = []
    if index + 1 < len(shown):
        # Sorted by address: the order of presentation stays unknown until the trial's turn.
        prefetch = sorted(picture_addresses(desk, state.session_id, index + 1, shown[index + 1]))
    return {
        "trial": None if trial is None else _describe_trial(desk, here, state, trial),
        "next_url": here,
        "feedback": None if feedback is None else {"correct": feedback},
        "progress": {"done": index - len(state.void), "total": len(shown) - len(state.void)},
        "prefetch": [f"{here}image/{address}" for address in prefetch],
    }


def _describe_trial(desk: Desk, here: str, state: State, trial: PlannedTrial) -> dict[str, Any]:
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


def feedback_of(state: State, row: Any) -> bool | None:
    """Say whether an answer was right, where the protocol tells the participant."""
    if row.kind != "practice" or row.void_reason or not state.study.definition.practice.feedback:
        return None
    return score(row).is_correct
