"""The questionnaire's answers: checked against the items that ask for them, kept as text."""

import math
from collections.abc import Mapping, Sequence

from study.definition import Item
from study.words import say


def check_answers(items: Sequence[Item], values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the clean answers and, for items that need another one, what is wrong with it."""
    answers: dict[str, str] = {}
    errors: dict[str, str] = {}
    for item in items:
        value = values.get(item.item_id, "").replace("\r\n", "\n").replace("\0", "").strip()
        if not value:
            if item.required:
                errors[item.item_id] = say("Please answer this question.")
            continue
        error = _error(item, value)
        if error:
            errors[item.item_id] = error
        else:
            answers[item.item_id] = value
    return answers, errors


def _error(item: Item, value: str) -> str:
    if item.type == "choice":
        return "" if value in {option.value for option in item.options} else say("Please choose one of the answers.")
    if item.type == "text":
        return "" if len(value) <= item.max_length else say("Please use at most %(n)s characters.", n=item.max_length)
    try:
        number = float(value)
    except ValueError:
        return say("Please enter a number.")
    low, high = item.minimum, item.maximum
    if item.type == "scale" and not number.is_integer():
        return say("Please choose one of the answers.")
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        if low is not None and high is not None:
            return say(
                "Please enter a number, at least %(low)s and at most %(high)s.", low=f"{low:g}", high=f"{high:g}"
            )
        if low is not None:
            return say("Please enter a number, at least %(low)s.", low=f"{low:g}")
        if high is not None:
            return say("Please enter a number, at most %(high)s.", high=f"{high:g}")
        return say("Please enter a number.")
    return ""
