"""The store in memory: an honest fake, which passes the same cases as Postgres."""

import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from google.protobuf.message import Message

from consent_svc.domain.answers import HistoryEnd, HistoryEntry, HistoryLine, RecordedAnswer, Submission
from consent_svc.domain.meetings import Admission, Meeting
from consent_svc.domain.presence import (
    Attendance,
    Client,
    Session,
)
from consent_svc.domain.receipts import Notice, Terms
from consent_svc.domain.rooms import Room, RoomSettings
from consent_svc.domain.verdict import Answer
from consent_svc.errors import answer_changed, meeting_not_found, request_id_reused, room_exists, room_not_found
from consent_svc.events import answer_submitted, evidence_recorded, presence_changed
from consent_svc.history import GENESIS, next_entry, participant_digest
from consent_svc.history.chain import line_of


@dataclass
class Memory:
    """What Postgres holds in tables."""

    rooms: dict[str, Room] = field(default_factory=dict)
    meetings: dict[str, Meeting] = field(default_factory=dict)
    salts: dict[str, bytes] = field(default_factory=lambda: defaultdict(lambda: secrets.token_bytes(16)))
    participants: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[RecordedAnswer, datetime | None]] = field(default_factory=dict)
    requests: dict[tuple[str, str, str], RecordedAnswer] = field(default_factory=dict)
    # Of each answer, by meeting and revision; none for those from before there were any.
    terms: dict[tuple[str, int], Terms | None] = field(default_factory=dict)
    notices: dict[tuple[str, str], Notice] = field(default_factory=dict)
    history: dict[str, list[HistoryEntry]] = field(default_factory=lambda: defaultdict(list))
    room_names: dict[str, str] = field(default_factory=dict)
    attendance: dict[str, Attendance] = field(default_factory=lambda: defaultdict(Attendance))
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    sessions: dict[tuple[str, str], Session] = field(default_factory=dict)
    finished: set[tuple[str, str]] = field(default_factory=set)
    asked_at: dict[str, datetime] = field(default_factory=dict)
    published: list[Message] = field(default_factory=list)

    def meeting(self, meeting_id: str) -> Meeting:
        """The meeting as it stands."""
        if meeting_id not in self.meetings:
            raise meeting_not_found(meeting_id)
        return replace(self.meetings[meeting_id], attendance=self.attendance[meeting_id])


class MemoryRooms:
    """See `consent_svc.domain.rooms.Rooms`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, room: Room) -> None:
        if room.name in self._memory.rooms:
            raise room_exists(room.name)
        self._memory.rooms[room.name] = room

    async def get(self, name: str) -> Room:
        if name not in self._memory.rooms:
            raise room_not_found(name)
        return self._memory.rooms[name]

    async def page(self, owner_id: str, after: str, limit: int) -> list[Room]:
        owned = [room for room in self._memory.rooms.values() if room.owner_id == owner_id and room.name > after]
        return sorted(owned, key=lambda room: room.name)[:limit]

    async def change(
        self, name: str, owner_id: str, change: Callable[[RoomSettings], RoomSettings], now: datetime
    ) -> Room:
        room = await self._owned(name, owner_id)
        self._memory.rooms[name] = replace(room, settings=change(room.settings), updated_at=now)
        return self._memory.rooms[name]

    async def remove(self, name: str, owner_id: str, now: datetime) -> None:
        await self._owned(name, owner_id)
        del self._memory.rooms[name]
        for meeting in list(self._memory.meetings.values()):
            if meeting.room == name and meeting.closed_at is None:
                self._memory.meetings[meeting.meeting_id] = replace(meeting, closed_at=now)
                if meeting.closes_at > now:
                    self._memory.published.append(presence_changed(meeting.meeting_id))

    async def _owned(self, name: str, owner_id: str) -> Room:
        room = await self.get(name)
        if room.owner_id != owner_id:
            raise room_not_found(name)
        return room


class MemoryMeetings:
    """See `consent_svc.domain.meetings.Meetings`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def active(self, room_name: str, now: datetime) -> Meeting | None:
        found = [meeting for meeting in self._newest_first(room_name) if meeting.is_active(now)]
        return found[0] if found else None

    async def open(self, meeting: Meeting, now: datetime) -> Meeting:
        room = self._memory.rooms.get(meeting.room)
        if room is None or room.owner_id != meeting.owner_id:
            raise room_not_found(meeting.room)
        # Nothing here waits for anything: no lock is needed.
        if active := await self.active(meeting.room, now):
            return active
        self._memory.meetings[meeting.meeting_id] = meeting
        self._memory.published.append(evidence_recorded(meeting.meeting_id))
        return meeting

    async def admit(self, meeting_id: str, admission: Admission, now: datetime) -> str:
        was_issued = self._memory.participants.get((meeting_id, admission.previous_id)) is not None
        participant_id = admission.user_id or (admission.previous_id if was_issued else admission.new_id)
        if self._memory.participants.get((meeting_id, participant_id)) is None:
            self._memory.participants[meeting_id, participant_id] = now
            self._memory.published.append(presence_changed(meeting_id))
        return participant_id

    async def claim(self, now: datetime, asked_before: datetime, limit: int) -> list[Meeting]:
        asked_at = self._memory.asked_at
        never = datetime.min.replace(tzinfo=now.tzinfo)
        due = [
            meeting
            for meeting in map(self._memory.meeting, self._memory.meetings)
            if meeting.closed_at is None
            and meeting.closes_at > now
            and (meeting.attendance.session_ended_at is None or meeting.attendance.last_started_at is None)
            and asked_at.get(meeting.meeting_id, never) <= asked_before
        ]
        due.sort(key=lambda meeting: (asked_at.get(meeting.meeting_id, never), meeting.meeting_id))
        asked_at |= {meeting.meeting_id: now for meeting in due[:limit]}
        return due[:limit]

    async def last_opened_at(self, meeting_id: str) -> datetime | None:
        opened = [at for (meeting, _), at in self._memory.participants.items() if meeting == meeting_id and at]
        return max(opened, default=None)

    async def get(self, *meeting_ids: str) -> list[Meeting]:
        return [self._memory.meeting(meeting_id) for meeting_id in meeting_ids]

    async def page(
        self, room_name: str, owner_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Meeting]:
        return [
            meeting
            for meeting in self._newest_first(room_name)
            if meeting.owner_id == owner_id and (before is None or (meeting.started_at, meeting.meeting_id) < before)
        ][:limit]

    def _newest_first(self, room_name: str) -> list[Meeting]:
        found = [self._memory.meeting(one.meeting_id) for one in self._memory.meetings.values()]
        found = [meeting for meeting in found if meeting.room == room_name]
        return sorted(found, key=lambda meeting: (meeting.started_at, meeting.meeting_id), reverse=True)


