"""What was checked before the trials, and the displays of the lab."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "check",
        sa.Column("session_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("checked_at_utc", TIME, nullable=False),
        sa.CheckConstraint("action IN ('record', 'warn', 'exclude')", name="ck_check_action"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_check_session_id_session"),
        sa.PrimaryKeyConstraint("session_id", "check_id", name="pk_check"),
    )
    op.create_table(
        "display",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("measured_on", sa.Text(), nullable=False),
        sa.Column("added_at_utc", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_display"),
    )


def downgrade() -> None:
    op.drop_table("display")
    op.drop_table("check")
