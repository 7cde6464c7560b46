"""What operators did, append-only; where a listing of a whole bucket was left; which recordings wait, by state."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import make_append_only, service_role

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)

GRANTS = {
    "operator_actions": "SELECT, INSERT",
    "listings": "SELECT, INSERT, UPDATE, DELETE",
}


def upgrade() -> None:
    """Make the tables, and let the service's role do no more than it has to."""
    op.create_table(
        "operator_actions",
        sa.Column("action_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("recording_id", sa.Text, sa.ForeignKey("recordings.recording_id")),
        sa.Column("details", JSONB, nullable=False),
    )
    op.create_table(
        "listings",
        sa.Column("bucket", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("key_marker", sa.Text, nullable=False),
        sa.Column("version_marker", sa.Text, nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
    )
    # Meetings that an operator named; consent_svc's own word stands before them.
    op.add_column("recordings", sa.Column("matched_by_hand", sa.Boolean, nullable=False, server_default="false"))
    op.create_index("recordings_by_state", "recordings", ["state", "discovered_at"])
    make_append_only("operator_actions")
    role = service_role()
    for table, rights in GRANTS.items() if role else ():
        op.execute(f'GRANT {rights} ON {table} TO "{role}"')