class MemoryAnswers:
    """See `consent_svc.domain.answers.Answers`."""

    def __init__(self, memory: Memory, terms: Terms | None) -> None:
        self._memory = memory
        self._terms = terms

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        self._memory.meeting(submission.meeting_id)
        was_there = (submission.meeting_id, submission.participant_id) in self._memory.participants
        if submission.presence_required and not was_there:
            raise meeting_not_found(submission.meeting_id)
        request = (submission.meeting_id, submission.participant_id, submission.request_id)
        if before := self._memory.requests.get(request):
            if before.answer is not submission.answer:
                raise request_id_reused()
            return before
        person = (submission.meeting_id, submission.participant_id)
        stands, first_granted_at = self._memory.answers.get(person, (None, None))
        if submission.known_revision is not None and stands and stands.revision > submission.known_revision:
            raise answer_changed()
        lines = self._memory.history[submission.meeting_id]
        digest = participant_digest(self._memory.salts[submission.meeting_id], submission.participant_id)
        previous = lines[-1].hash if lines else GENESIS
        entry = next_entry(submission, digest, len(lines) + 1, previous, now)
        lines.append(entry)
        recorded = RecordedAnswer(
            consent_id=str(uuid.uuid4()),
            meeting_id=entry.meeting_id,
            participant_id=submission.participant_id,
            answer=entry.answer,
            revision=entry.revision,
            answered_at=now,
            notice_version=entry.notice_version,
            language=entry.language,
        )
        if first_granted_at is None and entry.answer is Answer.GRANTED:
            first_granted_at = now
        self._memory.answers[person] = (recorded, first_granted_at)
        self._memory.requests[request] = recorded
        self._memory.terms[entry.meeting_id, entry.revision] = self._terms
        self._memory.participants.setdefault(person)
        self._memory.published.append(answer_submitted(recorded))
        return recorded

    async def of_participant(self, meeting_id: str, participant_id: str) -> RecordedAnswer | None:
        recorded, _ = self._memory.answers.get((meeting_id, participant_id), (None, None))
        return recorded


class MemoryHistory:
    """See `consent_svc.domain.answers.History`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def page(self, meeting_id: str, after: int, limit: int) -> list[HistoryEntry]:
        self._memory.meeting(meeting_id)
        return [entry for entry in self._memory.history[meeting_id] if entry.revision > after][:limit]

    async def end(self, meeting_id: str) -> HistoryEnd:
        self._memory.meeting(meeting_id)
        entries = self._memory.history[meeting_id]
        revision, head_hash = (entries[-1].revision, entries[-1].hash) if entries else (0, GENESIS)
        return HistoryEnd(meeting_id, revision, head_hash, revision)

    async def lines(self, meeting_id: str, after: int, until: int, limit: int) -> list[HistoryLine]:
        entries = self._memory.history[meeting_id]
        return [line_of(entry) for entry in entries if after < entry.revision <= until][:limit]
