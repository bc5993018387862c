"""A declared look: an always-valid interval while the study runs; nothing where none was declared."""

from datetime import timedelta
from threading import Event
from types import SimpleNamespace

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


def test_a_look_is_begun_when_it_is_time(make_study, desk, settings, file, monkeypatch):
    """None yet, or an old one; within the minute what is known is given."""
    study = make_study(DECLARED)
    began = Event()
    monkeypatch.setattr(sequential, "compute", lambda *_, now: began.set())
    assert sequential.look(desk, settings, study.id, now=NOW) is None
    assert began.wait(300)
    began.clear()
    file.parent.mkdir(parents=True)
    file.write_text('{"at_utc": "2026-11-22T10:00:00.000Z", "conditions": [], "message": "too few"}')
    assert sequential.look(desk, settings, study.id, now=NOW + timedelta(seconds=59)).message == "too few"
    assert not began.is_set()
    assert sequential.look(desk, settings, study.id, now=NOW + timedelta(seconds=60)).message == "too few"
    assert began.wait(300)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda data: SimpleNamespace(returncode=2, stderr=f"a line\nerror: {data}: nobody came\n"), "nobody came"),
        (lambda _: SimpleNamespace(returncode=-9, stderr=""), "no reason given"),
        (None, "OSError: no memory"),
    ],
)
def test_an_analysis_that_fails_leaves_its_reason(make_study, desk, settings, file, monkeypatch, answer, message):
    """Without the name of a file that only the server knows; the next look is a minute later all the same."""
    study = make_study(DECLARED)

    def run(command, **_):
        if answer is None:
            raise OSError("no memory")
        return answer(command[4])

    monkeypatch.setattr(sequential.subprocess, "run", run)
    settings.reports.mkdir(parents=True, exist_ok=True)
    sequential.compute(desk, settings, study.id, file, now=NOW)
    found = sequential.read_look(file)
    assert (found.message, found.conditions) == (message, ())
