"""A backup is whole although the server runs on, and comes back."""

import json
import sqlite3
import threading

import pytest
from conftest import NOW, SMALL, Participant
from sqlalchemy import func, select

from study import create_app
from study.backup import BackupError, read_backup, write_backup
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
