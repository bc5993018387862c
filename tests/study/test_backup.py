"""A backup is whole although the server runs on, and comes back."""

import json
import sqlite3
import threading

import pytest
from conftest import NOW, SMALL, Participant
from sqlalchemy import func, select

from study import create_app
from study.backup import BackupError, _run, _sha256, read_backup, write_backup
from study.config import read_settings
from study.db import Database, upgrade
from study.definition import parse_definition
from study.export import write_export
from study.lifecycle import change
from study.models import TrialRow
from study.studies import create_study


@pytest.mark.slow
def test_a_backup_made_while_people_answer_comes_back(app, desk, settings, study, make_participant, tmp_path):
    """Whole, consistent, and the restored instance goes on where it was, under the same addresses."""
    person = make_participant().begin()
    report = settings.reports / "small" / "v1-x" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("a report")
    stop = threading.Event()

    def crowd():
        while not stop.is_set():
            make_participant().begin().finish_trials()

    thread = threading.Thread(target=crowd)
    thread.start()
    try:
        person.answer()
        out = tmp_path / "backup"
        about = write_backup(desk.database, settings, out, now=NOW)
    finally:
        stop.set()
        thread.join()
    assert about["n_rows"]["trial"] >= 1
    assert {path.name for path in out.iterdir()} == {
        "backup.json", "truehue.sqlite3", "stimuli", "reports", "secret_key",
    }  # fmt: skip
    assert (out / "secret_key").stat().st_mode & 0o777 == 0o600

    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "restored")})
    database = Database(there.database_url)
    read_backup(database, there, out)
    with database.reading() as connection:
        n = connection.execute(select(func.count()).select_from(TrialRow.__table__)).scalar_one()
    assert n == about["n_rows"]["trial"]
    assert (there.reports / "small" / "v1-x" / "report.html").read_text() == "a report"
    again = create_app(there)
    moved = Participant(again.test_client(), again.extensions["truehue"].desk, "small", here=person.here)
    moved.turn, moved.n_sent = person.turn, person.n_sent  # the same names of trials: the key came along
    moved.answer()
    moved.finish_trials()
    assert moved.fill_in().status_code == 303
    write_export(database, there.stimuli, study.id, tmp_path / "export", now=NOW)
    with pytest.raises(BackupError, match="there is a database already"):
        read_backup(database, there, out)
    database.dispose()
    again.extensions["truehue"].desk.database.dispose()


def test_what_is_no_backup_or_damaged_is_refused_and_changes_nothing(app, desk, settings, study, tmp_path):
    """One line each; the instance stays empty."""
    out = tmp_path / "backup"
    write_backup(desk.database, settings, out, now=NOW)
    with pytest.raises(BackupError, match="exists"):
        write_backup(desk.database, settings, out, now=NOW)
    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "restored")})
    database = Database(there.database_url)
    with pytest.raises(BackupError, match="is not a backup"):
        read_backup(database, there, tmp_path)
    told = json.loads((out / "backup.json").read_text())
    (out / "backup.json").write_text(json.dumps(told | {"format": "truehue-backup/9"}))
    with pytest.raises(BackupError, match="expected format truehue-backup/1, got 'truehue-backup/9'"):
        read_backup(database, there, out)
    (out / "backup.json").write_text(json.dumps(told))
    with (out / "truehue.sqlite3").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff" * 50)
    with pytest.raises(BackupError, match="is damaged"):
        read_backup(database, there, out)
    assert not there.instance.exists()
    database.dispose()


def test_the_commands_say_what_they_did(app, settings, study, tmp_path):
    """backup, restore, rotate-key, and one line for a mistake."""
    run = app.test_cli_runner().invoke
    out = tmp_path / "b"
    done = run(args=["backup", str(out)])
    assert (done.exit_code, done.output) == (0, f"{out}: 0 session rows, 0 trial rows, 0 answer rows\n")
    again = run(args=["backup", str(out)])
    assert (again.exit_code, again.output.count("\n")) == (2, 1)
    assert "there is a database already" in run(args=["restore", str(out)]).output
    assert run(args=["rotate-key"]).exit_code == 0
    assert len((settings.instance / "secret_key").read_text().split()) == 2
    fresh = create_app(read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "fresh")}))
    done = fresh.test_cli_runner().invoke(args=["restore", str(out)])
    assert done.exit_code == 0, done.output
    assert "restored what was saved at" in done.output
    with sqlite3.connect(tmp_path / "fresh" / "truehue.sqlite3") as connection:
        assert connection.execute("SELECT slug FROM study").fetchall() == [("small",)]
    connection.close()


@pytest.mark.postgresql
def test_a_backup_of_postgresql_comes_back(postgresql_server, postgresql_url, stimuli, tmp_path):
    """By pg_dump and pg_restore, into another database."""
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i"), "DATABASE_URL": postgresql_url})
    settings.prepare()
    database = Database(settings.database_url)
    upgrade(database)
    create_study(database, settings.stimuli, parse_definition(SMALL), stimuli, slug="small", now=NOW)
    change(database, "small", "running", actor="test", now=NOW)
    app = create_app(settings)
    person = Participant(app.test_client(), app.extensions["truehue"].desk, "small").begin()
    person.answer()
    write_backup(database, settings, tmp_path / "b", now=NOW)
    url = postgresql_server.create("restored")
    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "r"), "DATABASE_URL": url})
    target = Database(there.database_url)
    try:
        assert read_backup(target, there, tmp_path / "b")["n_rows"] == {"session": 1, "trial": 1, "answer": 0}
        with target.reading() as connection:
            assert connection.execute(select(func.count()).select_from(TrialRow.__table__)).scalar_one() == 1
    finally:
        for each in (database, target, app.extensions["truehue"].desk.database):
            each.dispose()
        postgresql_server.drop("restored")


