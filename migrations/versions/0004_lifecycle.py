"""States of a study from draft to closed, what was fixed at launch, researchers' roles, background jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("study") as study:
        study.drop_constraint("ck_study_state", type_="check")
    op.execute("UPDATE study SET state = 'running' WHERE state = 'open'")
    with op.batch_alter_table("study") as study:
        study.create_check_constraint("ck_study_state", "state IN ('draft', 'pilot', 'running', 'paused', 'closed')")
    with op.batch_alter_table("researcher") as researcher:
        researcher.add_column(sa.Column("role", sa.Text(), nullable=False, server_default="owner"))
    with op.batch_alter_table("researcher") as researcher:
        researcher.alter_column("role", server_default=None)
        researcher.create_check_constraint("ck_researcher_role", "role IN ('owner', 'viewer')")
    op.create_table(
        "launch",
        sa.Column("study_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("preregistration", sa.LargeBinary(), nullable=False),
        sa.Column("preregistration_sha256", sa.Text(), nullable=False),
        sa.Column("launched_at_utc", TIME, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_launch_study_id_study"),
        sa.PrimaryKeyConstraint("study_id", name="pk_launch"),
    )
    op.create_table(
        "job",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at_utc", TIME, nullable=False),
        sa.Column("started_at_utc", TIME, nullable=True),
        sa.Column("finished_at_utc", TIME, nullable=True),
        sa.CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name="ck_job_status"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )


def downgrade() -> None:
    op.drop_table("job")
    op.drop_table("launch")
    with op.batch_alter_table("researcher") as researcher:
        researcher.drop_constraint("ck_researcher_role", type_="check")
        researcher.drop_column("role")
    with op.batch_alter_table("study") as study:
        study.drop_constraint("ck_study_state", type_="check")
    op.execute("UPDATE study SET state = 'open' WHERE state IN ('running', 'pilot')")
    op.execute("UPDATE study SET state = 'closed' WHERE state <> 'open'")
    with op.batch_alter_table("study") as study:
        study.create_check_constraint("ck_study_state", "state IN ('open', 'closed')")
