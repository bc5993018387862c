"""Preflight looks from outside: a real server, a real session that leaves nothing behind."""

from datetime import timedelta

import pytest
from conftest import NOW
from sqlalchemy import select

from study.models import SessionRow, TrialRow
from study.preflight import Pay, checks, preflight
from study.recruitment import configure
from study.serving import in_thread
from study.studies import find_row
from study.web import now

pytestmark = pytest.mark.outside  # a server to look at


@pytest.fixture(autouse=True)
def a_calm_machine(monkeypatch):
    """A crowded one takes seconds for an answer, and nearly full disks are no fault of the code; 2 minutes are red."""
    monkeypatch.setattr(checks, "MAX_CLOCK_S", 100)
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 1)


@pytest.fixture
def address(app):
    with in_thread(app) as address:
        yield address


@pytest.fixture
def look(desk, settings, study, address):
    def look(*, pay=None, url=None, clock=now):
        with desk.database.reading_session() as session:
            row = find_row(session, study.slug)
        given = pay or Pay()
        lines = preflight(desk, settings, study, row, url=url or address, pay=given, now=clock)
        return {line.name: line for line in lines}

    return look


def test_a_ready_study_is_green_but_for_tls(look, desk):
    """Every picture and one complete session over HTTP; the session is a pilot's and its data are gone."""
    lines = look()
    assert [name for name, line in lines.items() if not line.is_good] == ["tls"]
    assert "complete" in lines["session"].message
    assert all(line.remedy for line in lines.values() if not line.is_good)
    with desk.database.reading_session() as session:
        row = session.scalars(select(SessionRow)).one()
        assert (row.is_pilot, row.status) == (True, "withdrawn")
        assert session.scalars(select(TrialRow)).all() == []


def test_what_is_wrong_is_red(look, desk, settings, study):
    """A lost picture, another clock, pay below the minimum, codes that nobody set."""
    lost = settings.stimuli / study.folder / "served" / next(iter(study.served.values()))
    lost.unlink()
    configure(desk.database, study.slug, "connect", {}, now=NOW)
    lines = look(pay=Pay(1, 30), clock=lambda: now() + timedelta(minutes=2))
    assert {name for name, line in lines.items() if not line.is_good} >= {"tls", "pictures", "clock", "pay", "connect"}
    assert "pay at least" in lines["pay"].remedy
    assert "no code" in lines["connect"].message


def test_pay_is_asked_for_where_people_are_paid(look, desk, study):
    """Prolific's settings are whole, its door answers; without figures the pay is red, with enough it is green."""
    configure(desk.database, study.slug, "prolific", {"codes": {"COMPLETED": "C1"}}, now=NOW)
    lines = look()
    assert lines["prolific"].is_good
    assert not lines["pay"].is_good
    assert look(pay=Pay(10, 9))["pay"].is_good


def test_a_server_that_is_away_is_red(look):
    """Nothing else is tried over HTTP."""
    lines = look(url="http://127.0.0.1:9")
    assert not lines["server"].is_good
    assert "not tried" in lines["session"].message
