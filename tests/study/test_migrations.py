"""Every revision, up and down, one at a time, with a row in every table that it finds."""

from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    func,
    insert,
    inspect,
    select,
    text,
)

from study.db import Database, alembic_config, downgrade, require_current, upgrade

# What the checks of some revision allow; everything else may hold anything.
ALLOWED = {
    ("study", "state"): ("running", "open"),
    ("session", "status"): ("consented",),
    ("trial", "response"): ("left",),
    ("trial", "void_reason"): ("",),
    ("researcher", "role"): ("owner",),
    ("job", "status"): ("queued",),
    ("check", "action"): ("warn", "record"),
}

# What a revision means to change: open became running, practice block 0.
CHANGED = {("study", "state"), ("trial", "block")}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request, tmp_path):
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}" if is_sqlite else request.getfixturevalue("postgresql_url")
    database = Database(url)
    yield database
    database.dispose()


def value_of(column, checks):
    """Something that the column takes; references point at row 1, which is there already."""
    for allowed in ALLOWED.get((column.table.name, column.name), ()):
        if not checks or not allowed or f"'{allowed}'" in checks:
            return allowed
    kind = column.type
    for types, value in (
        (Boolean, False),
        ((Integer, Float, Numeric), 1),
        (DateTime, datetime(2026, 1, 2, tzinfo=UTC)),
        (LargeBinary, b"x"),
        (JSON, {"a": 1}),
    ):
        if isinstance(kind, types):
            return value
    return f"{column.table.name}.{column.name}"


def fill(database):
    """Put a row into every table that has none."""
    found = MetaData()
    found.reflect(database.engine)
    checks = {
        name: " ".join(c["sqltext"] for c in inspect(database.engine).get_check_constraints(name))
        for name in found.tables
    }
    with database.writing() as connection:
        for table in found.sorted_tables:
            if table.name != "alembic_version" and not connection.scalar(select(func.count()).select_from(table)):
                row = {column.name: value_of(column, checks[table.name]) for column in table.columns}
                connection.execute(insert(table), row)


def counts(database):
    """Rows of each table."""
    names = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
    with database.reading() as connection:
        return {name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


def contents(database):
    """The one row of each table, or nothing."""
    found = MetaData()
    found.reflect(database.engine)
    with database.reading() as connection:
        rows = {name: connection.execute(select(table)).mappings().first() for name, table in found.tables.items()}
    return {
        name: {} if row is None else {key: value for key, value in row.items() if (name, key) not in CHANGED}
        for name, row in rows.items()
        if name != "alembic_version"
    }


def are_kept(old, new):
    """Whether every value that both have a column for is the same."""
    return all(
        row[key] == new[table][key] for table, row in old.items() for key in row.keys() & new.get(table, {}).keys()
    )


def storage(database):
    """The files of PostgreSQL's tables; a rewritten table has a new one."""
    if database.is_sqlite:
        return {}
    query = "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    with database.reading() as connection:
        return dict(connection.execute(text(query)).all())


@pytest.mark.slow
def test_each_revision_goes_up_and_down_with_data_in_it(database):
    """No row and no value is lost, whichever revision a database comes from; PostgreSQL rewrites no table meanwhile."""
    script = ScriptDirectory.from_config(alembic_config(database))
    revisions = [each.revision for each in reversed(list(script.walk_revisions()))]
    assert len(revisions) >= 5
    before = None
    for revision in revisions:
        files, rows, values = storage(database), counts(database), contents(database)
        upgrade(database, revision)
        after = counts(database)
        assert are_kept(values, contents(database)), revision
        assert {name: after.get(name) for name in rows} == rows, revision
        assert {name: storage(database).get(name) for name in files if name != "alembic_version"} == {
            name: file for name, file in files.items() if name != "alembic_version"
        }, revision
        fill(database)
        assert set(counts(database).values()) == {1}, revision
        if before is not None:  # down and up again, with data in what this revision made
            values = contents(database)
            downgrade(database, before)
            assert counts(database) == rows, revision
            assert are_kept(values, contents(database)), revision
            upgrade(database, revision)
            assert {name: counts(database)[name] for name in rows} == rows, revision
            fill(database)
        before = revision
    require_current(database)
    downgrade(database, "base")
    assert counts(database) == {}
