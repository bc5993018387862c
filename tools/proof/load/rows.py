"""Fill the tables: finished sessions copied from one, by the database itself."""

from sqlalchemy import Integer, String, Table, cast, func, insert, literal, literal_column, select

from study.models import SessionRow, TrialRow
from tools.proof.instance import Instance

SESSIONS: Table = SessionRow.__table__  # type: ignore[assignment]
TRIALS: Table = TrialRow.__table__  # type: ignore[assignment]


def fill(place: Instance, n_rows: int) -> int:
    """Copy the session with the most rows until there are `n_rows` trials; give their number."""
    database = place.desk.database
    with database.writing() as connection:
        there = connection.scalar(select(func.count()).select_from(TRIALS)) or 0
        model, n_each = connection.execute(
            select(TRIALS.c.session_id, func.count())
            .group_by(TRIALS.c.session_id)
            .order_by(func.count().desc())
            .limit(1)
        ).one()
        n = max(0, -(-(n_rows - there) // n_each))
        if n == 0:
            return there
        top = connection.scalar(select(func.max(SESSIONS.c.id))) or 0
        start = select(literal(1, Integer).label("i")).cte("number", recursive=True)
        number = start.union_all(select(start.c.i + 1).where(start.c.i < n))
        i = number.c.i
        mark = literal(f"copy-{top}-") + cast(i, String)
        changed = {
            "id": literal_column(str(top)) + i,
            "session_id": mark,
            "token_sha256": mark,
            "participant_id": mark,
            "arm_slot": literal_column(str(1_000_000 + top)) + i,
        }
        columns = [changed.get(c.name, c).label(c.name) for c in SESSIONS.c]
        query = (
            select(*columns).select_from(SESSIONS.join(number, literal_column("1") == 1)).where(SESSIONS.c.id == model)
        )
        connection.execute(insert(SESSIONS).from_select([c.name for c in SESSIONS.c], query))
        copies = [(literal_column(str(top)) + i if c.name == "session_id" else c).label(c.name) for c in TRIALS.c]
        query = select(*copies).select_from(TRIALS.join(number, literal_column("1") == 1))
        query = query.where(TRIALS.c.session_id == model)
        connection.execute(insert(TRIALS).from_select([c.name for c in TRIALS.c], query))
        if database.is_sqlite is False and top:
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('session', 'id'), (SELECT max(id) FROM session))"
            )
        return there + n * n_each
