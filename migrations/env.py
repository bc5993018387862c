"""How Alembic reaches the database: the one that study.db hands over, else the instance's."""

from alembic import context

from study.config import read_settings
from study.db import Database
from study.models import Base

database = context.config.attributes.get("database")
if database is None:
    database = Database(read_settings().database_url)

with database.engine.begin() as connection:
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
