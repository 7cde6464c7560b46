"""The hash chain over a meeting's history: whoever holds the entries can check that none was changed or left out.

An entry's hash is the SHA-256, in hex, of its other fields as one JSON object: keys sorted, no spaces, UTF-8
unescaped, `answered_at` in UTC with six digits of microseconds (2026-01-31T09:00:00.000000Z).
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from consent_svc.domain.answers import HistoryEntry, HistoryLine, Submission
from consent_svc.domain.canonical import canonical, text_hash

GENESIS = "0" * 64
"""The hash before a meeting's first entry."""


def participant_digest(salt: bytes, participant_id: str) -> str:
    """Stands for a participant in one meeting: it cannot be followed into another, nor traced without the salt."""
    return hashlib.sha256(salt + participant_id.encode()).hexdigest()


def next_entry(submission: Submission, digest: str, revision: int, previous_hash: str, now: datetime) -> HistoryEntry:
    """The line that an answer adds."""
    entry = HistoryEntry(
        meeting_id=submission.meeting_id,
        revision=revision,
        participant_digest=digest,
        answer=submission.answer,
        answered_at=now,
        notice_version=submission.notice_version,
        language=submission.language,
        previous_hash=previous_hash,
        hash="",
    )
    return replace(entry, hash=hash_of(entry))


def hash_of(entry: HistoryEntry) -> str:
    """What an entry's `hash` must be."""
    return _hash_of(line_of(entry))


def line_of(entry: HistoryEntry) -> HistoryLine:
    """An entry as it is hashed and exported."""
    return HistoryLine(
        meeting_id=entry.meeting_id,
        revision=entry.revision,
        participant_digest=entry.participant_digest,
        answer=entry.answer,
        answered_at=time_text(entry.answered_at),
        notice_version=entry.notice_version,
        language=entry.language,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def fits_its_hash(line: HistoryLine) -> bool:
    """Whether a line's fields give its hash."""
    return _hash_of(line) == line["hash"]


def time_text(at: datetime) -> str:
    """The one way in which a time is hashed and signed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _hash_of(line: HistoryLine) -> str:
    return text_hash(canonical({name: value for name, value in line.items() if name != "hash"}))
