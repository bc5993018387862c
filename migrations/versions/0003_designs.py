"""Every design's own facts: blocks, staircase levels, masks, shown sizes; slots that return to the pool."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_STATUS = "status IN ('started', 'consented', 'practice', 'test', 'questionnaire', 'complete', 'withdrawn')"
NEW_STATUS = OLD_STATUS.removesuffix(")") + ", 'unqualified')"
OLD_RESPONSE = "response IN ('', 'left', 'right')"
NEW_RESPONSE = "response IN ('', 'left', 'right', 'real', 'fake')"
ADDED = ("staircase_level_ms", "mask_ms_nominal", "shown_width_px", "shown_height_px")


def upgrade() -> None:
    with op.batch_alter_table("study") as study:
        study.add_column(sa.Column("preset_definition", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("session") as session:
        session.add_column(sa.Column("slot_attempt", sa.Integer(), nullable=False, server_default="0"))
        session.drop_constraint(op.f("uq_session_study_id_arm_slot"), type_="unique")
        session.create_unique_constraint(
            op.f("uq_session_study_id_arm_slot_slot_attempt"), ["study_id", "arm_slot", "slot_attempt"]
        )
        session.drop_constraint(op.f("ck_session_status"), type_="check")
        session.create_check_constraint(op.f("ck_session_status"), NEW_STATUS)
    with op.batch_alter_table("trial") as trial:
        # Until now practice was block 0 and everything else one block.
        trial.add_column(sa.Column("block", sa.Integer(), nullable=False, server_default="1"))
        trial.add_column(sa.Column("stimulus_reference", sa.Text(), nullable=False, server_default=""))
        for name in ADDED:
            trial.add_column(sa.Column(name, sa.Float(), nullable=True))
        trial.add_column(sa.Column("mask_frames", sa.Integer(), nullable=True))
        trial.alter_column("exposure_ms_nominal", existing_type=sa.Float(), nullable=True)
        trial.drop_constraint(op.f("ck_trial_response"), type_="check")
        trial.create_check_constraint(op.f("ck_trial_response"), NEW_RESPONSE)
    op.execute("UPDATE trial SET block = 0 WHERE kind = 'practice'")
    for table, name, kind in (
        ("study", "preset_definition", sa.Text()),
        ("session", "slot_attempt", sa.Integer()),
        ("trial", "block", sa.Integer()),
        ("trial", "stimulus_reference", sa.Text()),
    ):
        with op.batch_alter_table(table) as batch:
            batch.alter_column(name, existing_type=kind, server_default=None)


def downgrade() -> None:
    # Older tables cannot hold the newer designs; what does not fit stops the downgrade and nothing is lost.
    with op.batch_alter_table("trial") as trial:
        trial.drop_constraint(op.f("ck_trial_response"), type_="check")
        trial.create_check_constraint(op.f("ck_trial_response"), OLD_RESPONSE)
        trial.alter_column("exposure_ms_nominal", existing_type=sa.Float(), nullable=False)
        for name in ("block", "stimulus_reference", "mask_frames", *ADDED):
            trial.drop_column(name)
    with op.batch_alter_table("session") as session:
        session.drop_constraint(op.f("ck_session_status"), type_="check")
        session.create_check_constraint(op.f("ck_session_status"), OLD_STATUS)
        session.drop_constraint(op.f("uq_session_study_id_arm_slot_slot_attempt"), type_="unique")
        session.create_unique_constraint(op.f("uq_session_study_id_arm_slot"), ["study_id", "arm_slot"])
        session.drop_column("slot_attempt")
    with op.batch_alter_table("study") as study:
        study.drop_column("preset_definition")
