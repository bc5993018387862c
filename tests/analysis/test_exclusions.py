"""Exclusion rules: each takes what it names, is counted once, and the data stay whole."""

import pandas as pd
import pytest

from analysis import analyse, read_export
from analysis.exclusions import RULES, exposure_error_frames, planned_rules, select
from analysis.plan import Plan, read_plan


@pytest.fixture
def export(make_export, tmp_path):
    return read_export(make_export(tmp_path / "export", n_participants=10, n_incomplete=3, seed=3))


def steps(selection):
    return {step.rule: step for step in selection.flow.steps}


def status(export, row, **values):
    sessions = export.sessions.copy()
    for name, value in values.items():
        sessions.loc[sessions.index[row], name] = value
    return sessions


def test_the_analysed_set_is_complete_sessions(export):
    """By default complete sessions are analysed: their answered, valid test trials, and no other."""
    selection = select(export.sessions, export.trials, Plan())
    complete = export.sessions.loc[export.sessions["status"] == "complete", "session_id"]
    raw = export.trials
    scored = raw[
        (raw["kind"] == "test")
        & raw["session_id"].isin(complete)
        & (raw["response"] != "")
        & (raw["void_reason"] == "")
    ]
    assert set(selection.sessions["session_id"]) == set(complete)
    assert selection.test.index.tolist() == scored.index.tolist()
    assert selection.flow.n_trials_analysed == len(scored) == 80


def test_the_flow_adds_up(export):
    """What enters less what each excluding rule takes is what is left, sessions and trials alike."""
    flow = select(export.sessions, export.trials, Plan()).flow
    out = [step for step in flow.steps if step.excludes]
    assert flow.n_sessions_entered - sum(s.n_sessions for s in out if s.unit == "session") == flow.n_sessions_analysed
    assert flow.n_trials_entered - sum(s.n_trials for s in out) == flow.n_trials_analysed
    assert flow.n_sessions_entered == 13
    assert {s.rule: s.n_sessions for s in out if s.unit == "session"} == {
        "pilot": 0, "not_consented": 1, "withdrawn": 0, "unqualified": 0, "incomplete": 2, "no_trials": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("pilot", {"is_pilot": True}),
        ("not_consented", {"consented_at_utc": pd.NaT}),
        ("withdrawn", {"status": "withdrawn"}),
        ("unqualified", {"status": "unqualified"}),
        ("incomplete", {"status": "questionnaire"}),
    ],
)
def test_a_session_rule_takes_its_session(export, rule, values):
    """A session that a rule names leaves with all its trials, under that rule."""
    before = steps(select(export.sessions, export.trials, Plan()))[rule]
    selection = select(status(export, 0, **values), export.trials, Plan())
    assert steps(selection)[rule].n_sessions == before.n_sessions + 1
    assert export.sessions["session_id"].iloc[0] not in set(selection.test["session_id"])


def test_a_session_counts_under_the_first_rule_only(export):
    """A withdrawn pilot is a pilot, not also a withdrawal."""
    selection = select(status(export, 0, is_pilot=True, status="withdrawn"), export.trials, Plan())
    assert (steps(selection)["pilot"].n_sessions, steps(selection)["withdrawn"].n_sessions) == (1, 0)


def test_attention_is_recorded_unless_declared(export):
    """Failing instructed trials is counted; it excludes only if the definition names a number."""
    trials = export.trials.copy()
    instructed = trials.index[(trials["control"] == "instructed") & (trials["response"] != "")][0]
    trials.loc[instructed, "correct"] = False
    failed = trials.loc[instructed, "session_id"]
    recorded = select(export.sessions, trials, Plan())
    excluded = select(export.sessions, trials, Plan(max_instructed_failed=0))
    allowed = select(export.sessions, trials, Plan(max_instructed_failed=1))
    assert steps(recorded)["instructed"].n_sessions >= 1
    assert not steps(recorded)["instructed"].excludes
    assert failed in set(recorded.test["session_id"])
    assert failed not in set(excluded.test["session_id"])
    assert failed in set(allowed.test["session_id"])


def test_timing_counts_frames_of_the_measured_rate():
    """20 ms is 1.2 frames at 60 Hz and 2.4 at 120; without a measured rate, 60 Hz."""
    trials = pd.DataFrame(
        {
            "exposure_ms_achieved": [1020.0, 980.0, 1020.0, float("nan")],
            "exposure_ms_nominal": [1000.0] * 4,
            "refresh_hz": [60.0, 120.0, float("nan"), 60.0],
        }
    )
    assert exposure_error_frames(trials).round(6).tolist()[:3] == [1.2, 2.4, 1.2]
    rule = next(rule for rule in RULES if rule.name == "timing")
    assert rule.matches(trials, Plan()).tolist() == [False, True, False, False]


def test_timing_excludes_if_declared(export):
    """Badly timed trials stay, and are counted, unless the plan excludes them."""
    trials = export.trials.copy()
    row = trials.index[(trials["kind"] == "test") & (trials["response"] != "")][0]
    trials.loc[row, "exposure_ms_achieved"] = 1100.0
    assert row in select(export.sessions, trials, Plan()).test.index
    declared = select(export.sessions, trials, Plan(exclude_badly_timed=True))
    assert row not in declared.test.index
    assert steps(declared)["timing"].excludes


def test_the_plan_is_read_from_the_definition():
    """Targets, margin and rules come from the definition; without them the defaults hold."""
    assert read_plan({}) == Plan()
    plan = read_plan({"analysis": {"targets": [0.2, 0.3], "margin": 0.05, "max_instructed_failed": 1}})
    assert plan == Plan(targets=(0.2, 0.3), are_targets_declared=True, margin=0.05, max_instructed_failed=1)
    assert {rule.name: rule.excludes for rule in planned_rules(plan)}["instructed"]
    assert read_plan({"analysis": {"targets": []}}).targets == ()


@pytest.mark.parametrize(("section", "name"), [({"targets": [10]}, "targets"), ({"margin": 5}, "margin")])
def test_percentages_are_refused_as_rates(section, name):
    """A target of 10 is a mistake for 0.1, and said to be one."""
    with pytest.raises(ValueError, match=rf"analysis.{name}: expected .* write"):
        read_plan({"analysis": section})


def test_no_complete_session_is_a_clear_error(make_export, tmp_path):
    """Without a complete session there is nothing to analyse, and the message says who is there."""
    export = read_export(make_export(tmp_path / "export", n_participants=0, n_incomplete=3))
    with pytest.raises(ValueError, match=r"got none \(3 sessions entered, 1 not_consented, 2 incomplete\)"):
        analyse(export)
