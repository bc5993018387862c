"""The statement behind every answer never looks at the whole table."""

import pytest

from study.db import Database, upgrade
from study.sessions.tables import SELECT_STATE


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """An empty database at the newest revision."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}" if is_sqlite else request.getfixturevalue("postgresql_url")
    database = Database(url)
    upgrade(database)
    yield database
    database.dispose()


@pytest.mark.postgresql
def test_a_plan_made_for_an_empty_table_uses_its_indexes(database):
    """PostgreSQL keeps the plan of a prepared statement: made with a scan, it would read every trial for an answer."""
    with database.answering() as connection:
        for _ in range(8):  # the driver prepares it at the sixth
            assert SELECT_STATE.run(connection, {"token_sha256": "nobody"}) is None
        form = SELECT_STATE._compile(connection.dialect)
        driver = connection.connection.driver_connection
        word = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        given = ["nobody"] if form.is_positional else {name: "nobody" for name, _ in form.binds}
        told = "\n".join(str(row) for row in driver.cursor().execute(word + form.sql, given).fetchall())
    assert "Seq Scan on trial" not in told, told
    assert "SCAN trial" not in told, told
