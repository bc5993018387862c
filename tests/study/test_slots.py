"""Places in the plan: dealt once under simultaneous starts, given back when a session is abandoned."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from conftest import NOW, SMALL
from sqlalchemy import select, update

from study import sessions
from study.db import Database, upgrade
from study.definition import parse_definition
from study.lifecycle import change
from study.models import SessionRow
from study.studies import create_study

TEXT = SMALL + "[plan]\nabandoned_after_min = 60\n"


def check_simultaneous_starts(database, stimuli, root):
    """50 threads, two arms: 25 each, every slot once, in permuted blocks of two."""
    upgrade(database)
    desk = sessions.Desk(database, b"k" * 32)
    study = create_study(database, root, parse_definition(TEXT), stimuli, slug="s", now=NOW, seed=1)
    change(database, "s", "running", actor="test", now=NOW)
    failures = []

    def begin():
        try:
            sessions.start(desk, study.id, now=NOW)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        rows = connection.execute(select(SessionRow.arm_slot, SessionRow.arm, SessionRow.slot_attempt)).all()
    assert failures == []
    assert sorted(row.arm_slot for row in rows) == list(range(50))
    assert {row.slot_attempt for row in rows} == {0}
    arm_of = {row.arm_slot: row.arm for row in rows}
    assert all({arm_of[slot], arm_of[slot + 1]} == {"lite", "deep"} for slot in range(0, 50, 2))


@pytest.mark.slow
def test_fifty_simultaneous_starts_on_sqlite(two_models, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    check_simultaneous_starts(database, two_models, tmp_path / "s")
    database.dispose()


@pytest.mark.postgresql
def test_fifty_simultaneous_starts_on_postgresql(postgresql_url, two_models, tmp_path):
    database = Database(postgresql_url)
    check_simultaneous_starts(database, two_models, tmp_path / "s")
    database.dispose()


def test_abandoned_places_go_to_the_next_who_come(desk, make_study, two_models):
    """Not finished in time, withdrawn or unqualified: the place is dealt again; complete or under way: it is not."""
    study = make_study(TEXT, path=two_models)
    for _ in range(6):
        sessions.start(desk, study.id, now=NOW)
    statuses = {0: "complete", 1: "test", 2: "withdrawn", 3: "unqualified", 4: "consented", 5: "complete"}
    with desk.database.writing() as connection:
        for slot, status in statuses.items():
            connection.execute(update(SessionRow).where(SessionRow.arm_slot == slot).values(status=status))
    soon, late = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    for moment in (soon, soon, soon, late, late, late):
        sessions.start(desk, study.id, now=moment)
    with desk.database.reading() as connection:
        rows = connection.execute(
            select(SessionRow.arm_slot, SessionRow.slot_attempt, SessionRow.arm).order_by(SessionRow.id)
        ).all()
    # Two places were free at once, a new one was begun, and an hour later two more were free.
    assert [(row.arm_slot, row.slot_attempt) for row in rows[6:]] == [(2, 1), (3, 1), (6, 0), (1, 1), (4, 1), (7, 0)]
    for slot in (1, 2, 3, 4):
        assert len({row.arm for row in rows if row.arm_slot == slot}) == 1
    assert set(Counter(row.arm for row in rows if row.slot_attempt == 0).values()) == {4}


def test_who_comes_back_after_the_time_goes_on_where_they_stopped(desk, make_study, make_participant):
    """The plan belongs to the session, whoever has its place now."""
    study = make_study(TEXT)
    person = make_participant().begin()
    person.answer()
    before = person.outstanding
    sessions.start(desk, study.id, now=NOW + timedelta(days=400))
    assert person.outstanding == before
    person.finish_trials()
    assert person.state.status == "questionnaire"
