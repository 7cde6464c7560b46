"""Transcripts with their segments, waveforms and numbered events."""

from alembic import op
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis import outbox
from chassis.database import service_role

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and let the service's role read and write their rows."""
    _transcripts()
    _parts()
    outbox.create_table(service_role())
    if role := service_role():
        for table in ("transcripts", "segments", "waveforms", "events"):
            op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO "{role}"')


def _transcripts() -> None:
    op.create_table(
        "transcripts",
        Column("id", Text, primary_key=True),
        # One recording, one transcript, whatever is repeated.
        Column("recording_id", Text, nullable=False, unique=True),
        Column("meeting_ids", ARRAY(Text), nullable=False),
        Column("owner_id", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("tries", Integer, nullable=False, server_default=text("0")),
        Column("instance", Text, nullable=False, server_default=""),
        # Until then the instance is believed to be at work.
        Column("held_until", DateTime(timezone=True)),
        Column("last_sequence", BigInteger, nullable=False, server_default=text("0")),
        Column("duration_ms", BigInteger, nullable=False, server_default=text("0")),
        Column("language", Text, nullable=False, server_default=""),
        Column("title", Text, nullable=False, server_default=""),
        Column("reviewed", Boolean, nullable=False, server_default=text("false")),
        Column("locked", Boolean, nullable=False, server_default=text("false")),
        Column("audio_deleted", Boolean, nullable=False, server_default=text("false")),
        Column("audio", JSONB(none_as_null=True)),
        Column("failure", Text, nullable=False, server_default=""),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("finished_at", DateTime(timezone=True)),
    )
    op.create_index("transcripts_by_owner", "transcripts", ["owner_id", "created_at", "id"])
    op.create_index("transcripts_by_meeting", "transcripts", ["meeting_ids"], postgresql_using="gin")


def _parts() -> None:
    op.create_table(
        "segments",
        _transcript_id(),
        Column("number", Integer, primary_key=True),
        Column("start_ms", BigInteger, nullable=False),
        Column("end_ms", BigInteger, nullable=False),
        Column("text", Text, nullable=False),
        Column("words", JSONB, nullable=False),
    )
    op.create_table("waveforms", _transcript_id(), Column("peaks", ARRAY(REAL), nullable=False))
    op.create_table(
        "events",
        _transcript_id(),
        Column("sequence", BigInteger, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
    )


def _transcript_id() -> Column[str]:
    return Column("transcript_id", Text, ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True)
