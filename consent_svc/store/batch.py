"""Chains answers that are committed together onto their meetings' histories, each after the one before it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chassis.errors import ServiceError
from consent_svc.domain.answers import HistoryEntry, RecordedAnswer, Submission
from consent_svc.domain.verdict import Answer
from consent_svc.errors import answer_changed, request_id_reused
from consent_svc.history import next_entry, participant_digest
from consent_svc.store.heads import Head

REQUEST = ("meeting_id", "participant_digest", "request_id")
"""What a repeated request is known by."""

COLUMNS = (
    "meeting_id", "revision", "consent_id", "participant_id", "participant_digest", "request_id", "answer",
    "answered_at", "notice_version", "language", "fingerprint_hash", "previous_hash", "hash", "first_granted_at",
    "is_first", "is_current", "is_head",
)  # fmt: skip
"""Of the arrays, in this order."""


class Row(Protocol):
    """Of the history or of the current answers, however it was fetched."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Line:
    """One answer as it is going to be committed."""

    # Of its submission in the batch.
    place: int
    submission: Submission
    entry: HistoryEntry
    recorded: RecordedAnswer
    # When this person granted first in this batch; None where they have not yet.
    first_granted_at: datetime | None


@dataclass(frozen=True)
class Standing:
    """What was committed before, as far as it decides about answers that are to be committed now."""

    # The rows of requests that come again: they add nothing and end as they did then.
    requests: Mapping[tuple[str, ...], Row] = field(default_factory=dict)
    # The revision of the current answer, by meeting and participant.
    current: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Batch:
    """What a list of submissions adds to the histories, and how each of them ends."""

    def __init__(
        self,
        heads: Mapping[str, Head],
        sent: Sequence[tuple[Submission, datetime]],
        standing: Standing,
    ) -> None:
        self.lines: list[Line] = []
        self.outcomes: list[RecordedAnswer | ServiceError] = []
        # Where the histories end once the lines are committed.
        self.heads = dict(heads)
        self._known = standing.requests
        self._current = dict(standing.current)
        self._made: dict[tuple[str, ...], RecordedAnswer] = {}
        self._granted: dict[tuple[str, str], datetime] = {}
        for place, (submission, now) in enumerate(sent):
            self.outcomes.append(self._take(place, submission, now))

    def arrays(self) -> list[list[Any]]:
        """The lines column by column, as one statement takes them."""
        first = {line.entry.meeting_id: line.place for line in reversed(self.lines)}
        current = {(line.entry.meeting_id, line.submission.participant_id): line.place for line in self.lines}
        firsts, currents = set(first.values()), set(current.values())
        lasts = {line.place for line in self.newest()}
        rows = [
            {
                **_row(line),
                "is_first": line.place in firsts,
                "is_current": line.place in currents,
                "is_head": line.place in lasts,
            }
            for line in self.lines
        ]
        return [[row[name] for row in rows] for name in COLUMNS]

    def newest(self) -> Iterable[Line]:
        """The last line of each meeting."""
        return {line.entry.meeting_id: line for line in self.lines}.values()

    def _take(self, place: int, submission: Submission, now: datetime) -> RecordedAnswer | ServiceError:
        head = self.heads[submission.meeting_id]
        digest = participant_digest(head.salt, submission.participant_id)
        request = (submission.meeting_id, digest, submission.request_id)
        before = self._made.get(request)
        if before is None and request in self._known:
            before = recorded_of(self._known[request], submission.participant_id)
        if before is not None:
            return before if before.answer is submission.answer else request_id_reused()
        person = (submission.meeting_id, submission.participant_id)
        if submission.known_revision is not None and self._current.get(person, 0) > submission.known_revision:
            return answer_changed()
        entry = next_entry(submission, digest, head.revision + 1, head.hash, now)
        self.heads[submission.meeting_id] = Head(head.salt, entry.revision, entry.hash)
        recorded = self._made[request] = _recorded(submission, entry)
        self._current[person] = entry.revision
        if submission.answer is Answer.GRANTED:
            self._granted.setdefault(person, now)
        self.lines.append(Line(place, submission, entry, recorded, self._granted.get(person)))
        return recorded


def recorded_of(row: Row, participant_id: str) -> RecordedAnswer:
    """The answer in a row of the history or of the current answers."""
    return RecordedAnswer(
        consent_id=str(row["consent_id"]),
        meeting_id=row["meeting_id"],
        participant_id=participant_id,
        answer=Answer(row["answer"]),
        revision=row["revision"],
        answered_at=row["answered_at"],
        notice_version=row["notice_version"],
        language=row["language"],
    )


def _recorded(submission: Submission, entry: HistoryEntry) -> RecordedAnswer:
    return RecordedAnswer(
        consent_id=str(uuid.uuid4()),
        meeting_id=entry.meeting_id,
        participant_id=submission.participant_id,
        answer=entry.answer,
        revision=entry.revision,
        answered_at=entry.answered_at,
        notice_version=entry.notice_version,
        language=entry.language,
    )


def _row(line: Line) -> dict[str, Any]:
    return {
        **vars(line.entry),
        "consent_id": line.recorded.consent_id,
        "participant_id": line.submission.participant_id,
        "request_id": line.submission.request_id,
        "fingerprint_hash": line.submission.fingerprint_hash,
        "first_granted_at": line.first_granted_at,
    }
