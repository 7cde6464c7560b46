"""Keeps transcripts in Postgres. Whatever others must hear of is put into the outbox in the same transaction."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from transcript_svc import wire
from transcript_svc.domain import (
    Edit,
    Hit,
    Job,
    Locked,
    Outcome,
    Overtaken,
    Place,
    Recording,
    Segment,
    Status,
    Transcript,
    begun,
    edited,
)
from transcript_svc.store import edits, event_log, searching
from transcript_svc.store.contract import Cursor
from transcript_svc.store.rows import to_segment, to_transcript
from transcript_svc.store.tables import EVENTS, SEGMENTS, TRANSCRIPTS, WAVEFORMS
from transcript_svc.wire import Event

ERASED_TOO_EARLY = "its audio was erased before it was transcribed"


class PostgresTranscripts:
    """The store behind Transcripts. Times are the database's, so workers' clocks need not agree."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, recording: Recording, instance: str, hold: timedelta) -> Job | None:
        async with self._database.begin() as connection:
            await _insert(connection, recording)
            now = func.clock_timestamp()
            occupied = and_(TRANSCRIPTS.c.held_until > now, TRANSCRIPTS.c.instance != instance).label("occupied")
            query = select(TRANSCRIPTS, occupied).where(TRANSCRIPTS.c.recording_id == recording.id).with_for_update()
            row = (await connection.execute(query)).one()
            transcript = begun(to_transcript(row), occupied=bool(row.occupied))
            if transcript is None:
                return None
            job = Job(transcript.id, recording.id, transcript.attempt, transcript.tries)
            await connection.execute(
                TRANSCRIPTS.update()
                .where(TRANSCRIPTS.c.id == job.transcript_id)
                .values(status=transcript.status, attempt=job.attempt, tries=job.tries)
                .values(instance=instance, held_until=now + hold)
            )
            # Whoever joins now hears this attempt alone.
            await event_log.forget(connection, job.transcript_id, wire.OF_ONE_ATTEMPT)
            await event_log.append(connection, job.transcript_id, [wire.status_changed(Status.PROCESSING)])
            await outbox.put(connection, wire.started(job))
            return job

    async def hold(self, job: Job, hold: timedelta) -> None:
        async with self._writing(job, held_until=func.clock_timestamp() + hold):
            pass

    async def hand_back(self, job: Job, *, counts: bool) -> None:
        async with self._writing(job, held_until=None, tries=TRANSCRIPTS.c.tries - (0 if counts else 1)):
            pass

    async def append(self, job: Job, *events: Event) -> None:
        async with self._writing(job) as connection:
            await event_log.append(connection, job.transcript_id, events)

    async def complete(self, job: Job, outcome: Outcome) -> None:
        result = {
            "duration_ms": outcome.duration_ms,
            "language": outcome.language,
            "audio": asdict(outcome.audio) if outcome.audio else None,
        }
        async with self._writing(job, **_ended(outcome.status), **result) as connection:
            await _insert_segments(connection, job.transcript_id, outcome.segments)
            if outcome.peaks:
                waveform = {"transcript_id": job.transcript_id, "peaks": list(outcome.peaks)}
                await connection.execute(WAVEFORMS.insert(), waveform)
                await event_log.append(connection, job.transcript_id, [wire.drawn()])
            await event_log.append(
                connection, job.transcript_id, [wire.progressed(100, 0), wire.status_changed(outcome.status)]
            )
            await outbox.put(connection, wire.completed(job, outcome))

    async def fail(self, job: Job, reason: str) -> None:
        async with self._writing(job) as connection:
            await _fail(connection, job, reason)

    async def match(self, recording: Recording) -> None:
        meeting_ids = list(recording.meeting_ids)
        # It is asked time and again: what is so already costs no write.
        changed = or_(TRANSCRIPTS.c.meeting_ids != meeting_ids, TRANSCRIPTS.c.owner_id != recording.owner_id)
        async with self._database.begin() as connection:
            await connection.execute(
                TRANSCRIPTS.update()
                .where(TRANSCRIPTS.c.recording_id == recording.id, changed)
                .values(meeting_ids=meeting_ids, owner_id=recording.owner_id)
            )

    async def drop_audio(self, recording_id: str) -> None:
        async with self._database.begin() as connection:
            query = select(TRANSCRIPTS).where(TRANSCRIPTS.c.recording_id == recording_id).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None or row.audio_deleted:
                return
            mine = TRANSCRIPTS.update().where(TRANSCRIPTS.c.id == row.id)
            await connection.execute(mine.values(audio_deleted=True, audio=None))
            await connection.execute(WAVEFORMS.delete().where(WAVEFORMS.c.transcript_id == row.id))
            await event_log.forget(connection, row.id, ("waveform",))
            await event_log.append(connection, row.id, [wire.audio_deleted()])
            if not Status(row.status).is_final:
                await _fail(connection, Job(row.id, recording_id, row.attempt, row.tries), ERASED_TOO_EARLY)

    async def get(self, transcript_id: str) -> Transcript | None:
        return await self._whole(TRANSCRIPTS.c.id == transcript_id)

    async def of_recording(self, recording_id: str) -> Transcript | None:
        return await self._whole(TRANSCRIPTS.c.recording_id == recording_id)

    async def page(self, meeting_id: str, owner_id: str, size: int, after: Cursor | None) -> list[Transcript]:
        newest_first = (TRANSCRIPTS.c.created_at.desc(), TRANSCRIPTS.c.id.desc())
        query = select(TRANSCRIPTS).order_by(*newest_first).limit(size)
        if meeting_id:
            query = query.where(TRANSCRIPTS.c.meeting_ids.contains([meeting_id]))
        if owner_id:
            query = query.where(TRANSCRIPTS.c.owner_id == owner_id)
        if after:
            query = query.where(tuple_(TRANSCRIPTS.c.created_at, TRANSCRIPTS.c.id) < after)
        async with self._database.begin() as connection:
            return [to_transcript(row) for row in await connection.execute(query)]

    async def unsettled(self, *, matched: bool, size: int, after: str) -> list[Transcript]:
        kept = and_(TRANSCRIPTS.c.owner_id != "", TRANSCRIPTS.c.audio_deleted.is_(False))
        query = (
            select(TRANSCRIPTS)
            .where(TRANSCRIPTS.c.id > after, kept if matched else TRANSCRIPTS.c.owner_id == "")
            .order_by(TRANSCRIPTS.c.id)
            .limit(size)
        )
        async with self._database.begin() as connection:
            return [to_transcript(row) for row in await connection.execute(query)]

    async def edit(self, transcript_id: str, edit: Edit) -> Transcript | None:
        async with self._database.begin() as connection:
            query = select(TRANSCRIPTS).where(TRANSCRIPTS.c.id == transcript_id).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            changed = edited(to_transcript(row), edit)
            await connection.execute(
                TRANSCRIPTS.update()
                .where(TRANSCRIPTS.c.id == transcript_id)
                .values(title=changed.title, reviewed=changed.reviewed, locked=changed.locked)
            )
        return await self.get(transcript_id)

    async def edit_segment(self, transcript_id: str, index: int, text: str, editor_id: str) -> Segment | None:
        async with self._database.begin() as connection:
            return await edits.edit_segment(connection, transcript_id, index, text, editor_id)

    async def search(self, query: str, meeting_id: str, owner_id: str, size: int, after: Place | None) -> list[Hit]:
        async with self._database.begin() as connection:
            return await searching.search(connection, query, meeting_id, owner_id, size, after)

    async def delete(self, transcript_id: str) -> None:
        async with self._database.begin() as connection:
            mine = TRANSCRIPTS.c.id == transcript_id
            await connection.execute(TRANSCRIPTS.delete().where(mine, TRANSCRIPTS.c.locked.is_(False)))
            if await connection.scalar(select(TRANSCRIPTS.c.id).where(mine)):
                raise Locked

    async def peaks(self, transcript_id: str) -> tuple[float, ...]:
        async with self._database.begin() as connection:
            query = select(WAVEFORMS.c.peaks).where(WAVEFORMS.c.transcript_id == transcript_id)
            return tuple(await connection.scalar(query) or ())

    async def events(self, transcript_id: str, after: int) -> list[Event]:
        query = (
            select(EVENTS.c.payload)
            .where(EVENTS.c.transcript_id == transcript_id, EVENTS.c.sequence > after)
            .order_by(EVENTS.c.sequence)
        )
        async with self._database.begin() as connection:
            return [Event.FromString(payload) for payload in await connection.scalars(query)]

    async def _whole(self, condition: Any) -> Transcript | None:
        async with self._database.begin() as connection:
            row = (await connection.execute(select(TRANSCRIPTS).where(condition))).one_or_none()
            if row is None:
                return None
            query = select(SEGMENTS).where(SEGMENTS.c.transcript_id == row.id).order_by(SEGMENTS.c.number)
            return to_transcript(row, [to_segment(segment) for segment in await connection.execute(query)])

    @asynccontextmanager
    async def _writing(self, job: Job, **values: Any) -> AsyncIterator[AsyncConnection]:
        # The condition is the fence: a worker that slept through its successor's beginning finds no row.
        mine = TRANSCRIPTS.update().where(
            TRANSCRIPTS.c.id == job.transcript_id,
            TRANSCRIPTS.c.attempt == job.attempt,
            TRANSCRIPTS.c.status == Status.PROCESSING,
        )
        async with self._database.begin() as connection:
            changed = await connection.execute(mine.values(attempt=job.attempt, **values))
            if not changed.rowcount:
                raise Overtaken
            yield connection


