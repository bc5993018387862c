"""What one key alone cannot tell: whether the keys of a definition fit one another."""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any

from study.definition.filling import wrong_placeholders
from study.definition.schema import COUNTS, PAIRS, PLACEHOLDERS, Item, StudyDefinition

Problem = tuple[tuple[str | int, ...], str]
MEASURES = {
    "single": ("yes_no", "error_rate", "modal_exposure"),
    "natural": ("preference",),
    "fake": ("fool_rate",),
    "real": ("fool_rate",),
}
# Which fields of an item go with which of its types.
FITTING = {
    "options": ("choice",),
    "minimum": ("scale", "number"),
    "maximum": ("scale", "number"),
    "unit": ("number",),
    "low_label": ("scale",),
    "high_label": ("scale",),
}
SHORTEST_MS = 10
CHANCE = 0.5
REAL = "real"


def contradictions(d: StudyDefinition) -> Iterator[Problem]:
    """Find every contradiction: the key to mend, and how."""
    yield from _words(d)
    yield from _outcome(d)
    yield from _design(d)
    yield from _timing(d)
    yield from _counts(d)
    if len(set(d.conditions.models)) < len(d.conditions.models):
        yield ("conditions", "models"), "a condition occurs twice; name each once"
    if REAL in d.conditions.models:
        yield ("conditions", "models"), f"{REAL} is what the models are compared with; leave it out"
    if d.trial.reference_condition == REAL and not d.is_preference:
        yield ("trial", "reference_condition"), f"{REAL} beforehand gives the answer away; name another, as gray"
    known = set(flat(d))
    for key in d.reasons:
        if key not in known:
            yield ("reasons", key), "there is no such key to give a reason for; name one as section.key"
    seen: set[str] = set()
    for number, item in enumerate(d.questionnaire.items):
        path = ("questionnaire", "items", number)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", item.item_id):
            yield (*path, "item_id"), f"expected small letters, digits and _, got {item.item_id!r}"
        elif item.item_id in seen:
            yield (*path, "item_id"), f"{item.item_id} occurs twice"
        seen.add(item.item_id)
        yield from _item(item, path)


def flat(d: StudyDefinition) -> dict[str, Any]:
    """Give every setting under its dotted key; the questionnaire is one, and reasons are none."""
    result: dict[str, Any] = {}
    for section, value in dataclasses.asdict(d).items():
        if section == "questionnaire":
            result[section] = value["items"]
        elif section not in {"preset", "reasons"}:
            result.update({f"{section}.{key}": item for key, item in value.items()})
    return result


def _words(d: StudyDefinition) -> Iterator[Problem]:
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", d.study.language):
        yield ("study", "language"), f'expected a language tag like "en", got {d.study.language!r}'
    for number, target in enumerate(d.analysis.targets):
        if not 0 < target < 1:
            yield ("analysis", "targets", number), f"expected a rate between 0 and 1, got {target:g}"
    yield from _placeholders(d)
    yield from _missing_words(d)


def _placeholders(d: StudyDefinition) -> Iterator[Problem]:
    for name in ("consent", "instructions", "debrief"):
        for problem in wrong_placeholders(getattr(d.words, name), PLACEHOLDERS, COUNTS):
            yield ("words", name), problem


def _missing_words(d: StudyDefinition) -> Iterator[Problem]:
    """Find what people would have to read and nobody wrote; a button without a name cannot be used by everybody."""
    is_told = (d.practice.feedback and d.practice.n_trials > 0) or d.test.feedback
    needed = {
        "consent": True,
        "instructions": True,
        "left": not d.is_single,
        "right": not d.is_single,
        "instructed_left": not d.is_single and d.catch.n_instructed,
        "instructed_right": not d.is_single and d.catch.n_instructed,
        "correct": is_told,
        "wrong": is_told,
        "practice_done": d.practice.n_trials > 0,
        "closed": True,
        "real": d.is_single,
        "fake": d.is_single,
        "instructed_real": d.is_single and d.catch.n_instructed,
        "instructed_fake": d.is_single and d.catch.n_instructed,
        "pause": d.test.n_blocks > 1,
        "unqualified": d.practice.pass_share > 0,
    }
    for name, is_needed in needed.items():
        if is_needed and not getattr(d.words, name).strip():
            yield ("words", name), "is empty, but this design shows it; write it"
    for section, name in (("study", "title"), ("trial", "prompt")):
        if not getattr(getattr(d, section), name).strip():
            yield (section, name), "is empty, but every participant reads it; write it"


def _outcome(d: StudyDefinition) -> Iterator[Problem]:
    t = d.trial
    if d.outcome.chance != CHANCE:
        yield (
            ("outcome", "chance"),
            f"two answers: guessing gives {CHANCE}, got {d.outcome.chance:g}; take the line out",
        )
    if d.is_single != (t.question == "real_or_fake"):
        yield (
            ("trial", "question"),
            "real_or_fake goes with design = single, and with no other; "
            f"got {t.question} with {t.design}; change one of the two",
        )
    else:
        allowed = MEASURES["single" if d.is_single else t.question]
        if d.outcome.measure not in allowed:
            yield (
                ("outcome", "measure"),
                f"{t.design} with the question {t.question} measures {' or '.join(allowed)}, got {d.outcome.measure}",
            )
    if d.staircase.is_on != (d.outcome.measure == "modal_exposure"):
        yield (
            ("outcome", "measure"),
            "modal_exposure goes with a staircase (down_ms and up_ms above 0), and with nothing else; "
            f"got {d.outcome.measure}; change one of the two",
        )


