"""Migrations on both databases, and the study on PostgreSQL."""

import shutil
import threading
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conftest import NOW, SMALL, Participant
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from study import create_app, sessions
from study.config import ConfigError, read_settings
from study.db import Database, DatabaseError, downgrade, is_current, require_current, upgrade
from study.definition import parse_definition
from study.export import write_export
from study.lifecycle import change
from study.models import Base, SessionRow
from study.models.base import Utc
from study.sessions.desk import patient
from study.sessions.errors import Busy
from study.simulate import Parameters, simulate
from study.stimuli import import_set
from study.studies import create_study


@pytest.fixture
def sqlite(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    yield database
    database.dispose()


@pytest.fixture
def postgresql(postgresql_url):
    database = Database(postgresql_url)
    yield database
    database.dispose()


def names_of(database):
    """Name of every constraint and index that the database has."""
    found = inspect(database.engine)
    kinds = (found.get_check_constraints, found.get_unique_constraints, found.get_foreign_keys, found.get_indexes)
    return {
        table: {one["name"] for kind in kinds for one in kind(table)} | {found.get_pk_constraint(table)["name"]}
        for table in Base.metadata.tables
    }


def names_of_models(database):
    """The same by the naming convention."""
    name = database.engine.dialect.identifier_preparer.format_constraint
    return {
        table.name: {name(one).strip('"') for one in (*table.constraints, *table.indexes)}
        for table in Base.metadata.sorted_tables
    }


def check_migrations(database, stimuli, tmp_path):
    """Up, filled with data, compared with the models, down to nothing, up again."""
    assert not is_current(database)
    with pytest.raises(DatabaseError, match="run: flask --app study upgrade"):
        require_current(database)
    upgrade(database)
    upgrade(database)
    require_current(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    # compare_metadata does not see checks, and takes any name.
    assert names_of(database) == names_of_models(database)
    for table in ("session", "trial", "study"):
        found = {c["name"]: c["sqltext"] for c in inspect(database.engine).get_check_constraints(table)}
        checks = " ".join(found.values())
        assert ("unqualified" in checks) == (table == "session")
        assert len(found) == {"session": 1, "trial": 2, "study": 1}[table]
        assert table != "trial" or "fake" in checks
    desk = sessions.Desk(database, b"k" * 32)
    study = create_study(database, tmp_path / "s", parse_definition(SMALL), stimuli, slug="s", now=NOW, seed=1)
    simulate(desk, study, n_participants=2, rates={"lite": 0.3, "random": 0.1}, parameters=Parameters(), now=NOW)
    downgrade(database, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)
    require_current(database)


@pytest.mark.slow
def test_migrations_on_sqlite(sqlite, stimuli, tmp_path):
    """Every revision goes up and down with data in it; head is the models."""
    check_migrations(sqlite, stimuli, tmp_path)


@pytest.mark.postgresql
def test_migrations_on_postgresql(postgresql, stimuli, tmp_path):
    """Every revision goes up and down with data in it; head is the models."""
    check_migrations(postgresql, stimuli, tmp_path)


@pytest.mark.postgresql
def test_a_database_of_somebody_else_is_one_line(postgresql_url, postgresql):
    """Since PostgreSQL 15 only a database's owner may make tables in it: the message says who must."""
    with postgresql.engine.begin() as connection:
        connection.execute(text("CREATE ROLE stranger LOGIN"))
    strange = Database(postgresql_url.replace("truehue@", "stranger@"))
    try:
        with pytest.raises(DatabaseError, match="permission denied for schema public; make the user its owner"):
            upgrade(strange)
    finally:
        strange.dispose()
        with postgresql.engine.begin() as connection:
            connection.execute(text("DROP ROLE stranger"))


@pytest.mark.postgresql
def test_a_session_on_postgresql(postgresql_url, postgresql, two_models, tmp_path, request):
    """The same session, the same races, the same export as on SQLite."""
    upgrade(postgresql)
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i"), "DATABASE_URL": postgresql_url})
    app = create_app(settings)
    desk = app.extensions["truehue"].desk
    request.addfinalizer(desk.database.dispose)
    study = create_study(desk.database, settings.stimuli, parse_definition(SMALL), two_models, slug="small", now=NOW)
    change(desk.database, "small", "running", actor="test", now=NOW)
    person = Participant(app.test_client(), desk, "small").begin()
    report = person.report()
    replies = []

    def send():
        replies.append(app.test_client().post(f"{person.here}api/response", json=report).data)

    def begin():
        sessions.start(desk, study.id, now=NOW)

    threads = [threading.Thread(target=send) for _ in range(6)] + [threading.Thread(target=begin) for _ in range(29)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(replies)) == 1
    person.look()
    person.void()
    person.reload("another-page")
    person.finish_trials()
    assert person.fill_in(strategy="ü 色").status_code == 303
    with desk.database.reading() as connection:
        arms = list(connection.execute(select(SessionRow.arm)).scalars())
    assert sorted(arms) == ["deep"] * 15 + ["lite"] * 15
    out = write_export(desk.database, settings.stimuli, study.id, tmp_path / "e", now=NOW)
    assert (out / "trials.csv").read_text().count("\n") == 1 + len(person.rows)
    assert [row.void_reason for row in person.rows if row.void_reason] == ["hidden", "reloaded"]


def test_settings_are_one_line_errors(tmp_path):
    """And the key is made once, for its owner only."""
    with pytest.raises(ConfigError, match="DATABASE_URL: expected sqlite"):
        read_settings({"DATABASE_URL": "mysql://x"})
    with pytest.raises(ConfigError, match="TRUEHUE_SECRET_KEY: expected at least 32"):
        read_settings({"TRUEHUE_SECRET_KEY": "short"})
    with pytest.raises(ConfigError, match="TRUEHUE_DEMO: expected 0 or 1"):
        read_settings({"TRUEHUE_DEMO": "yes"})
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i")})
    assert not (tmp_path / "i").exists()
    key = settings.secret_key
    assert (tmp_path / "i" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i")}).secret_key == key
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be created"):
        read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "file" / "x")}).prepare()


