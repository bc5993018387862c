"""Every design's own facts: blocks, staircase levels, masks, shown sizes; slots that return to the pool."""

from typing import Any

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


def _check(batch: Any, table: str, name: str, text: str, *, is_back: bool = False) -> None:
    """Replace a CHECK, which revision 0001 named twice over."""
    names = [op.f(f"ck_{table}_ck_{table}_{name}"), op.f(f"ck_{table}_{name}")]
    old, new = reversed(names) if is_back else names
    batch.drop_constraint(old, type_="check")
    batch.create_check_constraint(new, text)


def upgrade() -> None:
    op.add_column("study", sa.Column("preset_definition", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("session") as session:
        session.add_column(sa.Column("slot_attempt", sa.Integer(), nullable=False, server_default="0"))
        session.drop_constraint(op.f("uq_session_study_id_arm_slot"), type_="unique")
        session.create_unique_constraint(
            op.f("uq_session_study_id_arm_slot_slot_attempt"), ["study_id", "arm_slot", "slot_attempt"]
        )
        _check(session, "session", "status", NEW_STATUS)
    with op.batch_alter_table("trial") as trial:
        # Until now practice was block 0 and everything else one block.
        trial.add_column(sa.Column("block", sa.Integer(), nullable=False, server_default="1"))
        trial.add_column(sa.Column("stimulus_reference", sa.Text(), nullable=False, server_default=""))
        for name in ADDED:
            trial.add_column(sa.Column(name, sa.Double(), nullable=True))
        trial.add_column(sa.Column("mask_frames", sa.Integer(), nullable=True))
        trial.alter_column("exposure_ms_nominal", existing_type=sa.Double(), nullable=True)
        _check(trial, "trial", "response", NEW_RESPONSE)
    op.execute("UPDATE trial SET block = 0 WHERE kind = 'practice'")
    # The defaults were for the rows that were there.
    with op.batch_alter_table("study") as study:
        study.alter_column("preset_definition", existing_type=sa.Text(), server_default=None)
    with op.batch_alter_table("session") as session:
        session.alter_column("slot_attempt", existing_type=sa.Integer(), server_default=None)
    with op.batch_alter_table("trial") as trial:
        trial.alter_column("block", existing_type=sa.Integer(), server_default=None)
        trial.alter_column("stimulus_reference", existing_type=sa.Text(), server_default=None)


def downgrade() -> None:
    # Older tables cannot hold the newer designs; what does not fit stops the downgrade and nothing is lost.
    with op.batch_alter_table("trial") as trial:
        _check(trial, "trial", "response", OLD_RESPONSE, is_back=True)
        trial.alter_column("exposure_ms_nominal", existing_type=sa.Double(), nullable=False)
        for name in ("block", "stimulus_reference", "mask_frames", *ADDED):
            trial.drop_column(name)
    with op.batch_alter_table("session") as session:
        _check(session, "session", "status", OLD_STATUS, is_back=True)
        session.drop_constraint(op.f("uq_session_study_id_arm_slot_slot_attempt"), type_="unique")
        session.create_unique_constraint(op.f("uq_session_study_id_arm_slot"), ["study_id", "arm_slot"])
        session.drop_column("slot_attempt")
    op.drop_column("study", "preset_definition")
