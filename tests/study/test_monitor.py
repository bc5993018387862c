"""The monitor of a study with 10,000 participants: how much work a look is, and that it is right."""

from datetime import timedelta

import pytest
from conftest import NOW, SMALL, launch
from sqlalchemy import event, text

from study import db
from study.config import read_settings
from study.console.monitor import KEPT_FOR, Watch
from study.definition import parse_definition
from study.rights import withdraw
from study.sessions import Desk
from study.simulate import Parameters, simulate
from study.studies import create_study

RATES = {"lite": 0.3, "random": 0.1}
N_LARGE = 10_000


def copy(connection, n_wanted):
    """Copy a study's sessions with their trials inside the database until there are `n_wanted`."""
    low, high = connection.execute(text("SELECT min(id), max(id) FROM session")).one()
    size = high - low + 1
    numbers = f"WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < {n_wanted // size - 1}) "
    for table, changed in (
        ("session", {
            "id": f"id + k * {size}", "session_id": f"'s-' || (id + k * {size})",
            "token_sha256": f"'t' || (id + k * {size})", "arm_slot": f"arm_slot + k * {size}",
        }),
        ("trial", {"session_id": f"session_id + k * {size}"}),
    ):  # fmt: skip
        names = [column.name for column in db_tables()[table].columns]
        values = ", ".join(changed.get(name, name) for name in names)
        select = f"SELECT {values} FROM {table}, c"
        connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) {numbers} {select}"))


def db_tables():
    from study.models import Base

    return Base.metadata.tables


@pytest.fixture
def large(desk, study):
    simulate(desk, study, n_participants=20, rates=RATES, parameters=Parameters(drop_out=0.2), now=NOW)
    with desk.database.writing() as connection:
        copy(connection, N_LARGE)
    return study


class Meter:
    """Counts statements, and the steps of SQLite's machine in thousands: work that no other load changes."""

    def __init__(self, database):
        self.n_statements = self.n_steps = 0
        event.listen(database.engine, "before_cursor_execute", self._statement)

    def _statement(self, connection, *_):
        self.n_statements += 1
        connection.connection.driver_connection.set_progress_handler(self._step, 1000)

    def _step(self):
        self.n_steps += 1

    def read(self):
        """What was done since the last reading."""
        done = self.n_statements, self.n_steps
        self.n_statements = self.n_steps = 0
        return done


@pytest.mark.slow
def test_ten_thousand_participants_are_counted_once_and_then_only_who_went_on(desk, large):
    """The first look answers before the trials are counted; the next costs a twentieth of that; a third nothing."""
    watch, meter = Watch(), Meter(desk.database)
    first = watch.monitor(desk.database, large.id, is_pilot=False, now=NOW)
    assert first.is_counting
    assert (first.total.n_started, first.total.n_trials) == (N_LARGE, 0)
    watch.wait()
    _, counting = meter.read()

    full = watch.monitor(desk.database, large.id, is_pilot=False, now=NOW)
    n_statements, n_steps = meter.read()
    assert not full.is_counting
    with desk.database.reading() as connection:
        n_trials = connection.execute(text("SELECT count(*) FROM trial")).scalar_one()
        n_complete = connection.execute(text("SELECT count(*) FROM session WHERE status = 'complete'")).scalar_one()
    assert (full.total.n_trials, full.total.n_complete) == (n_trials, n_complete)
    assert n_statements <= 12, "a look asks a fixed number of questions, however many participants there are"
    assert n_steps < counting / 3, (n_steps, counting)
    meter.read()

    polled = watch.monitor(desk.database, large.id, is_pilot=False, now=NOW + KEPT_FOR / 2)
    assert meter.read() == (0, 0)
    assert polled is full

    gone = full.suspicious[0].session_id if full.suspicious else "s-100"
    withdraw(desk, gone, by="researcher", now=NOW)
    meter.read()
    later = watch.monitor(desk.database, large.id, is_pilot=False, now=NOW + KEPT_FOR)
    n_statements, n_more = meter.read()
    assert later.total.n_withdrawn == 1
    assert later.total.n_trials < full.total.n_trials
    assert n_statements <= 14
    assert n_more < n_steps * 1.2, "one session that changed is one session counted"


@pytest.mark.postgresql
def test_both_databases_tell_the_same(tmp_path, stimuli, postgresql_url):
    """Every number of the monitor, on SQLite and on PostgreSQL."""
    seen = []
    for name, url in (("sqlite", ""), ("postgresql", postgresql_url)):
        environment = {"TRUEHUE_INSTANCE": str(tmp_path / name)} | ({"DATABASE_URL": url} if url else {})
        settings = read_settings(environment)
        settings.prepare()
        database = db.Database(settings.database_url)
        db.upgrade(database)
        desk = Desk(database, settings.secret_key, settings.lasting_key)
        study = launch(database, settings, parse_definition(SMALL), stimuli)
        simulate(desk, study, n_participants=12, rates=RATES, parameters=Parameters(drop_out=0.3), now=NOW)
        found = Watch().monitor(database, study.id, is_pilot=False, now=NOW + timedelta(minutes=1))
        database.dispose()
        assert found.total.n_trials > 0
        assert found.median_minutes is not None
        seen.append((found.total, found.arms, found.trials, round(found.median_minutes, 4), found.browsers,
                     found.screens, found.sources, found.codes, found.n_suspicious))  # fmt: skip
    assert seen[0] == seen[1]


def test_a_pilots_sessions_are_no_participants(desk, settings, stimuli, make_participant):
    """They are shown by themselves while the study is a pilot, and only numbered when it runs."""
    from study import lifecycle

    study = create_study(desk.database, settings.stimuli, parse_definition(SMALL), stimuli, slug="small", now=NOW)
    lifecycle.change(desk.database, study.name, "pilot", actor="test", now=NOW)
    make_participant().begin().answer()
    lifecycle.change(desk.database, study.name, "running", actor="test", now=NOW)
    make_participant().begin()
    watch = Watch()
    proper = watch.monitor(desk.database, study.id, is_pilot=False, now=NOW)
    pilot = watch.monitor(desk.database, study.id, is_pilot=True, now=NOW)
    assert (proper.total.n_started, proper.total.n_trials, proper.n_pilot) == (1, 0, 1)
    assert (pilot.total.n_started, pilot.total.n_trials) == (1, 1)


def test_a_device_that_two_sessions_share_is_pointed_at(desk, study, make_participant):
    """Described alike in everything by two sessions; not by six, and not by seats of a lab."""
    device = {"screen_width_px": 1911, "screen_height_px": 1080, "viewport_width_px": 1280, "viewport_height_px": 901,
              "device_pixel_ratio": 1.25, "refresh_hz": 59.94, "language": "en"}  # fmt: skip

    def come():
        person = make_participant()
        person.agree()
        person.client.post(f"{person.here}advance", data={"stage": "instructions"})
        person.look(device=device)

    def suspects():
        return Watch().monitor(desk.database, study.id, is_pilot=False, now=NOW).suspicious

    come()
    assert suspects() == []
    come()
    assert ["exactly as that of 1 other session" in one.reasons[0] for one in suspects()] == [True, True]
    with desk.database.writing() as connection:
        connection.execute(text("UPDATE session SET source = 'lab'"))
    assert suspects() == []
    with desk.database.writing() as connection:
        connection.execute(text("UPDATE session SET source = 'direct'"))
    for _ in range(4):
        come()
    assert suspects() == []
