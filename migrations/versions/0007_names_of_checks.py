"""Names of CHECK constraints as the models say them: five bore their table's name twice.

PostgreSQL renames in place. SQLite cannot, and copies the table (docs/decisions/0024-names-of-checks.md).
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Revisions 0001 to 0005 gave a whole name where the naming convention (study.models.base) adds the table's itself.
CHECKS = (
    ("study", "state", "state IN ('draft', 'pilot', 'running', 'paused', 'closed')"),
    ("researcher", "role", "role IN ('owner', 'viewer')"),
    ("job", "status", "status IN ('queued', 'running', 'done', 'failed')"),
    ("check", "action", "action IN ('record', 'warn', 'exclude')"),
    ("trial", "answered_or_void", "(response = '') <> (void_reason = '')"),
)


def _rename(table: str, old: str, new: str, text: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f'ALTER TABLE "{table}" RENAME CONSTRAINT {old} TO {new}')
        return
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(op.f(old), type_="check")
        batch.create_check_constraint(op.f(new), text)


def upgrade() -> None:
    for table, name, text in CHECKS:
        _rename(table, f"ck_{table}_ck_{table}_{name}", f"ck_{table}_{name}", text)


def downgrade() -> None:
    for table, name, text in reversed(CHECKS):
        _rename(table, f"ck_{table}_{name}", f"ck_{table}_ck_{table}_{name}", text)
