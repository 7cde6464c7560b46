"""Answers: what participants said about keeping a meeting's audio, and the line each leaves in its history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypedDict

from consent_svc.domain.verdict import Answer


@dataclass(frozen=True)
class Submission:
    """An answer as it came in."""

    meeting_id: str
    participant_id: str
    answer: Answer
    # Made by the client, one for each press of a button.
    request_id: str
    notice_version: str = ""
    # BCP 47.
    language: str = ""
    # Keyed hash of a browser fingerprint: evidence, never a right.
    fingerprint_hash: str = ""
    # Whether only somebody who opened or joined the meeting may answer.
    presence_required: bool = False
    # The revision of their own answer that the participant knew of, 0 for none: over a newer one it is not committed.
    known_revision: int | None = None
    # Whoever sent it waits no longer than this, and may then say something else: later it must not be committed.
    not_after: datetime | None = None


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer as it was committed."""

    consent_id: str
    meeting_id: str
    participant_id: str
    answer: Answer
    revision: int
    answered_at: datetime
    notice_version: str
    language: str


@dataclass(frozen=True)
class HistoryEntry:
    """One line of a meeting's history, chained to the one before it; names nobody."""

    meeting_id: str
    revision: int
    participant_digest: str
    answer: Answer
    answered_at: datetime
    notice_version: str
    language: str
    previous_hash: str
    hash: str


class HistoryLine(TypedDict):
    """An entry as it is hashed and exported: what is stored, whether or not it makes sense."""

    meeting_id: str
    revision: int
    participant_digest: str
    answer: str
    # 2026-01-31T09:00:00.000000Z
    answered_at: str
    notice_version: str
    language: str
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class HistoryEnd:
    """Where a meeting's history ended at one moment."""

    meeting_id: str
    # As the meeting has it: of the answer committed last.
    revision: int
    head_hash: str
    # The highest revision in the history itself, 0 where there is none; the same, unless somebody changed either.
    last_line: int


class Answers(Protocol):
    """Where answers are kept."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        """Commit an answer, or return the one that this request id made before.

        Raises NotFound (MEETING_NOT_FOUND), AlreadyExists (REQUEST_ID_REUSED), FailedPrecondition (ANSWER_CHANGED) and
        DeadlineExceeded (ANSWER_LATE).
        """

    async def of_participant(self, meeting_id: str, participant_id: str) -> RecordedAnswer | None:
        """The answer that counts."""


class History(Protocol):
    """Where every answer ever given is kept."""

    async def page(self, meeting_id: str, after: int, limit: int) -> list[HistoryEntry]:
        """Entries above revision `after`, the oldest first. Raises NotFound (MEETING_NOT_FOUND)."""

    async def end(self, meeting_id: str) -> HistoryEnd:
        """Where it ends now. Raises NotFound (MEETING_NOT_FOUND)."""

    async def lines(self, meeting_id: str, after: int, until: int, limit: int) -> list[HistoryLine]:
        """Lines above revision `after` up to and including `until`, the lowest first."""
