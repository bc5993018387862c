"""The projector's pages without a browser: what is predicted once, what is looked at, and what is written down."""

import dataclasses

import pytest
from conftest import NOW, SMALL
from sqlalchemy import select

from study import audit, lifecycle, reports
from study.classroom.room import RECORDED, key_of, read_prediction
from study.models import SessionRow

NAME = "8b"


@pytest.fixture
def there(app, make_study):
    """The projector's address of a class and its recorded one."""
    here = app.extensions["truehue"]
    here.settings = dataclasses.replace(here.settings, classroom=NAME)
    make_study(SMALL, slug=NAME)
    recorded = make_study(SMALL, slug=NAME + RECORDED)
    lifecycle.change(here.desk.database, recorded.name, "closed", actor="class", now=NOW)
    return f"/class/{key_of(here.settings.lasting_key, NAME)}"


def test_the_first_page_of_a_class_is_its_test(client, there):
    """Everybody types the short address."""
    assert client.get("/").location == f"/s/{NAME}/"


@pytest.mark.parametrize("text", ["", "101", "-1", "4.5", "\u0664", "forty"])
def test_a_prediction_is_a_whole_percentage(client, there, settings, text):
    """Anything else is asked for again, with what was typed, and nothing is kept."""
    reply = client.post(f"{there}/predict", data={"rate-lite": text})
    assert (reply.status_code, "whole number from 0 to 100" in reply.text) == (422, True)
    assert read_prediction(settings, f"{NAME}@1") == {}


@pytest.mark.parametrize(("which", "n_noted"), [("", 1), ("/recorded", 0)])
def test_a_prediction_is_given_once_and_the_look_at_a_running_class_is_written_down(
    client, there, desk, settings, which, n_noted
):
    """The recorded class is over: looking at it unblinds nobody."""
    for rate in ("100", "0"):
        reply = client.post(f"{there}{which}/predict", data={"rate-lite": rate})
        assert reply.location == f"{there}{which}/result"
    name = f"{NAME}{RECORDED if which else ''}@1"
    assert read_prediction(settings, name) == {"lite": 100}
    assert client.get(f"{there}{which}/predict").location == f"{there}{which}/result"
    with desk.database.reading() as connection:
        noted = [row for row in audit.read(connection) if row.action == "data unblinded"]
    assert bool(noted) == bool(n_noted)


def test_a_result_is_shown_after_a_prediction_and_a_failed_report_shows_none(
    client, there, desk, settings, monkeypatch
):
    """First the guess; then the wait; then what came out, or that nothing did."""
    assert client.get(f"{there}/result").location == f"{there}/predict"
    client.post(f"{there}/predict", data={"rate-lite": "40"})
    state = reports.ReportState("v1-x", "running", "", "2026-11-22T10:00:00.000Z", 0, 0)
    monkeypatch.setattr(reports, "ensure", lambda *_, **__: state)
    assert client.get(f"{there}/result").headers["Refresh"] == "2"
    state = dataclasses.replace(state, status="failed", message="nobody took part")
    reply = client.get(f"{there}/result")
    assert (reply.status_code, "Refresh" in reply.headers) == (200, False)
    assert "%" not in reply.text.split("<main")[1]
    state = dataclasses.replace(state, status="done")
    tables = settings.reports / NAME / "v1-x" / "tables"
    tables.mkdir(parents=True)
    head = "condition,method,n_participants,n_trials,n_fooled,fool_rate,ci_low,ci_high\n"
    (tables / "fool_rates.csv").write_text(f"{head}lite,x,3,20,5,0.25,0.1,0.5\n")
    (tables / "secondary.csv").write_text(f"{head}lite,Wilson,3,20,5,0.25,0.2,0.3\n")
    text = client.get(f"{there}/result").text
    assert "25" in text
    assert "You predicted 40" in text


def test_who_is_there_is_counted(client, there, make_participant, desk):
    """Begun, and through to the end."""
    assert client.get(f"{there}/counts").json == {"begun": 0, "done": 0}
    make_participant(NAME).begin()
    through = make_participant(NAME).begin().finish_trials()
    through.fill_in()
    with desk.database.reading() as connection:
        assert sorted(connection.scalars(select(SessionRow.status))) == ["complete", "practice"]
    assert client.get(f"{there}/counts").json == {"begun": 2, "done": 1}
    page = client.get(f"{there}/", headers={"Host": "192.0.2.7:8000"}).text
    assert "<svg" in page
    assert "http://192.0.2.7:8000/" in page


@pytest.mark.parametrize("path", ["", "predict", "result", "counts"])
def test_without_a_class_there_is_no_projector(client, app, study, path):
    """Whatever key is tried."""
    key = key_of(app.extensions["truehue"].settings.lasting_key, "")
    assert client.get(f"/class/{key}/{path}").status_code == 404
