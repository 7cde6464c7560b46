"""Wordings and terms that receipts rest on, append-only; and when Whereby was asked about a meeting."""

import sqlalchemy as sa
from alembic import op

from chassis.database import make_append_only, service_role

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)

GRANTS = {
    "notices": "SELECT, INSERT",
    "terms": "SELECT, INSERT",
    "insights": "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("language", sa.Text, primary_key=True),
        sa.Column("wording", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("registered_at", TIME, nullable=False),
    )
    op.create_index("notices_by_hash", "notices", ["hash"])
    op.create_table(
        "terms",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("registered_at", TIME, nullable=False),
    )
    op.create_table(
        "insights",
        sa.Column("meeting_id", sa.Text, primary_key=True),
        sa.Column("asked_at", TIME, nullable=False),
    )
    # Answers from before have none: nobody wrote down under which terms they were given.
    op.add_column("history", sa.Column("terms_hash", sa.Text))
    make_append_only("notices", "terms")
    role = service_role()
    for table, rights in GRANTS.items() if role else ():
        op.execute(f'GRANT {rights} ON {table} TO "{role}"')
