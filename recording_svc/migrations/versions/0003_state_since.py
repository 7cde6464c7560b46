"""Since when a recording has been in its state for its reason."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Recordings from before have none: nobody wrote down when they came there."""
    op.add_column("recordings", sa.Column("state_since", sa.DateTime(timezone=True)))
