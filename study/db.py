"""The database: one engine, three ways to talk to it, and its migrations.

`reading()` and `answering()` are autocommit connections: every statement is a transaction of its own, so an answer is
one INSERT that is on disk when `execute` returns. `writing()` is a transaction; on SQLite it takes the write lock at
its start (BEGIN IMMEDIATE), because a transaction that reads first and then wants to write fails as soon as another one
has written in between. `batch()` joins everything inside into one transaction; only simulation uses it.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from study.errors import Refusal

if TYPE_CHECKING:  # Alembic is imported where it is used: a worker that serves pages never needs it
    from alembic.config import Config

_HERE = Path(__file__).resolve().parent
# In a wheel they lie beside this module (setup.py), in a checkout at its top.
MIGRATIONS = _HERE / "migrations" if (_HERE / "migrations").is_dir() else _HERE.parent / "migrations"
BUSY_TIMEOUT_S = 30
NOT_ALLOWED = "42501"  # PostgreSQL's insufficient_privilege


class DatabaseError(Refusal, RuntimeError):
    """The database cannot be used; the message is one line that says what to do."""


class Database:
    """An engine and the ways to use it."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._autocommit: Engine
        if self.is_sqlite:  # the option is ours (see _begin): SQLAlchemy's own one costs a PRAGMA at each checkout
            self._autocommit = self.engine.execution_options(truehue_autocommit=True)
        else:  # connections of their own: switching one to and fro costs as much as a statement
            self._autocommit = _postgresql(url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        self._joined: ContextVar[Connection | None] = ContextVar("joined", default=None)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def answering(self) -> Iterator[Connection]:
        """Give a connection whose every statement commits by itself."""
        joined = self._joined.get()
        if joined is not None:
            yield joined
            return
        with self._autocommit.connect() as connection:
            yield connection

    reading = answering

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection inside a transaction, committed at the end and rolled back on any exception."""
        joined = self._joined.get()
        if joined is not None:
            with joined.begin_nested():
                yield joined
            return
        with self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Give an ORM session inside a transaction, for the rare and readable parts."""
        with self.writing() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextlib.contextmanager
    def reading_session(self) -> Iterator[Session]:
        """Give an ORM session that only reads and locks nothing."""
        with self.reading() as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection that sees one moment, however long it reads, and holds nobody up."""
        if not self.is_sqlite:
            with self.engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
                yield connection
            return
        with self._autocommit.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # deferred: WAL readers neither block nor are blocked
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextlib.contextmanager
    def batch(self) -> Iterator[Connection]:
        """Join everything that this thread does inside into one transaction."""
        with self.engine.begin() as connection:
            token = self._joined.set(connection)
            try:
                yield connection
            finally:
                self._joined.reset(token)

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self._autocommit.dispose()


def _postgresql(url: str, **options: Any) -> Engine:
    # No pre-ping: it would cost a round trip per answer.  sessions.patient repeats once after a lost connection.
    return create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_recycle=1800,
        hide_parameters=True,
        **options,
    )


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return _postgresql(url)
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=16,
        pool_timeout=BUSY_TIMEOUT_S,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _prepare(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # we say BEGIN ourselves, see _begin
        cursor = dbapi.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged answer survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if "truehue_autocommit" not in connection.get_execution_options():
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def alembic_config(database: Database) -> "Config":
    """Configure Alembic for this database; env.py takes the connection from `attributes`."""
    from alembic.config import Config

    config = Config(MIGRATIONS / "alembic.ini")
    config.attributes["database"] = database
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables to the newest revision; costs one SELECT if they are."""
    from alembic import command

    try:
        if revision == "head" and is_current(database):
            return
        command.upgrade(alembic_config(database), revision)
    except OperationalError as error:
        raise DatabaseError(f"the database cannot be opened: {_first_line(error)}; check DATABASE_URL") from None
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") != NOT_ALLOWED:
            raise
        raise DatabaseError(
            f"the database lets its user make no tables: {_first_line(error)}; make the user its owner "
            "(ALTER DATABASE … OWNER TO …)"
        ) from None


def downgrade(database: Database, revision: str) -> None:
    """Take the tables back to an older revision."""
    from alembic import command

    command.downgrade(alembic_config(database), revision)


def is_current(database: Database) -> bool:
    """Whether the tables are at the newest revision."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with database.reading() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current == ScriptDirectory.from_config(alembic_config(database)).get_current_head()


def require_current(database: Database) -> None:
    """Stop with a remedy if the tables are not at the newest revision."""
    try:
        current = is_current(database)
    except OperationalError as error:
        raise DatabaseError(f"the database cannot be opened: {_first_line(error)}; check DATABASE_URL") from None
    if not current:
        raise DatabaseError("the database is not at this version's tables; run: flask --app study upgrade")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
