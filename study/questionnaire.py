"""The questionnaire's answers: checked against the items that ask for them, kept as text."""

import math
from collections.abc import Mapping, Sequence

from study.definition import Item


def check_answers(items: Sequence[Item], values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the clean answers and, for items that need another one, what is wrong with it."""
    answers: dict[str, str] = {}
    errors: dict[str, str] = {}
    for item in items:
        value = values.get(item.item_id, "").replace("\r\n", "\n").replace("\0", "").strip()
        if not value:
            if item.required:
                errors[item.item_id] = "Please answer this question."
            continue
        error = _error(item, value)
        if error:
            errors[item.item_id] = error
        else:
            answers[item.item_id] = value
    return answers, errors


def _error(item: Item, value: str) -> str:
    if item.type == "choice":
        return "" if value in {option.value for option in item.options} else "Please choose one of the answers."
    if item.type == "text":
        return "" if len(value) <= item.max_length else f"Please use at most {item.max_length} characters."
    try:
        number = float(value)
    except ValueError:
        return "Please enter a number."
    low, high = item.minimum, item.maximum
    if item.type == "scale" and not number.is_integer():
        return "Please choose one of the answers."
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        bounds = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
        return (
            f"Please enter a number, {' and '.join(filter(None, bounds))}." if any(bounds) else "Please enter a number."
        )
    return ""
