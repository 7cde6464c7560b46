"""Recordings, the places where their audio lies, and what erasures removed."""

from alembic import op
from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, ForeignKey, Integer, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from chassis import outbox
from chassis.database import service_role

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and let the service's role do no more than it has to."""
    op.create_table(
        "recordings",
        Column("recording_id", Text, primary_key=True),
        Column("bucket", Text, nullable=False),
        Column("object_key", Text, nullable=False),
        Column("version_id", Text, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("discovered_at", DateTime(timezone=True), nullable=False),
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("meeting_ids", ARRAY(Text), nullable=False),
        Column("owner_id", Text, nullable=False),
        Column("recorded_at", DateTime(timezone=True)),
        Column("retention_days", Integer),
        Column("stage", Text, nullable=False),
        Column("transcript_id", Text, nullable=False),
        Column("duration_ms", BigInteger),
        Column("transcript_finished_at", DateTime(timezone=True)),
        Column("grounds", JSONB),
        Column("removal_began", Boolean, nullable=False, server_default="false"),
        Column("erase_requested_at", DateTime(timezone=True)),
        Column("erased_at", DateTime(timezone=True)),
        Column("certificate", Text, nullable=False),
        Column("looks", Integer, nullable=False),
        Column("next_look_at", DateTime(timezone=True)),
        Column("revision", BigInteger, nullable=False),
        UniqueConstraint("bucket", "object_key", "version_id"),
    )
    op.create_index("recordings_due", "recordings", ["next_look_at"])
    op.create_index("recordings_of_meeting", "recordings", ["meeting_ids"], postgresql_using="gin")
    op.create_index("recordings_of_owner", "recordings", ["owner_id", "discovered_at"])
    _make_inventory()
    # No audio goes without a recorded reason, whatever the code believes.
    op.create_check_constraint(
        "going_has_grounds",
        "recordings",
        "state NOT IN ('erasing', 'erased', 'blocked') OR grounds IS NOT NULL",
    )
    op.create_check_constraint("erased_has_proof", "recordings", "state <> 'erased' OR certificate <> ''")
    outbox.create_table(service_role())
    if role := service_role():
        op.execute(f'GRANT SELECT, INSERT, UPDATE ON recordings, copies TO "{role}"')
        op.execute(f'GRANT SELECT, INSERT ON removed_objects TO "{role}"')


def _make_inventory() -> None:
    op.create_table(
        "copies",
        Column("copy_id", Text, primary_key=True),
        Column("recording_id", Text, ForeignKey("recordings.recording_id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("bucket", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("registered_at", DateTime(timezone=True), nullable=False),
        Column("gone_at", DateTime(timezone=True)),
        UniqueConstraint("recording_id", "kind", "bucket", "key"),
    )
    op.create_index("copies_at", "copies", ["bucket", "key"])
    # Erasing one recording erases its whole mp3 key: it must not be another's too.
    op.execute("CREATE UNIQUE INDEX copies_one_holder ON copies (bucket, key) WHERE kind = 'mp3'")
    op.create_table(
        "removed_objects",
        Column("recording_id", Text, ForeignKey("recordings.recording_id"), primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("bucket", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("version_id", Text, primary_key=True),
        Column("size_bytes", BigInteger, nullable=False),
        Column("modified_at", DateTime(timezone=True), nullable=False),
        Column("found_at", DateTime(timezone=True), nullable=False),
    )
