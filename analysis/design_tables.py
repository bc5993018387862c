"""The tables of single pictures, staircases, preferences and ratings."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from analysis.preference import abilities
from analysis.results import Results
from analysis.sentences import level, number, percent
from analysis.table import Shown, Table, interval_cell, text_cell

SENSITIVITY_COLUMNS = ("d_prime", "d_low", "d_high", "criterion", "c_low", "c_high")

# What a share has beside it in a table.
SHARE_COLUMNS = (
    "n_trials",
    "n_fooled",
    "fool_rate",
    "ci_low",
    "ci_high",
    "se",
    "design_effect",
    "n_participants",
    "n_images",
)


def judgements(results: Results) -> Table:
    """Accuracy and shares of single-picture judgements."""
    assert results.yes_no is not None
    judged = results.yes_no
    rows = [
        {"quantity": f"accuracy, {name}", **{key: getattr(rate, key) for key in SHARE_COLUMNS}}
        for name, rate in (
            ("all pictures", judged.accuracy),
            ("fakes", judged.accuracy_fake),
            ("originals", judged.accuracy_real),
        )
    ]
    frame = pd.DataFrame(rows).rename(columns={"n_fooled": "n_correct", "fool_rate": "accuracy"})
    return Table(
        "judgements",
        "accuracy of single-picture judgements, percent",
        frame,
        (
            Shown("Quantity", text_cell("quantity"), is_text=True),
            Shown("k", text_cell("n_correct")),
            Shown("n", text_cell("n_trials")),
            Shown("Correct (%)", lambda row: percent(row.accuracy)),
            Shown(level(results.plan.confidence), interval_cell),
        ),
    )


def sensitivity(results: Results) -> Table:
    """Hits, false alarms, d′, criterion and HYPE's error rate of every condition of single pictures."""
    nothing = float("nan")
    rows = []
    for one in results.judged:
        found, hype = one.yes_no.sensitivity, one.hype
        rows.append(
            {
                "condition": one.condition,
                "hit_rate": one.yes_no.accuracy_fake.fool_rate,
                "false_alarm_rate": 1 - one.yes_no.accuracy_real.fool_rate,
                **(asdict(found) if found else dict.fromkeys(SENSITIVITY_COLUMNS, nothing)),
                "error_rate": hype.error_rate if hype else 1 - one.yes_no.accuracy.fool_rate,
                "error_low": hype.ci_low if hype else nothing,
                "error_high": hype.ci_high if hype else nothing,
            }
        )
    return Table(
        "sensitivity",
        "sensitivity and error rate of single-picture judgements",
        pd.DataFrame(rows),
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown("Hits (%)", lambda row: percent(row.hit_rate)),
            Shown("False alarms (%)", lambda row: percent(row.false_alarm_rate)),
            Shown("d′", lambda row: number(row.d_prime)),
            Shown(level(results.plan.confidence), lambda row: f"[{number(row.d_low)}, {number(row.d_high)}]"),
            Shown("c", lambda row: number(row.criterion)),
            Shown("Error rate (%)", lambda row: percent(row.error_rate)),
        ),
    )


def thresholds(results: Results) -> Table:
    """Exposure thresholds of a staircase, ms."""
    frame = pd.DataFrame(
        [
            {
                "condition": one.condition,
                "threshold_ms": one.threshold_ms,
                "ci_low_ms": one.hype.ci_low_ms if one.hype else float("nan"),
                "ci_high_ms": one.hype.ci_high_ms if one.hype else float("nan"),
                "se_ms": one.hype.se_ms if one.hype else float("nan"),
                "share_correct": one.share_correct,
                "median_level_ms": one.median_level_ms,
                "n_at_limit": one.n_at_limit,
                "fitted_ms": one.fit.threshold_ms if one.fit else float("nan"),
                "fitted_low_ms": one.fit.ci_low_ms if one.fit else float("nan"),
                "fitted_high_ms": one.fit.ci_high_ms if one.fit else float("nan"),
                "n_trials": one.n_trials,
                "n_participants": one.n_participants,
            }
            for one in results.thresholds
        ]
    )
    return Table(
        "thresholds",
        "exposure thresholds, ms",
        frame,
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown("Threshold (ms)", lambda row: number(row.threshold_ms, 0)),
            Shown("95% CI", lambda row: f"[{number(row.ci_low_ms, 0)}, {number(row.ci_high_ms, 0)}]"),
            Shown("75% point (ms)", lambda row: number(row.fitted_ms, 0)),
            Shown("95% CI", lambda row: f"[{number(row.fitted_low_ms, 0)}, {number(row.fitted_high_ms, 0)}]"),
            Shown("Right (%)", lambda row: percent(row.share_correct)),
            Shown("Participants", text_cell("n_participants")),
            Shown("Trials", text_cell("n_trials")),
        ),
    )


def preference(results: Results) -> Table:
    """Bradley–Terry abilities."""
    assert results.bradley_terry is not None
    return Table(
        "preference",
        "Bradley–Terry abilities on the logit",
        pd.DataFrame([asdict(one) for one in abilities(results.bradley_terry, results.plan.confidence)]),
        (
            Shown("System", text_cell("system"), is_text=True),
            Shown("Ability", lambda row: number(row.ability)),
            Shown("s.e.", lambda row: number(row.se)),
            Shown(level(results.plan.confidence), lambda row: f"[{number(row.ci_low)}, {number(row.ci_high)}]"),
        ),
    )


def ratings(results: Results) -> Table:
    """Mean ratings on their own scale."""
    return Table(
        "ratings",
        "mean ratings",
        pd.DataFrame([asdict(one) for one in results.ratings]),
        (
            Shown("Condition", text_cell("condition"), is_text=True),
            Shown("n", text_cell("n_trials")),
            Shown("Mean", lambda row: number(row.mean)),
            Shown(level(results.plan.confidence), lambda row: f"[{number(row.ci_low)}, {number(row.ci_high)}]"),
            Shown("Participants", text_cell("n_participants")),
            Shown("Images", text_cell("n_images")),
        ),
    )
