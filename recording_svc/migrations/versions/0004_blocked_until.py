"""When the lock ends that keeps a recording from being erased."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What is blocked already gets its date with the next attempt."""
    op.add_column("recordings", sa.Column("blocked_until", sa.DateTime(timezone=True)))
