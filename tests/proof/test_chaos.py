"""What the storm found, as tests; and the judge of `make chaos` notices each fault that it looks for."""

import dataclasses

import pytest
from sqlalchemy import delete, update

from study import create_app, sessions
from study.models import SessionRow, TrialRow
from study.sessions import answers as answers_module
from tools.proof import instance, material
from tools.proof.chaos.storm import Acknowledged, Ledger
from tools.proof.chaos.verdict import judge
from tools.proof.person import Person, Wsgi, required_answers

TEXT = instance.define(n_practice=1, n_test=2, n_low_anchor=1, n_instructed=0)


@pytest.fixture
def place(tmp_path):
    pictures = material.derive(tmp_path / "set", size_px=16, n_models=2)
    with instance.fresh(TEXT, stimuli=pictures, folder=tmp_path / "i") as place:
        yield place


@pytest.fixture
def person(place):
    app = create_app(place.settings)
    yield Person(Wsgi(app.test_client()), place.study.slug).begin()
    app.extensions["truehue"].desk.database.dispose()


def test_two_forms_sent_at_once_both_succeed(place, person, monkeypatch):
    """The questionnaire doubled: the second, which read before the first wrote, is told the same."""
    while person.turn["trial"]:
        person.answer("left")
    given = required_answers(place.study.definition)
    stale = sessions.read_state(place.desk, person.token)
    sessions.record_answers(place.desk, person.token, given, now=stale.shown_at_utc)
    monkeypatch.setattr(answers_module, "read_state", lambda *_: stale)
    sessions.record_answers(place.desk, person.token, given, now=stale.shown_at_utc)
    monkeypatch.undo()
    assert sessions.read_state(place.desk, person.token).status == "complete"


def test_the_judge_notices_each_fault(place, person):
    """An honest ledger is good; lost, altered, incomplete and unbalanced data are counted."""
    ledger = Ledger(tokens=[person.token])
    while person.turn["trial"]:
        report = person.report("left")
        person.turn = person.post(f"{person.here}api/response", report).json
        ledger.answers.append(Acknowledged(person.token, report["idempotency_key"], "left"))
    person.fill_in(**required_answers(place.study.definition))
    ledger.completed.append(person.token)
    other = Person(person.transport, place.study.slug)
    other.agree()
    ledger.tokens.append(other.token)
    assert judge(place, ledger).is_good
    altered = dataclasses.replace(ledger.answers[0], response="right")
    assert judge(place, dataclasses.replace(ledger, answers=[*ledger.answers, altered])).n_lost == 1
    assert judge(place, dataclasses.replace(ledger, answers=[Acknowledged("nobody", "k", "left")])).n_lost == 1
    assert judge(place, dataclasses.replace(ledger, tokens=[])).n_forged > 0
    trials = TrialRow.__table__
    with place.desk.database.writing() as connection:
        connection.execute(delete(trials).where(trials.c.trial_index == 1))
        connection.execute(update(SessionRow.__table__).values(arm="second"))
    broken = judge(place, ledger)
    assert (broken.n_lost, broken.n_complete_without_data) == (1, 1)
    assert broken.arm_imbalance > 0
