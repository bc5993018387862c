"""A copy of an instance that is whole although the server runs on, and the way back.

    backup.json         what it is, when, how many rows, the database file's SHA-256
    truehue.sqlite3     or truehue.dump (pg_dump's custom format)
    stimuli/            the imported stimulus sets
    reports/            the finished reports
    secret_key          unless the environment holds it

The database is copied first: a set is in its folder before its row is committed, so every set of the copy is there.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, func, inspect, make_url, select
from sqlalchemy.exc import OperationalError

from study import db
from study.config import Settings
from study.errors import Refusal
from study.models import Base
from study.versions import truehue_version

FORMAT = "truehue-backup/1"
CHUNK_BYTES = 1 << 20
COUNTED = ("session", "trial", "answer")


class BackupError(Refusal, ValueError):
    """A backup that cannot be made or used; the message is one line."""


def write_backup(database: db.Database, settings: Settings, out: Path, *, now: datetime) -> dict[str, Any]:
    """Write a backup to the new folder `out`, whole or not at all; the server need not stop."""
    if out.exists():
        raise BackupError(f"{out} exists; name a folder that does not")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(mode=0o700, parents=True)
        file = part / ("truehue.sqlite3" if database.is_sqlite else "truehue.dump")
        if database.is_sqlite:
            n_rows = _copy_sqlite(Path(database.engine.url.database or ""), file)
        else:
            n_rows = _count(database)
            _run("pg_dump", settings.database_url, "--format=custom", "--no-owner", f"--file={file}")
        if settings.stimuli.is_dir():
            shutil.copytree(settings.stimuli, part / "stimuli", ignore=shutil.ignore_patterns(".import-*"))
        if settings.reports.is_dir():
            shutil.copytree(settings.reports, part / "reports", ignore=shutil.ignore_patterns(".*"))
        if not settings.given_key:
            with os.fdopen(os.open(part / "secret_key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
                key.write(b"\n".join(settings.all_keys))
        about = {
            "format": FORMAT,
            "truehue_version": truehue_version(),
            "made_at_utc": now.isoformat(timespec="milliseconds"),
            "database": file.name,
            "database_sha256": _sha256(file),
            "n_rows": n_rows,
        }
        (part / "backup.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        _sync(part)
        part.rename(out)
    except OSError as error:
        raise BackupError(f"{out} cannot be written ({error.strerror}); free some space, or name another") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return about


def read_backup(database: db.Database, settings: Settings, folder: Path) -> dict[str, Any]:
    """Bring a backup back into an instance that holds no data yet, and its tables to this version."""
    about = _about(folder)
    if _has_tables(database):
        raise BackupError("there is a database already; restore into an empty TRUEHUE_INSTANCE or DATABASE_URL")
    if (about["database"] == "truehue.sqlite3") != database.is_sqlite:
        raise BackupError(f"{folder} holds {about['database']}, and DATABASE_URL names another kind of database")
    settings.prepare()
    if settings.stimuli.exists() and any(settings.stimuli.iterdir()):
        raise BackupError(f"{settings.stimuli} is not empty; restore into an empty TRUEHUE_INSTANCE")
    if (folder / "stimuli").is_dir():
        shutil.copytree(folder / "stimuli", settings.stimuli, dirs_exist_ok=True)
    if (folder / "reports").is_dir():
        shutil.copytree(folder / "reports", settings.reports, dirs_exist_ok=True)
    if (folder / "secret_key").is_file() and not settings.given_key:
        key = settings.instance / "secret_key"
        key.unlink(missing_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write((folder / "secret_key").read_bytes())
    if database.is_sqlite:
        database.dispose()
        path = Path(database.engine.url.database or "")
        for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            leftover.unlink(missing_ok=True)
        part = path.with_name(path.name + ".part")
        shutil.copyfile(folder / about["database"], part)
        part.rename(path)  # last: an interrupted restore leaves no database, and can be repeated
    else:
        _run("pg_restore", settings.database_url, "--no-owner", "--exit-on-error", "--single-transaction",
             str(folder / about["database"]), is_target=True)  # fmt: skip
    db.upgrade(database)
    return about


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / "backup.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BackupError(f"{folder} is not a backup: backup.json is missing or cannot be read") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else about
        raise BackupError(f"{folder}/backup.json: expected format {FORMAT}, got {found!r}")
    name = about.get("database")
    if name not in {"truehue.sqlite3", "truehue.dump"} or not (folder / name).is_file():
        raise BackupError(f"{folder}: its database {name!r} is missing; use another backup")
    if _sha256(folder / name) != about.get("database_sha256"):
        raise BackupError(f"{folder}/{name} is damaged: its SHA-256 is another; use another backup")
    return about


def _copy_sqlite(source: Path, target: Path) -> dict[str, int]:
    """Copy the database at one moment; SQLite's own online backup, so writers go on."""
    with contextlib.closing(sqlite3.connect(source)) as running, contextlib.closing(sqlite3.connect(target)) as copy:
        running.backup(copy)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise BackupError(f"{source} is damaged: {found}; restore the newest good backup")
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        tables = [row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        wanted = [name for name in COUNTED if name in tables]
        return {name: copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in wanted}  # noqa: S608 - our own names


def _count(database: db.Database) -> dict[str, int]:
    with database.snapshot() as connection:
        tables = [Base.metadata.tables[name] for name in COUNTED]
        return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}


def _has_tables(database: db.Database) -> bool:
    if database.is_sqlite and not Path(database.engine.url.database or "").exists():
        return False
    try:
        return bool(inspect(database.engine).get_table_names())
    except OperationalError:
        raise BackupError("the database does not answer; check DATABASE_URL") from None


def _run(program: str, database_url: str, *arguments: str, is_target: bool = False) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, not by the command line."""
    path = shutil.which(program)
    if path is None:
        raise BackupError(f"{program} is missing; install PostgreSQL's client programs (postgresql-client)")
    url = make_url(database_url)
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    # Made anew: URL.set() takes None for "as it is", and the password would stay.
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    target = bare.render_as_string(hide_password=False)
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, no shell
        [path, *arguments, "--dbname", target], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupError(f"{program} failed{' and changed nothing' if is_target else ''}: {said}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    """Bring every file to the disk before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
