"""How Alembic reaches the database: the one that study.db hands over, else the instance's."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection

from study.config import read_settings
from study.db import Database
from study.models import Base

database = context.config.attributes.get("database")
if database is None:
    database = Database(read_settings().database_url)


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction for all revisions; on SQLite references are checked at its end.

    A table that SQLite copies is dropped under its old name, which it refuses while other tables refer to it.
    """
    with database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        if database.is_sqlite and raw is not None:
            raw.execute("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
        try:
            with connection.begin():
                yield connection
                if database.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise RuntimeError("the migration would leave rows without what they refer to; nothing was changed")
        finally:
            if database.is_sqlite and raw is not None:
                raw.execute("PRAGMA foreign_keys = ON")


with transaction() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter a table in place; batch mode copies it.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        # The BEGIN is ours (study.db): SQLite's changes of tables are transactional too.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
