"""Deleting the platforms' own names of people when payment is done and their time has come."""

from datetime import datetime

from sqlalchemy import Table, delete

from study.db import Database
from study.models import IdentityRow

IDENTITIES: Table = IdentityRow.__table__  # type: ignore[assignment]


def delete_due_identities(database: Database, *, now: datetime) -> int:
    """Delete every identity whose date has passed; return how many. The keyed hashes stay: they keep people single."""
    with database.writing() as connection:
        return connection.execute(delete(IDENTITIES).where(IDENTITIES.c.delete_after_utc <= now)).rowcount
