"""A declared look: an always-valid interval while the study runs; nothing where none was declared."""

from datetime import timedelta

import pytest
from conftest import NOW, SMALL

from study import sequential
from study.simulate import Parameters, simulate

DECLARED = SMALL + "[analysis]\nsequential = true\n"


@pytest.fixture
def file(settings):
    return settings.reports / "small" / "sequential-v1.json"


@pytest.mark.outside
def test_a_declared_look_is_computed_once_a_minute(make_study, desk, settings, file, monkeypatch):
    """By the analysis, on a snapshot, with its time."""
    study = make_study(DECLARED)
    rates = {"lite": 0.3, "random": 0.1}
    simulate(desk, study, n_participants=4, rates=rates, parameters=Parameters(), now=NOW)
    sequential.compute(desk, settings, study.id, file, now=NOW)
    found = sequential.read_look(file)
    assert found is not None
    assert (found.message, found.at_utc) == ("", "2026-11-22T10:00:00.000Z")
    (one,) = found.conditions
    assert (one["condition"], one["n_participants"]) == ("lite", 4)
    assert one["ci_low"] <= one["mean"] <= one["ci_high"]
    began = []
    monkeypatch.setattr(sequential, "_compute", lambda *_, now: began.append(now) or sequential.Look(found.at_utc))
    sequential.compute(desk, settings, study.id, file, now=NOW + timedelta(seconds=59))
    assert began == []
    sequential.compute(desk, settings, study.id, file, now=NOW + timedelta(seconds=60))
    assert len(began) == 1


def test_a_study_that_declared_none_cannot_be_looked_at(study, desk, settings):
    """The default."""
    with pytest.raises(ValueError, match="declares no sequential design"):
        sequential.look(desk, settings, study.id, now=NOW)