async def _insert(connection: AsyncConnection, recording: Recording) -> None:
    await connection.execute(
        insert(TRANSCRIPTS)
        .values(id=str(uuid.uuid4()), recording_id=recording.id, status=Status.QUEUED)
        .values(meeting_ids=list(recording.meeting_ids), owner_id=recording.owner_id)
        .on_conflict_do_nothing(index_elements=["recording_id"])
    )


async def _insert_segments(connection: AsyncConnection, transcript_id: str, segments: Sequence[Segment]) -> None:
    rows = [
        {
            "transcript_id": transcript_id,
            "number": number,
            "start_ms": segment.start_ms,
            "end_ms": segment.end_ms,
            "text": segment.text,
            "words": [[word.text, word.start_ms, word.end_ms] for word in segment.words],
            "speaker": segment.speaker,
        }
        for number, segment in enumerate(segments)
    ]
    if rows:
        await connection.execute(SEGMENTS.insert(), rows)


async def _fail(connection: AsyncConnection, job: Job, reason: str) -> None:
    await connection.execute(
        TRANSCRIPTS.update()
        .where(TRANSCRIPTS.c.id == job.transcript_id)
        .values(**_ended(Status.FAILED), failure=reason)
    )
    await event_log.append(connection, job.transcript_id, [wire.status_changed(Status.FAILED)])
    await outbox.put(connection, wire.failed(job, reason))


def _ended(status: Status) -> dict[str, Any]:
    return {"status": status, "held_until": None, "finished_at": func.clock_timestamp()}