def _design(d: StudyDefinition) -> Iterator[Problem]:
    t = d.trial
    if (t.size_unit == "degrees") != (t.size_degrees > 0):
        yield ("trial", "size_degrees"), f"above 0 with size_unit = degrees, and 0 with any other; got {t.size_unit}"
    if d.is_preference and (d.practice.feedback or d.test.feedback):
        name = "practice" if d.practice.feedback else "test"
        yield (name, "feedback"), "a preference is neither right nor wrong; set it to false"
    if d.practice.pass_share and (d.is_preference or not d.practice.n_trials):
        yield ("practice", "pass_share"), "needs practice trials that can be right or wrong; set it to 0"
    if t.first_side == "left" and t.design != "sequential_pair":
        yield ("trial", "first_side"), f"only sequential_pair has a first side, got {t.design}; set it to either"
    if d.catch.n_same and t.design not in PAIRS:
        yield ("catch", "n_same"), "real against real needs two pictures; set it to 0"
    if d.catch.n_obvious and d.catch.n_low_anchor and d.catch.obvious_condition == d.catch.low_anchor_condition:
        yield ("catch", "obvious_condition"), f"is the low anchor's, {d.catch.obvious_condition!r}; name another"
    if d.catch.low_anchor_probability and (d.catch.n_low_anchor or d.is_single or d.is_preference):
        yield (
            ("catch", "low_anchor_probability"),
            "catch trials by chance go with pairs of real and fake and with n_low_anchor = 0; set one of them to 0",
        )


def _timing(d: StudyDefinition) -> Iterator[Problem]:
    t, s = d.timing, d.staircase
    if 0 < t.exposure_ms < SHORTEST_MS:
        yield ("timing", "exposure_ms"), f"expected {SHORTEST_MS} or more, or 0 for unlimited, got {t.exposure_ms:g}"
    if t.exposure_ms == 0 and d.trial.design == "sequential_pair":
        yield ("timing", "exposure_ms"), "the first of two pictures must end; set a time, or design = simultaneous_pair"
    if t.n_masks and (d.trial.design != "single" or not t.mask_ms or (not t.exposure_ms and not s.is_on)):
        yield ("timing", "n_masks"), "masks follow a single picture of limited time and need mask_ms; else set 0"
    if t.countdown_from and not t.countdown_ms:
        yield ("timing", "countdown_ms"), "a countdown needs the time of a numeral"
    if bool(t.reference_ms) != bool(d.trial.reference_condition):
        yield ("timing", "reference_ms"), "goes with trial.reference_condition: set both, or neither"
    if s.is_on:
        if d.trial.design != "single":
            yield ("staircase", "down_ms"), f"a staircase needs design = single, got {d.trial.design}"
        if not (s.down_ms > 0 and s.up_ms > 0):
            yield ("staircase", "up_ms"), "both steps must be above 0; a rule with one step only moves one way"
        if not SHORTEST_MS <= s.min_ms <= s.start_ms <= s.max_ms:
            yield (
                ("staircase", "start_ms"),
                f"expected {SHORTEST_MS} ≤ min_ms ≤ start_ms ≤ max_ms, got {s.min_ms:g}, {s.start_ms:g}, {s.max_ms:g}",
            )


def _counts(d: StudyDefinition) -> Iterator[Problem]:
    n, n_blocks = d.test.n_trials, d.test.n_blocks
    if n % n_blocks:
        yield ("test", "n_blocks"), f"{n} trials do not divide into {n_blocks} equal blocks; change one of the two"
    if d.test.pool_size and d.test.pool_size < n:
        yield ("test", "pool_size"), f"expected 0 (all photographs) or at least n_trials = {n}, got {d.test.pool_size}"


def _item(item: Item, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Check that an item has what its type needs."""
    low, high = item.minimum, item.maximum
    if not item.question.strip():
        yield (*path, "question"), "is empty; write what is asked"
    for name, types in FITTING.items():
        if getattr(item, name) not in ((), None, "") and item.type not in types:
            yield (*path, name), f"goes with the type {' or '.join(types)}, got {item.type}; delete one of the two"
            return
    if not all(math.isfinite(limit) for limit in (low, high) if limit is not None):
        yield (*path, "minimum"), f"expected numbers, got {low} to {high}; leave a limit out where there is none"
        return
    if item.type == "choice":
        values = [option.value for option in item.options]
        if len(values) < 2 or len(set(values)) < len(values):
            yield (*path, "options"), f"a choice needs two or more options with values of their own, got {values}"
    elif item.type == "scale":
        if low is None or high is None or not (low.is_integer() and high.is_integer() and 1 <= high - low <= 20):
            yield (
                (*path, "maximum"),
                f"a scale needs whole minimum and maximum, 1 to 20 apart, got {low} and {high}",
            )
    elif low is not None and high is not None and low > high:
        yield (*path, "maximum"), f"expected at least the minimum, {low:g}, got {high:g}"
