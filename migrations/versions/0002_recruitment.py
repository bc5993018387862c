"""Recruitment, completion codes, withdrawals, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recruitment",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("changed_at_utc", TIME, nullable=False),
        sa.PrimaryKeyConstraint("slug", "platform", name="pk_recruitment"),
    )
    op.create_table(
        "recruit",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("person_hmac", sa.Text(), nullable=False),
        sa.Column("submission", sa.Text(), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        sa.Column("session_id", ROW_ID, nullable=True),
        sa.Column("entered_at_utc", TIME, nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_recruit_session_id_session"),
        sa.PrimaryKeyConstraint("id", name="pk_recruit"),
        sa.UniqueConstraint("session_id", name="uq_recruit_session_id"),
        sa.UniqueConstraint("slug", "person_hmac", name="uq_recruit_slug_person_hmac"),
    )
    op.create_table(
        "identity",
        sa.Column("recruit_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("delete_after_utc", TIME, nullable=False),
        sa.ForeignKeyConstraint(["recruit_id"], ["recruit.id"], name="fk_identity_recruit_id_recruit"),
        sa.PrimaryKeyConstraint("recruit_id", name="pk_identity"),
    )
    op.create_index("ix_identity_delete_after_utc", "identity", ["delete_after_utc"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at_utc", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
        sa.UniqueConstraint("token_sha256", name="uq_invitation_token_sha256"),
    )
    op.create_index("ix_invitation_slug", "invitation", ["slug"], unique=False)
    op.create_table(
        "completion",
        sa.Column("session_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("issued_at_utc", TIME, nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_completion_session_id_session"),
        sa.PrimaryKeyConstraint("session_id", name="pk_completion"),
    )
    op.create_table(
        "withdrawal",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n_trials", sa.Integer(), nullable=False),
        sa.Column("n_answers", sa.Integer(), nullable=False),
        sa.Column("withdrawn_at_utc", TIME, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_withdrawal_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_withdrawal"),
        sa.UniqueConstraint("session_id", name="uq_withdrawal_session_id"),
    )
    op.create_index("ix_withdrawal_study_id", "withdrawal", ["study_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at_utc", TIME, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audit_subject", table_name="audit")
    op.drop_table("audit")
    op.drop_index("ix_withdrawal_study_id", table_name="withdrawal")
    op.drop_table("withdrawal")
    op.drop_table("completion")
    op.drop_index("ix_invitation_slug", table_name="invitation")
    op.drop_table("invitation")
    op.drop_index("ix_identity_delete_after_utc", table_name="identity")
    op.drop_table("identity")
    op.drop_table("recruit")
    op.drop_table("recruitment")
