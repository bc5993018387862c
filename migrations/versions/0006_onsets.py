"""When each picture was uncovered, by the page's clock."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("onset_a_ms", "onset_b_ms")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("trial", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("trial", name)
