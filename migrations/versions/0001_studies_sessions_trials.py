"""Studies, sessions, trials."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "researcher",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_in_at_utc", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_researcher"),
        sa.UniqueConstraint("email", name="uq_researcher_email"),
    )
    op.create_table(
        "stimulus_set",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("served_bytes", sa.Integer(), nullable=False),
        sa.Column("imported_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stimulus_set"),
        sa.UniqueConstraint("manifest_sha256", name="uq_stimulus_set_manifest_sha256"),
    )
    op.create_table(
        "stimulus",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("stimulus_set_id", ROW_ID, nullable=False),
        sa.Column("stimulus_id", sa.Text(), nullable=False),
        sa.Column("served_name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stimulus_set_id"], ["stimulus_set.id"], name="fk_stimulus_stimulus_set_id_stimulus_set"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_stimulus"),
        sa.UniqueConstraint("served_name", name="uq_stimulus_served_name"),
        sa.UniqueConstraint("stimulus_set_id", "stimulus_id", name="uq_stimulus_stimulus_set_id_stimulus_id"),
    )
    op.create_table(
        "study",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("definition_sha256", sa.Text(), nullable=False),
        sa.Column("stimulus_set_id", ROW_ID, nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("simulation", sa.JSON(), nullable=True),
        sa.Column("created_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('open', 'closed')", name="ck_study_state"),
        sa.ForeignKeyConstraint(["stimulus_set_id"], ["stimulus_set.id"], name="fk_study_stimulus_set_id_stimulus_set"),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("slug", "version", name="uq_study_slug_version"),
    )
    op.create_index("ix_study_stimulus_set_id", "study", ["stimulus_set_id"], unique=False)

    op.create_table(
        "session",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("participant_id", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("arm_slot", sa.Integer(), nullable=False),
        sa.Column("session_seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("is_pilot", sa.Boolean(), nullable=False),
        sa.Column("consent_sha256", sa.Text(), nullable=False),
        sa.Column("consented_at_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handed_trial_index", sa.Integer(), nullable=True),
        sa.Column("handed_page_id", sa.Text(), nullable=True),
        sa.Column("handed_at_utc", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("screen_width_px", sa.Integer(), nullable=True),
        sa.Column("screen_height_px", sa.Integer(), nullable=True),
        sa.Column("viewport_width_px", sa.Integer(), nullable=True),
        sa.Column("viewport_height_px", sa.Integer(), nullable=True),
        sa.Column("device_pixel_ratio", sa.Double(), nullable=True),
        sa.Column("refresh_hz", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "status IN ('started', 'consented', 'practice', 'test', 'questionnaire', 'complete', 'withdrawn')",
            name="ck_session_status",
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_session_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("session_id", name="uq_session_session_id"),
        sa.UniqueConstraint("study_id", "arm_slot", name="uq_session_study_id_arm_slot"),
        sa.UniqueConstraint("token_sha256", name="uq_session_token_sha256"),
    )
    op.create_index("ix_session_study_id_status", "session", ["study_id", "status"], unique=False)

    op.create_table(
        "answer",
        sa.Column("session_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("item_type", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_answer_session_id_session"),
        sa.PrimaryKeyConstraint("session_id", "item_id", name="pk_answer"),
    )
    op.create_table(
        "trial",
        sa.Column("session_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("trial_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_index", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False),
        sa.Column("design", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("stimulus_a", sa.Text(), nullable=False),
        sa.Column("stimulus_b", sa.Text(), nullable=False),
        sa.Column("condition_a", sa.Text(), nullable=False),
        sa.Column("condition_b", sa.Text(), nullable=False),
        sa.Column("side_of_a", sa.Text(), nullable=False),
        sa.Column("order_of_a", sa.Text(), nullable=False),
        sa.Column("instructed_response", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("void_reason", sa.Text(), nullable=False),
        sa.Column("rt_ms", sa.Double(), nullable=True),
        sa.Column("exposure_ms_nominal", sa.Double(), nullable=False),
        sa.Column("exposure_a_ms_achieved", sa.Double(), nullable=True),
        sa.Column("exposure_b_ms_achieved", sa.Double(), nullable=True),
        sa.Column("frames_a", sa.Integer(), nullable=True),
        sa.Column("frames_b", sa.Integer(), nullable=True),
        sa.Column("dropped_frames", sa.Integer(), nullable=True),
        sa.Column("refresh_hz", sa.Double(), nullable=True),
        sa.Column("visible", sa.Boolean(), nullable=True),
        sa.Column("page_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("shown_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at_utc", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(response = '') <> (void_reason = '')", name="ck_trial_answered_or_void"),
        sa.CheckConstraint("response IN ('', 'left', 'right')", name="ck_trial_response"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_trial_session_id_session"),
        sa.PrimaryKeyConstraint("session_id", "trial_index", name="pk_trial"),
        sa.UniqueConstraint("session_id", "idempotency_key", name="uq_trial_session_id_idempotency_key"),
    )
    op.create_index(
        "ix_trial_session_id_trial_index_void",
        "trial",
        ["session_id", "trial_index"],
        unique=False,
        sqlite_where=sa.text("void_reason <> ''"),
        postgresql_where=sa.text("void_reason <> ''"),
    )
    op.create_index(
        "uq_trial_session_id_plan_index_answered",
        "trial",
        ["session_id", "plan_index"],
        unique=True,
        sqlite_where=sa.text("void_reason = ''"),
        postgresql_where=sa.text("void_reason = ''"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_trial_session_id_plan_index_answered",
        table_name="trial",
        sqlite_where=sa.text("void_reason = ''"),
        postgresql_where=sa.text("void_reason = ''"),
    )
    op.drop_index(
        "ix_trial_session_id_trial_index_void",
        table_name="trial",
        sqlite_where=sa.text("void_reason <> ''"),
        postgresql_where=sa.text("void_reason <> ''"),
    )

    op.drop_table("trial")
    op.drop_table("answer")
    op.drop_index("ix_session_study_id_status", table_name="session")

    op.drop_table("session")
    op.drop_index("ix_study_stimulus_set_id", table_name="study")

    op.drop_table("study")
    op.drop_table("stimulus")
    op.drop_table("stimulus_set")
    op.drop_table("researcher")
