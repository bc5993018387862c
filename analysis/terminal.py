"""What `python -m analysis report` prints: the main sentences of a report."""

from __future__ import annotations

from analysis.about import JUDGED_REAL, PREFERENCE
from analysis.estimate import FoolRate
from analysis.results import Results
from analysis.sentences import (
    accuracy_sentence,
    main_sentence,
    preference_sentence,
    rating_sentence,
    sensitivity_sentence,
    settled,
    taken_in_sentence,
    threshold_sentence,
)


def printed(results: Results) -> list[str]:
    """The lines, most important first; notes are indented."""
    lines = []
    if results.yes_no:
        lines.append(accuracy_sentence(results.yes_no.accuracy))
        if results.yes_no.sensitivity:
            lines.append(sensitivity_sentence(results.yes_no.sensitivity, results.plan.confidence))
    for rate in results.fool_rates:
        lines.append(_rate(rate, results))
        lines += [f"  note: {warning}" for warning in rate.warnings]
    for one in results.thresholds:
        lines.append(threshold_sentence(one))
        if told := settled(one, results.plan.staircase_target):
            lines.append(f"  note: {told}")
    lines += [rating_sentence(one, results.plan.confidence) for one in results.ratings]
    return [*lines, f"  note: {results.note}"] if results.note else lines


def _rate(rate: FoolRate, results: Results) -> str:
    key = results.about.outcome.key
    if key == PREFERENCE.key:
        return preference_sentence(rate)
    if key == JUDGED_REAL.key:
        return taken_in_sentence(rate)
    return main_sentence(rate, name_condition=len(results.fool_rates) > 1)
