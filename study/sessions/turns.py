"""What the browser is told of the next trial; nothing in it tells which picture is which."""

from typing import Any

from study.design import PRACTICE, PlannedTrial
from study.scoring import score
from study.sessions.desk import Desk
from study.sessions.names import picture_addresses, trial_name
from study.sessions.state import State


def describe_turn(desk: Desk, token: str, state: State, *, feedback: bool | None = None) -> dict[str, Any]:
    """Say what comes next; nothing in it tells which picture is which."""
    here = f"/p/{token}/"
    index, shown = state.n_rows, state.shown
    trial = shown[index] if index < len(shown) and state.status != "unqualified" else None
    prefetch: list[str] = []
    if trial is not None and index + 1 < len(shown):
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
    exposure_ms = timing.exposure_ms if state.level_ms is None else state.level_ms
    before = state.shown[state.n_rows - 1] if state.n_rows else None
    return {
        "trial_id": trial_name(desk, state.session_id, state.n_rows, trial),
        "is_practice": trial.kind == "practice",
        "design": definition.trial.design,
        "question": definition.trial.question,
        "prompt": definition.trial.prompt,
        "instruction": getattr(words, f"instructed_{trial.instructed_response}") if trial.instructed_response else None,
        "pictures": [
            {"url": f"{here}image/{address}", "side": side}
            for address, (_, side) in zip(addresses, trial.in_order, strict=False)
        ],
        "reference": f"{here}image/{addresses[-1]}" if trial.reference else None,
        "pause": before is not None and before.block != trial.block and before.block != PRACTICE,
        "width_px": trial.a.width_px,
        "height_px": trial.a.height_px,
        "size_unit": definition.trial.size_unit,
        "timing": {
            "blank_before_ms": timing.first_blank_ms if state.n_rows == 0 else timing.blank_before_ms,
            "countdown_from": timing.countdown_from,
            "countdown_ms": timing.countdown_ms,
            "reference_ms": timing.reference_ms,
            "exposure_ms": exposure_ms,
            "n_masks": timing.n_masks if exposure_ms else 0,
            "mask_ms": timing.mask_ms,
            "blank_between_ms": timing.blank_between_ms,
            "buttons_after_ms": timing.buttons_after_ms,
            "feedback_ms": timing.feedback_ms,
        },
    }


def feedback_of(state: State, row: Any) -> bool | None:
    """Say whether an answer was right, where the protocol tells the participant."""
    definition = state.study.definition
    is_told = definition.practice.feedback if row.kind == "practice" else definition.test.feedback
    if row.void_reason or not is_told or row.control == "instructed":
        return None
    return score(row).is_correct
