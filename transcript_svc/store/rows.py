"""Reads rows as what they stand for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from transcript_svc.domain import Audio, Segment, Status, Transcript, Word


def to_transcript(row: Row[Any], segments: Sequence[Segment] = ()) -> Transcript:
    """A transcript with these segments."""
    return Transcript(
        id=row.id,
        recording_id=row.recording_id,
        meeting_ids=tuple(row.meeting_ids),
        owner_id=row.owner_id,
        status=Status(row.status),
        created_at=row.created_at,
        attempt=row.attempt,
        tries=row.tries,
        duration_ms=row.duration_ms,
        language=row.language,
        title=row.title,
        reviewed=row.reviewed,
        locked=row.locked,
        audio_deleted=row.audio_deleted,
        audio=Audio(**row.audio) if row.audio else None,
        failure=row.failure,
        finished_at=row.finished_at,
        last_sequence=row.last_sequence,
        segments=tuple(segments),
    )


def to_segment(row: Row[Any]) -> Segment:
    """A segment as it shall be read."""
    words = tuple(Word(*word) for word in row.words)
    heard = Segment(row.start_ms, row.end_ms, row.text, words, speaker=row.speaker)
    return heard if row.edited_text is None else heard.reworded(row.edited_text)
