"""A statement that runs some hundred times a second: compiled once, handed to the driver itself.

SQLAlchemy's bookkeeping for each execution costs several times what SQLite needs for the row. Connections,
transactions, types and the SQL stay SQLAlchemy's; errors arrive as its own, a lost connection included.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]


class _Form(NamedTuple):
    """The statement in one database's words."""

    sql: str
    binds: tuple[tuple[str, Convert | None], ...]
    """Parameters, in the order of their marks if these have no names, and what the driver needs done to them."""
    is_positional: bool


class _Rows(NamedTuple):
    """What is done to the driver's row."""

    make: Callable[..., Any]
    converts: tuple[tuple[int, Convert], ...]
    """Columns whose value from the driver is not yet right."""


class Statement:
    """A SELECT of at most one row, or an INSERT of one row with all its columns.

    A database may have a form of its own, which gives the same columns.
    """

    def __init__(self, statement: Select[Any] | Insert, **of_dialect: Select[Any]) -> None:
        self.statement = statement
        self._of_dialect = of_dialect
        self._forms: dict[str, _Form] = {}
        self._rows: dict[str, _Rows] = {}

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        """Execute on a connection, within its transaction if it has one; give the row as a named tuple, or None."""
        dialect = connection.dialect
        form = self._forms.get(dialect.name) or self._compile(dialect)
        values = [parameters[name] if f is None else f(parameters[name]) for name, f in form.binds]
        driver = connection.connection.driver_connection
        assert driver is not None
        try:
            cursor = driver.cursor()
            try:
                if form.is_positional:
                    cursor.execute(form.sql, values)
                else:
                    cursor.execute(form.sql, {name: value for (name, _), value in zip(form.binds, values, strict=True)})
                if cursor.description is None:
                    return None
                found = cursor.fetchone()
                rows = self._rows.get(dialect.name) or self._describe(dialect, cursor.description)
            finally:
                cursor.close()
        except dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, form.sql, error) from error
        if found is None:
            return None
        values = list(found)
        for index, f in rows.converts:
            values[index] = f(values[index])
        return rows.make(*values)

    def statement_for(self, dialect: Dialect) -> Select[Any] | Insert:
        """What this database is sent."""
        return self._of_dialect.get(dialect.name, self.statement)

    def _compile(self, dialect: Dialect) -> _Form:
        statement = self.statement_for(dialect)
        names = [column.name for column in statement.table.columns] if isinstance(statement, Insert) else None
        compiled = statement.compile(dialect=dialect, column_keys=names)
        assert isinstance(compiled, SQLCompiler)
        order = list((compiled.positiontup if compiled.positional else compiled.binds) or ())
        binds = tuple((n, compiled.binds[n].type.dialect_impl(dialect).bind_processor(dialect)) for n in order)
        form = self._forms[dialect.name] = _Form(str(compiled), binds, compiled.positional)
        return form

    def _describe(self, dialect: Dialect, description: Sequence[Sequence[Any]]) -> _Rows:
        statement = self.statement_for(dialect)
        assert isinstance(statement, Select)
        columns = statement.selected_columns
        processors = [
            column.type.dialect_impl(dialect).result_processor(dialect, described[1])
            for column, described in zip(columns, description, strict=True)
        ]
        converts = tuple((index, f) for index, f in enumerate(processors) if f is not None)
        make = namedtuple("Row", [str(column.key) for column in columns])  # type: ignore[misc]
        rows = self._rows[dialect.name] = _Rows(make, converts)
        return rows


def _wrapped(connection: Connection, sql: str, error: Exception) -> BaseException:
    """Give the driver's error as SQLAlchemy would; a connection that is lost takes the pool's idle ones with it."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
    wrapped = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    if is_lost:
        connection.invalidate(error)
        connection.engine.dispose()
    return wrapped