def test_the_url_of_postgresql_may_be_written_either_way():
    """As platforms write it, and as SQLAlchemy does."""
    for prefix in ("postgres", "postgresql", "postgresql+psycopg"):
        assert read_settings({"DATABASE_URL": f"{prefix}://u@h/d"}).database_url == "postgresql+psycopg://u@h/d"


def test_times_have_a_zone():
    """A naive one is a mistake of ours, found before it is stored."""
    with pytest.raises(ValueError, match="expected a time with a zone"):
        Utc().process_bind_param(datetime(2026, 11, 22, 10, 0), None)  # noqa: DTZ001


def fails(*errors):
    """A call that fails with each of these, and then answers."""
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return "answered"

    return call, left


def lost(is_lost):
    return DBAPIError("SELECT 1", None, Exception("gone"), connection_invalidated=is_lost)


def met():
    return IntegrityError("INSERT", None, Exception("taken"))


def test_a_lost_race_is_run_again_and_a_lost_connection_once():
    """What it writes cannot be written twice; more than that is not ours to mend."""
    for errors in ([met(), met()], [lost(True)], [met(), lost(True), met()]):
        assert patient(fails(*errors)[0])() == "answered"
    for errors, n_left in (([lost(False)], 0), ([lost(True), lost(True), met()], 1)):
        call, left = fails(*errors)
        with pytest.raises(DBAPIError):
            patient(call)()
        assert len(left) == n_left
    with pytest.raises(Busy, match="please try again"):
        patient(fails(*[met()] * 1000)[0])()


@pytest.mark.parametrize(("state", "is_told"), [("42501", True), ("42601", False)])
def test_a_user_who_may_make_no_tables_is_told_how(sqlite, monkeypatch, state, is_told):
    """Any other mistake of SQL is ours."""

    def refused(*_):
        error = Exception("permission denied for schema public\nLINE 1")
        error.sqlstate = state
        raise ProgrammingError("CREATE TABLE", None, error)

    monkeypatch.setattr("alembic.command.upgrade", refused)
    monkeypatch.setattr("study.db.is_current", lambda _: False)
    if is_told:
        with pytest.raises(DatabaseError, match=r"permission denied for schema public; make the user its owner"):
            upgrade(sqlite)
    else:
        with pytest.raises(ProgrammingError):
            upgrade(sqlite)


def test_a_set_whose_folder_was_lost_is_written_again_under_its_old_names(desk, settings, study, stimuli):
    """Browsers that hold addresses of pictures go on."""
    folder = settings.stimuli / study.folder
    shutil.rmtree(folder)
    set_id, _ = import_set(desk.database, settings.stimuli, stimuli, now=NOW)
    assert {path.name for path in (folder / "served").iterdir()} == set(study.served.values())
    assert import_set(desk.database, settings.stimuli, stimuli, now=NOW)[0] == set_id
