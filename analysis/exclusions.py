"""Named exclusion rules, each counted: who entered, who is left, and why.

The data stay whole; leaving out happens here, in the order of `RULES`, and a session or trial is counted under the
first rule that takes it.  A rule with `excludes=False` is recorded: counted among those left, and nobody leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.plan import Plan

Mask = Callable[[pd.DataFrame, Plan], "pd.Series[bool]"]

# Where a browser measured no refresh rate, the commonest one stands in for the length of a frame.
USUAL_REFRESH_HZ = 60.0


@dataclass(frozen=True)
class Rule:
    """A reason to leave out sessions or trials; `matches` marks rows of the sessions or of the test trials."""

    name: str
    unit: Literal["session", "trial"]
    reads: str
    matches: Mask
    excludes: bool = True


@dataclass(frozen=True)
class Step:
    """What one rule did: how many it matched and, if it excludes, how many are left after it."""

    rule: str
    unit: str
    reads: str
    excludes: bool
    n_sessions: int
    n_trials: int
    n_sessions_left: int
    n_trials_left: int


@dataclass(frozen=True)
class ExclusionFlow:
    """From everyone who entered to the analysed set; trials are test trials presented, void ones included."""

    n_sessions_entered: int
    n_trials_entered: int
    steps: tuple[Step, ...]
    n_sessions_analysed: int
    n_trials_analysed: int
    n_participants_analysed: int


@dataclass(frozen=True)
class Selection:
    """The analysed set: its sessions, all answered trials of those sessions, and its scored test trials.

    `left_out_by` names for every test trial presented the rule that took it; "" for the analysed ones.
    """

    flow: ExclusionFlow
    sessions: pd.DataFrame
    trials: pd.DataFrame
    test: pd.DataFrame
    left_out_by: pd.Series[str]


def is_answered(trials: pd.DataFrame) -> pd.Series[bool]:
    """Mark trials with a response and without a reason to be void."""
    return (trials["response"] != "") & (trials["void_reason"] == "")


def exposure_error_frames(trials: pd.DataFrame) -> pd.Series[float]:
    """|achieved − nominal| exposure in frames of the measured refresh rate; NaN where none was measured."""
    frame_ms = 1000 / trials["refresh_hz"].fillna(USUAL_REFRESH_HZ)
    return (trials["exposure_ms_achieved"] - trials["exposure_ms_nominal"]).abs() / frame_ms


def _badly_timed(trials: pd.DataFrame, plan: Plan) -> pd.Series[bool]:
    return exposure_error_frames(trials) > plan.max_exposure_error_frames


def _inattentive(sessions: pd.DataFrame, plan: Plan) -> pd.Series[bool]:
    return sessions["n_instructed_wrong"] > (plan.max_instructed_failed or 0)


RULES: tuple[Rule, ...] = (
    Rule("pilot", "session", "pilot session of the researchers", lambda s, _: s["is_pilot"].astype(bool)),
    Rule(
        "not_consented",
        "session",
        "left before giving consent",
        lambda s, _: (s["status"] == "started") | s["consented_at_utc"].isna(),
    ),
    Rule("withdrawn", "session", "withdrew consent", lambda s, _: s["status"] == "withdrawn"),
    Rule("unqualified", "session", "did not pass the qualification", lambda s, _: s["status"] == "unqualified"),
    Rule("incomplete", "session", "did not reach the end", lambda s, _: s["status"] != "complete"),
    Rule("no_trials", "session", "complete, but without a scored test trial", lambda s, _: s["n_scored"] == 0),
    Rule("instructed", "session", "failed more than {n} instructed trials", _inattentive, excludes=False),
    Rule("void", "trial", "disturbed while shown, and replaced", lambda t, _: t["void_reason"] != ""),
    Rule("unanswered", "trial", "shown, not answered", lambda t, _: t["response"] == ""),
    Rule("timing", "trial", "exposure off by more than {frames:g} frames", _badly_timed, excludes=False),
)


def planned_rules(plan: Plan) -> tuple[Rule, ...]:
    """Return the rules as the study declared them."""
    return with_excluding(
        RULES,
        {"instructed": plan.max_instructed_failed is not None, "timing": plan.exclude_badly_timed},
    )


def with_excluding(rules: Iterable[Rule], excludes: dict[str, bool]) -> tuple[Rule, ...]:
    """Return the rules with some turned on or off by name."""
    return tuple(replace(rule, excludes=excludes.get(rule.name, rule.excludes)) for rule in rules)


def select(
    sessions: pd.DataFrame, trials: pd.DataFrame, plan: Plan, rules: tuple[Rule, ...] | None = None
) -> Selection:
    """Apply the rules in order, count what each does, and return the analysed set."""
    rules = planned_rules(plan) if rules is None else rules
    answered = is_answered(trials).to_numpy(dtype=bool)
    is_test = (trials["kind"] == "test").to_numpy(dtype=bool)
    # Everything below is about numbers: a million texts are compared once, not once per rule.
    session_of = _places(trials["session_id"], sessions["session_id"])
    failed = (~trials["correct"].fillna(value=True)).to_numpy(dtype=bool)
    wrong = (trials["control"] == "instructed").to_numpy(dtype=bool) & answered & failed
    counted = sessions.assign(
        n_scored=np.bincount(session_of[is_test & answered], minlength=len(sessions)),
        n_instructed_wrong=np.bincount(session_of[wrong], minlength=len(sessions)),
    )
    presented = _rows(trials, is_test)
    session_of_test = session_of[is_test]
    in_left, in_test = np.ones(len(sessions), dtype=bool), np.ones(len(presented), dtype=bool)
    steps = []
    left_out_by = np.full(len(presented), "", dtype=object)
    for rule in rules:
        if rule.unit == "session":
            hit_sessions = in_left & rule.matches(counted, plan).to_numpy(dtype=bool)
            hit_trials = in_test & hit_sessions[session_of_test]
        else:
            hit_trials = in_test & rule.matches(presented, plan).to_numpy(dtype=bool)
            hit_sessions = in_left & (np.bincount(session_of_test[hit_trials], minlength=len(sessions)) > 0)
        if rule.excludes:
            in_test &= ~hit_trials
            left_out_by[hit_trials] = rule.name
            if rule.unit == "session":
                in_left &= ~hit_sessions
        steps.append(
            Step(
                rule=rule.name,
                unit=rule.unit,
                reads=rule.reads.format(n=plan.max_instructed_failed or 0, frames=plan.max_exposure_error_frames),
                excludes=rule.excludes,
                n_sessions=int(hit_sessions.sum()),
                n_trials=int(hit_trials.sum()),
                n_sessions_left=int(in_left.sum()),
                n_trials_left=int(in_test.sum()),
            )
        )
    left, test = _rows(counted, in_left), _rows(presented, in_test)
    kept = _rows(trials, in_left[session_of] & answered)
    n_people = test["participant_id"].nunique()
    flow = ExclusionFlow(len(sessions), len(presented), tuple(steps), len(left), len(test), n_people)
    return Selection(flow, left, kept, test, pd.Series(left_out_by, index=presented.index))


def _places(names: pd.Series[str], known: pd.Series[str]) -> npt.NDArray[np.int64]:
    """Return where each name stands among the known ones; all of them are known (`analysis.checks`)."""
    codes, unique = pd.factorize(names)
    return np.asarray(pd.Index(known).get_indexer(pd.Index(unique))[codes], dtype=np.int64)


def _rows(table: pd.DataFrame, mask: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the rows of a mask; the table itself, uncopied, where it keeps them all."""
    return table if mask.all() else table[mask]
