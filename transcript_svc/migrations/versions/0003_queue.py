"""What waits to be transcribed, and when each room was last served."""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, Text, func

from chassis.database import service_role

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables, and let the service's role read and write their rows."""
    op.create_table(
        "jobs",
        Column("recording_id", Text, ForeignKey("transcripts.recording_id", ondelete="CASCADE"), primary_key=True),
        Column("room", Text, nullable=False),
        Column("announced_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    )
    op.create_index("jobs_by_room", "jobs", ["room", "announced_at"])
    op.create_table(
        "rooms_served",
        Column("room", Text, primary_key=True),
        Column("begun_at", DateTime(timezone=True), nullable=False),
    )
    if role := service_role():
        for table in ("jobs", "rooms_served"):
            op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO "{role}"')
