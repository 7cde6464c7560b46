"""Who speaks in a segment, where the recording has a track for everybody."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The default is what a service of the version before means: it knows of no speakers."""
    op.add_column("segments", Column("speaker", Text, nullable=False, server_default=""))
