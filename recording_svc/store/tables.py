"""The tables of recording_svc, and how their rows become domain objects."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from recording_svc.domain.recordings import (
    Copy,
    CopyKind,
    CopyState,
    Grounds,
    Match,
    Recording,
    Revision,
    Stage,
    State,
    Transcription,
)
from recording_svc.remnants import Remnant, RemnantKind

_METADATA = MetaData()

RECORDINGS = Table(
    "recordings",
    _METADATA,
    Column("recording_id", Text, primary_key=True),
    Column("bucket", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("discovered_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state_since", DateTime(timezone=True)),
    Column("meeting_ids", ARRAY(Text), nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True)),
    Column("retention_days", Integer),
    Column("matched_by_hand", Boolean, nullable=False, server_default="false"),
    Column("stage", Text, nullable=False),
    Column("transcript_id", Text, nullable=False),
    Column("duration_ms", BigInteger),
    Column("transcript_finished_at", DateTime(timezone=True)),
    Column("grounds", JSONB(none_as_null=True)),
    Column("removal_began", Boolean, nullable=False, server_default="false"),
    Column("erase_requested_at", DateTime(timezone=True)),
    Column("erased_at", DateTime(timezone=True)),
    Column("blocked_until", DateTime(timezone=True)),
    Column("certificate", Text, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("next_look_at", DateTime(timezone=True)),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("bucket", "object_key", "version_id"),
)

COPIES = Table(
    "copies",
    _METADATA,
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

REMOVED = Table(
    "removed_objects",
    _METADATA,
    Column("recording_id", Text, ForeignKey("recordings.recording_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version_id", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_at", DateTime(timezone=True), nullable=False),
    Column("found_at", DateTime(timezone=True), nullable=False),
)


def recording_values(recording: Recording) -> dict[str, Any]:
    """A recording's columns."""
    grounds, transcription = recording.grounds, recording.transcription
    return {
        "recording_id": recording.recording_id,
        "bucket": recording.bucket,
        "object_key": recording.object_key,
        "version_id": recording.version_id,
        "size_bytes": recording.size_bytes,
        "discovered_at": recording.discovered_at,
        "state": recording.state.value,
        "reason": recording.reason,
        "state_since": recording.state_since,
        "meeting_ids": list(recording.match.meeting_ids),
        "owner_id": recording.match.owner_id,
        "recorded_at": recording.match.recorded_at,
        "retention_days": recording.match.retention_days,
        "matched_by_hand": recording.match.by_hand,
        "stage": transcription.stage.value,
        "transcript_id": transcription.transcript_id,
        "duration_ms": transcription.duration_ms,
        "transcript_finished_at": transcription.finished_at,
        "grounds": None if grounds is None else _grounds_values(grounds),
        "removal_began": recording.removal_began,
        "erase_requested_at": recording.erase_requested_at,
        "erased_at": recording.erased_at,
        "blocked_until": recording.blocked_until,
        "certificate": recording.certificate,
        "looks": recording.looks,
        "next_look_at": recording.next_look_at,
        "revision": recording.revision,
    }


def to_recording(row: Row[Any]) -> Recording:
    """The recording in a row of RECORDINGS."""
    return Recording(
        recording_id=row.recording_id,
        bucket=row.bucket,
        object_key=row.object_key,
        version_id=row.version_id,
        size_bytes=row.size_bytes,
        discovered_at=row.discovered_at,
        state=State(row.state),
        reason=row.reason,
        state_since=row.state_since,
        match=Match(tuple(row.meeting_ids), row.owner_id, row.recorded_at, row.retention_days, row.matched_by_hand),
        transcription=Transcription(Stage(row.stage), row.transcript_id, row.duration_ms, row.transcript_finished_at),
        grounds=None if row.grounds is None else _to_grounds(row.grounds),
        removal_began=row.removal_began,
        erase_requested_at=row.erase_requested_at,
        erased_at=row.erased_at,
        blocked_until=row.blocked_until,
        certificate=row.certificate,
        looks=row.looks,
        next_look_at=row.next_look_at,
        revision=row.revision,
    )


def to_copy(row: Row[Any]) -> Copy:
    """The audio copy in a row of COPIES."""
    kind, state = CopyKind(row.kind), CopyState(row.state)
    return Copy(row.copy_id, row.recording_id, kind, row.bucket, row.key, state, row.gone_at)


def remnant_values(recording_id: str, one: Remnant, found_at: datetime) -> dict[str, Any]:
    """A row of REMOVED."""
    return {
        "recording_id": recording_id,
        "kind": one.kind.value,
        "bucket": one.bucket,
        "key": one.key,
        "version_id": one.version_id,
        "size_bytes": one.size_bytes,
        "modified_at": one.modified_at,
        "found_at": found_at,
    }


def to_remnant(row: Row[Any]) -> Remnant:
    """What was found, from a row of REMOVED."""
    return Remnant(RemnantKind(row.kind), row.bucket, row.key, row.version_id, row.size_bytes, row.modified_at)


def _grounds_values(grounds: Grounds) -> dict[str, Any]:
    return {
        "reason": grounds.reason,
        "decided_at": grounds.decided_at.isoformat(),
        "refusals": [[one.meeting_id, one.revision] for one in grounds.refusals],
        "rests_on": [[one.meeting_id, one.revision] for one in grounds.rests_on],
        "deadline": grounds.deadline and grounds.deadline.isoformat(),
    }


def _to_grounds(values: dict[str, Any]) -> Grounds:
    deadline = values["deadline"]
    return Grounds(
        reason=values["reason"],
        decided_at=datetime.fromisoformat(values["decided_at"]),
        refusals=_to_revisions(values["refusals"]),
        rests_on=_to_revisions(values["rests_on"]),
        deadline=None if deadline is None else datetime.fromisoformat(deadline),
    )


def _to_revisions(pairs: Sequence[Sequence[Any]]) -> tuple[Revision, ...]:
    return tuple(Revision(meeting_id, revision) for meeting_id, revision in pairs)
