"""The tables of the transcript database, as migrations/ makes them."""

from sqlalchemy import REAL, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

METADATA = MetaData()

TRANSCRIPTS = Table(
    "transcripts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("recording_id", Text),
    Column("meeting_ids", ARRAY(Text)),
    Column("owner_id", Text),
    Column("status", Text),
    Column("attempt", Integer),
    Column("tries", Integer),
    Column("instance", Text),
    Column("held_until", DateTime(timezone=True)),
    Column("last_sequence", BigInteger),
    Column("duration_ms", BigInteger),
    Column("language", Text),
    Column("title", Text),
    Column("reviewed", Boolean),
    Column("locked", Boolean),
    Column("audio_deleted", Boolean),
    Column("audio", JSONB(none_as_null=True)),
    Column("failure", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

SEGMENTS = Table(
    "segments",
    METADATA,
    Column("transcript_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start_ms", BigInteger),
    Column("end_ms", BigInteger),
    Column("text", Text),
    Column("words", JSONB),
    Column("edited_text", Text),
    Column("speaker", Text),
    Column("search", TSVECTOR),
)

EDITS = Table(
    "edits",
    METADATA,
    Column("transcript_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("number", Integer),
    Column("editor_id", Text),
    Column("before", Text),
    Column("after", Text),
    Column("edited_at", DateTime(timezone=True)),
)

WAVEFORMS = Table(
    "waveforms",
    METADATA,
    Column("transcript_id", Text, primary_key=True),
    Column("peaks", ARRAY(REAL)),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("transcript_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text),
    Column("payload", LargeBinary),
)