@pytest.fixture
def empty(tmp_path):
    """An instance that holds nothing, and its database."""
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "empty")})
    database = Database(settings.database_url)
    yield settings, database
    database.dispose()


def test_an_instance_without_sets_and_with_its_key_elsewhere_is_saved_and_comes_back(tmp_path):
    """No folder of sets, no reports, no key in the backup: the environment's stays the only one."""
    key = {"TRUEHUE_SECRET_KEY": "k" * 40}
    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "one"), **key})
    there.prepare()
    database = Database(there.database_url)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    about = write_backup(database, there, tmp_path / "b", now=NOW)
    assert about["n_rows"] == {}
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"backup.json", "truehue.sqlite3"}
    database.dispose()
    (tmp_path / "b" / "truehue.sqlite3").unlink()
    with sqlite3.connect(tmp_path / "b" / "truehue.sqlite3") as connection:
        connection.execute("VACUUM")
    connection.close()
    told = json.loads((tmp_path / "b" / "backup.json").read_text())
    told["database_sha256"] = _sha256(tmp_path / "b" / "truehue.sqlite3")
    (tmp_path / "b" / "backup.json").write_text(json.dumps(told))
    (tmp_path / "b" / "secret_key").write_text("another key")
    back = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "two"), **key})
    target = Database(back.database_url)
    read_backup(target, back, tmp_path / "b")
    target.dispose()
    assert back.secret_key == b"k" * 40
    assert not (back.instance / "secret_key").exists()


def test_a_backup_that_does_not_fit_the_instance_changes_nothing(desk, settings, study, tmp_path, empty):
    """Another kind of database, a lost database, a folder of sets that is not empty: one line each."""
    there, database = empty
    out = tmp_path / "b"
    write_backup(desk.database, settings, out, now=NOW)
    told = json.loads((out / "backup.json").read_text())
    (out / "truehue.sqlite3").rename(out / "truehue.dump")
    (out / "backup.json").write_text(json.dumps(told | {"database": "truehue.dump"}))
    with pytest.raises(BackupError, match=r"holds truehue\.dump, and DATABASE_URL names another kind of database"):
        read_backup(database, there, out)
    for name in ("truehue.sqlite3", "../secret_key", None):
        (out / "backup.json").write_text(json.dumps(told | {"database": name}))
        with pytest.raises(BackupError, match=f"its database {name!r} is missing; use another backup"):
            read_backup(database, there, out)
    (out / "backup.json").write_text("[]")
    with pytest.raises(BackupError, match="expected format truehue-backup/1"):
        read_backup(database, there, out)
    (out / "truehue.dump").rename(out / "truehue.sqlite3")
    (out / "backup.json").write_text(json.dumps(told))
    (there.stimuli / "mine").mkdir(parents=True)
    with pytest.raises(BackupError, match="stimuli is not empty; restore into an empty TRUEHUE_INSTANCE"):
        read_backup(database, there, out)
    assert [path.name for path in there.instance.iterdir()] == ["stimuli"]


def test_a_backup_that_cannot_be_written_leaves_nothing(desk, settings, study, tmp_path):
    """A file where a folder should be; a database that is damaged inside."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match=r"cannot be written .*; free some space, or name another"):
        write_backup(desk.database, settings, tmp_path / "file" / "b", now=NOW)
    with desk.database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE broken (x INTEGER CHECK (x > 0))")
    raw = sqlite3.connect(settings.instance / "truehue.sqlite3")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("INSERT INTO broken VALUES (-1)")
    raw.commit()
    raw.close()
    with pytest.raises(BackupError, match="is damaged: CHECK constraint failed in broken; restore the newest good"):
        write_backup(desk.database, settings, tmp_path / "b", now=NOW)
    assert {path.name for path in tmp_path.iterdir() if "b" in path.suffix or path.name.endswith("b")} == set()
    assert not (tmp_path / ".b.part").exists()


def test_a_database_that_does_not_answer_is_one_line(tmp_path, desk, settings, study):
    """Before anything is written."""
    out = tmp_path / "b"
    write_backup(desk.database, settings, out, now=NOW)
    url = "postgresql://nobody@127.0.0.1:1/none"
    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "r"), "DATABASE_URL": url})
    database = Database(there.database_url)
    with pytest.raises(BackupError, match="the database does not answer; check DATABASE_URL"):
        read_backup(database, there, out)
    database.dispose()
    assert not there.instance.exists()


@pytest.mark.outside
def test_a_program_of_postgresql_fails_in_one_line_and_never_sees_the_password_as_an_argument(tmp_path, monkeypatch):
    """Missing: what to install. Failing: its last line, or that it gave none."""
    url = "postgresql+psycopg://me:pass-word@db.example/truehue"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is missing; install .* \(postgresql-client\)"):
        _run("pg_dump", url)
    program = tmp_path / "pg_restore"
    program.write_text(
        f'#!/bin/sh\necho "$* / $PGPASSWORD" > {tmp_path}/given\necho first >&2\necho no room >&2\nexit 1\n'
    )
    program.chmod(0o755)
    with pytest.raises(BackupError) as caught:
        _run("pg_restore", url, "--no-owner", is_target=True)
    assert str(caught.value) == "pg_restore failed and changed nothing: no room"
    given = (tmp_path / "given").read_text()
    assert given == "--no-owner --dbname postgresql://me@db.example/truehue / pass-word\n"
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BackupError, match="pg_restore failed: no reason given"):
        _run("pg_restore", "postgresql+psycopg://me@db.example/truehue")
