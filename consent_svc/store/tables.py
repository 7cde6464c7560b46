"""The tables as the queries see them; `migrations/` makes them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from consent_svc.domain.rooms import ConsentPolicy, RecordingTrigger, RecordingType, RoomMode, RoomSettings

METADATA = MetaData()
_Time = DateTime(timezone=True)


def _settings() -> list[Column[Any]]:
    return [
        Column("recording_type", Text, nullable=False),
        Column("recording_trigger", Text, nullable=False),
        Column("is_locked", Boolean, nullable=False),
        Column("mode", Text, nullable=False),
        Column("consent_policy", Text, nullable=False),
        Column("consent_deadline", Interval, nullable=False),
        Column("retention_days", Integer),
    ]


ROOMS = Table(
    "rooms",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
    *_settings(),
    Index("rooms_by_owner", "owner_id", "name"),
)

# Outlives its room, and so knows it by name only.
MEETINGS = Table(
    "meetings",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("room", Text, nullable=False),
    Column("whereby_room_name", Text, nullable=False),
    Column("room_url", Text, nullable=False),
    Column("host_room_url", Text, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("started_at", _Time, nullable=False),
    Column("closes_at", _Time, nullable=False),
    Column("closed_at", _Time),
    *_settings(),
    # Makes digests of participants meaningless outside this meeting.
    Column("salt", LargeBinary, nullable=False),
    # The end of the meeting's history. Whoever appends locks this row first: that assigns the revision.
    Column("revision", BigInteger, nullable=False),
    Column("head_hash", Text, nullable=False),
    Index("meetings_by_room", "room", "owner_id", "started_at", "meeting_id"),
    Index("meetings_by_whereby_room", "whereby_room_name"),
)

# Everyone who opened, joined or answered. Joining may be told before the meeting's own row is there.
PARTICIPANTS = Table(
    "participants",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("participant_id", Text, primary_key=True),
    # When we issued the id in this meeting; empty for who only joined or answered.
    Column("opened_at", _Time),
)

# The answer that counts, one for each participant; what led to it is in the history.
ANSWERS = Table(
    "answers",
    METADATA,
    Column("meeting_id", Text, ForeignKey("meetings.meeting_id"), primary_key=True),
    Column("participant_id", Text, primary_key=True),
    Column("consent_id", Uuid, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_at", _Time, nullable=False),
    Column("first_granted_at", _Time),
    Column("notice_version", Text, nullable=False),
    Column("language", Text, nullable=False),
)

# Append-only: triggers refuse everything but INSERT and SELECT, to the tables' owner too.
HISTORY = Table(
    "history",
    METADATA,
    Column("meeting_id", Text, ForeignKey("meetings.meeting_id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("consent_id", Uuid, nullable=False),
    Column("participant_digest", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_at", _Time, nullable=False),
    Column("notice_version", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("fingerprint_hash", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    # Of the terms under which it was given; outside the chain, as they came later.
    Column("terms_hash", Text),
    UniqueConstraint("meeting_id", "participant_digest", "request_id", name="history_requests"),
)

# Every wording that people were ever shown. Append-only.
NOTICES = Table(
    "notices",
    METADATA,
    Column("version", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("wording", Text, nullable=False),
    # Not unique: a new version may change the words of one language alone.
    Column("hash", Text, nullable=False),
    Column("registered_at", _Time, nullable=False),
    Index("notices_by_hash", "hash"),
)

# What a receipt says beside the answer (controller, purposes, retention …), as it was at the time. Append-only.
TERMS = Table(
    "terms",
    METADATA,
    Column("hash", Text, primary_key=True),
    Column("document", Text, nullable=False),
    Column("registered_at", _Time, nullable=False),
)

# When Whereby's insights were asked about a meeting last.
INSIGHTS = Table(
    "insights",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("asked_at", _Time, nullable=False),
)

CLIENTS = Table(
    "clients",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("participant_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("is_dial_in", Boolean, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("joined_at", _Time),
    Column("left_at", _Time),
    Column("is_present", Boolean, nullable=False),
    Column("changed_at", _Time, nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("started_at", _Time),
    Column("ended_at", _Time),
)

# One row for each meeting that a webhook told of, whether we know it or not. Whoever merges an event locks it.
ATTENDANCE = Table(
    "attendance",
    METADATA,
    Column("meeting_id", Text, primary_key=True),
    Column("whereby_room_name", Text, nullable=False),
    Column("num_clients", Integer, nullable=False),
    Column("counted_at", _Time),
    Column("counted_by_leaving", Boolean, nullable=False),
    Column("last_started_at", _Time),
    Column("last_ended_at", _Time),
    Index("attendance_by_whereby_room", "whereby_room_name"),
)

FINISHED_FILES = Table(
    "finished_files",
    METADATA,
    Column("filename", Text, primary_key=True),
    Column("meeting_id", Text, primary_key=True),
)


def settings_of(row: Row[Any]) -> RoomSettings:
    """The settings in a row of ROOMS or MEETINGS."""
    return RoomSettings(
        recording_type=RecordingType(row.recording_type),
        recording_trigger=RecordingTrigger(row.recording_trigger),
        is_locked=row.is_locked,
        mode=RoomMode(row.mode),
        consent_policy=ConsentPolicy(row.consent_policy),
        consent_deadline=row.consent_deadline,
        retention_days=row.retention_days,
    )
