"""Transcripts in memory, for tests that need no database. It faces the same cases as the one in Postgres."""

import copy
import re
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.message import Message

from transcript_svc import wire
from transcript_svc.domain import (
    Edit,
    Hit,
    Job,
    Locked,
    Match,
    NoSegment,
    Outcome,
    Overtaken,
    Place,
    Recording,
    Segment,
    Status,
    Transcript,
    begun,
    edited,
    ensure_editable,
    may_write,
)
from transcript_svc.store import Cursor
from transcript_svc.store.postgres import ERASED_TOO_EARLY
from transcript_svc.wire import Event


class MemoryTranscripts:
    """A dictionary by recording; `news` is what the outbox would publish."""

    def __init__(self) -> None:
        self.news: list[Message] = []
        self._rows: dict[str, Transcript] = {}
        self._held: dict[str, tuple[str, float]] = {}
        self._events: dict[str, list[Event]] = {}
        self._sequences: dict[str, int] = {}
        self._peaks: dict[str, tuple[float, ...]] = {}

    async def begin(self, recording: Recording, instance: str, hold: timedelta) -> Job | None:
        row = self._rows.get(recording.id) or Transcript(
            str(uuid.uuid4()),
            recording.id,
            recording.meeting_ids,
            recording.owner_id,
            Status.QUEUED,
            datetime.now(UTC),
        )
        holder, until = self._held.get(row.id, ("", 0.0))
        transcript = begun(row, occupied=until > time.monotonic() and holder != instance)
        if transcript is None:
            return None
        self._rows[recording.id] = transcript
        self._held[row.id] = (instance, time.monotonic() + hold.total_seconds())
        self._forget(row.id, *wire.OF_ONE_ATTEMPT)
        self._append(row.id, wire.status_changed(Status.PROCESSING))
        job = Job(row.id, recording.id, transcript.attempt, transcript.tries)
        self.news.append(wire.started(job))
        return job

    def announce(self, recording: Recording) -> str:
        """It waits for a worker from now on; its transcript's id."""
        meetings, owner = recording.meeting_ids, recording.owner_id
        row = Transcript(str(uuid.uuid4()), recording.id, meetings, owner, Status.QUEUED, datetime.now(UTC))
        self._rows[recording.id] = row
        return row.id

    def holder(self, recording_id: str) -> str:
        """Which instance shows signs of life in the work on it; empty where none does."""
        instance, until = self._held.get(self._rows[recording_id].id, ("", 0.0))
        return instance if until > time.monotonic() else ""

    async def hold(self, job: Job, hold: timedelta) -> None:
        self._mine(job)
        self._held[job.transcript_id] = (self._held[job.transcript_id][0], time.monotonic() + hold.total_seconds())

    async def hand_back(self, job: Job, *, counts: bool) -> None:
        row = self._mine(job)
        self._rows[job.recording_id] = replace(row, tries=row.tries - (0 if counts else 1))
        self._held.pop(job.transcript_id, None)

    async def append(self, job: Job, *events: Event) -> None:
        self._mine(job)
        self._append(job.transcript_id, *events)

    async def complete(self, job: Job, outcome: Outcome) -> None:
        row = self._mine(job)
        self._rows[job.recording_id] = replace(
            row,
            status=outcome.status,
            duration_ms=outcome.duration_ms,
            language=outcome.language,
            audio=outcome.audio,
            segments=outcome.segments,
            finished_at=datetime.now(UTC),
        )
        if outcome.peaks:
            self._peaks[job.transcript_id] = outcome.peaks
            self._append(job.transcript_id, wire.drawn())
        self._append(job.transcript_id, wire.progressed(100, 0), wire.status_changed(outcome.status))
        self.news.append(wire.completed(job, outcome))

    async def fail(self, job: Job, reason: str) -> None:
        self._fail(self._mine(job), reason)

    async def match(self, recording: Recording) -> None:
        row = self._rows.get(recording.id)
        if row:
            matched = replace(row, meeting_ids=recording.meeting_ids, owner_id=recording.owner_id)
            self._rows[recording.id] = matched

    async def drop_audio(self, recording_id: str) -> None:
        row = self._rows.get(recording_id)
        if row is None or row.audio_deleted:
            return
        self._rows[recording_id] = replace(row, audio_deleted=True, audio=None)
        self._peaks.pop(row.id, None)
        self._forget(row.id, "waveform")
        self._append(row.id, wire.audio_deleted())
        if not row.status.is_final:
            self._fail(self._rows[recording_id], ERASED_TOO_EARLY)

    async def get(self, transcript_id: str) -> Transcript | None:
        return next((self._whole(row) for row in self._rows.values() if row.id == transcript_id), None)

    async def of_recording(self, recording_id: str) -> Transcript | None:
        row = self._rows.get(recording_id)
        return self._whole(row) if row else None

    async def page(
        self, meeting_id: str, owner_id: str, size: int, after: Cursor | None, *, with_segments: bool = False
    ) -> list[Transcript]:
        found = [
            row if with_segments else replace(row, segments=())
            for row in self._rows.values()
            if (not meeting_id or meeting_id in row.meeting_ids)
            and (not owner_id or owner_id == row.owner_id)
            and (after is None or (row.created_at, row.id) < after)
        ]
        return sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)[:size]

    async def unsettled(self, *, matched: bool, size: int, after: str) -> list[Transcript]:
        found = [
            replace(row, segments=())
            for row in self._rows.values()
            if row.id > after and bool(row.owner_id) == matched and not (matched and row.audio_deleted)
        ]
        return sorted(found, key=lambda row: row.id)[:size]

    async def edit(self, transcript_id: str, edit: Edit) -> Transcript | None:
        row = await self.get(transcript_id)
        if row is None:
            return None
        self._rows[row.recording_id] = edited(row, edit)
        return self._rows[row.recording_id]

    async def edit_segment(self, transcript_id: str, index: int, text: str, editor_id: str) -> Segment | None:
        row = await self.get(transcript_id)
        if row is None:
            return None
        ensure_editable(row)
        if not 0 <= index < len(row.segments):
            raise NoSegment
        before, after = row.segments[index], row.segments[index].reworded(text)
        if after != before:
            segments = (*row.segments[:index], after, *row.segments[index + 1 :])
            self._rows[row.recording_id] = replace(row, segments=segments)
            self._append(transcript_id, wire.reworded(after, index))
        return after

    async def search(self, query: str, meeting_id: str, owner_id: str, size: int, after: Place | None) -> list[Hit]:
        """Whole words only, as they are written but for their case; the more there are, the better."""
        wanted = set(re.findall(r"\w+", query.casefold()))
        hits = [_hit(row, wanted) for row in await self.page(meeting_id, owner_id, 10**6, None, with_segments=True)]
        found = [hit for hit in hits if hit.matches and (after is None or _order(hit.place) < _order(after))]
        return sorted(found, key=lambda hit: _order(hit.place), reverse=True)[:size]

    async def delete(self, transcript_id: str) -> None:
        row = await self.get(transcript_id)
        if row and row.locked:
            raise Locked
        if row:
            for kept in (self._events, self._peaks, self._held):
                kept.pop(transcript_id, None)
            del self._rows[row.recording_id]

    async def peaks(self, transcript_id: str) -> tuple[float, ...]:
        return self._peaks.get(transcript_id, ())

    async def events(self, transcript_id: str, after: int) -> list[Event]:
        return [copy.copy(event) for event in self._events.get(transcript_id, []) if event.sequence > after]

    def _whole(self, row: Transcript) -> Transcript:
        return replace(row, last_sequence=self._sequences.get(row.id, 0))

    def _mine(self, job: Job) -> Transcript:
        row = self._rows.get(job.recording_id)
        if row is None or not may_write(row, job.attempt):
            raise Overtaken
        return row

    def _fail(self, row: Transcript, reason: str) -> None:
        self._rows[row.recording_id] = replace(row, status=Status.FAILED, failure=reason, finished_at=datetime.now(UTC))
        self._append(row.id, wire.status_changed(Status.FAILED))
        self.news.append(wire.failed(Job(row.id, row.recording_id, row.attempt, row.tries), reason))

    def _append(self, transcript_id: str, *events: Event) -> None:
        for event in events:
            self._sequences[transcript_id] = self._sequences.get(transcript_id, 0) + 1
            event.transcript_id, event.sequence = transcript_id, self._sequences[transcript_id]
            if wire.replaces_earlier(event):
                self._forget(transcript_id, wire.kind_of(event))
            self._events.setdefault(transcript_id, []).append(event)
            self.news.append(wire.appended(event))

    def _forget(self, transcript_id: str, *kinds: str) -> None:
        kept = [event for event in self._events.get(transcript_id, []) if wire.kind_of(event) not in kinds]
        self._events[transcript_id] = kept


def _order(place: Place) -> tuple[Decimal, datetime, str]:
    return place.rank, place.created_at, place.transcript_id


def _hit(row: Transcript, wanted: set[str]) -> Hit:
    matches = [
        Match(index, segment, _marks(segment.text, wanted))
        for index, segment in enumerate(row.segments)
        if wanted and wanted <= set(re.findall(r"\w+", segment.text.casefold()))
    ]
    rank = Decimal(sum(len(match.marks) for match in matches))
    return Hit(replace(row, segments=()), Place(rank, row.created_at, row.id), tuple(matches))


def _marks(text: str, wanted: set[str]) -> tuple[tuple[int, int], ...]:
    return tuple(word.span() for word in re.finditer(r"\w+", text) if word[0].casefold() in wanted)
