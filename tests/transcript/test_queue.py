"""Rooms are served in turn: one with many recordings keeps no other waiting to the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import pytest

from chassis.database import Database
from chassis.errors import Unavailable
from tests.eventually import eventually
from tests.transcript.begun import DONE, LONG, OVER
from tests.transcript.memory_queue import MemoryQueue
from tests.transcript.memory_transcripts import MemoryTranscripts
from tests.transcript.surroundings import RecordingSvc
from transcript_svc.domain import Recording, Status
from transcript_svc.jobs import JOBS_AT_ONCE, Jobs
from transcript_svc.store import PostgresTranscripts, Transcripts
from transcript_svc.store.queue import PostgresQueue, Queue, room_of
from transcript_svc.transcription import Transcription


class NotedQueue:
    """Passes everything on, and notes whose turn was taken, in that order."""

    def __init__(self, queue: Queue) -> None:
        self.put, self.turns, self._served = queue.put, queue.turns, queue.served
        self.taken: list[str] = []

    async def served(self, recording_id: str) -> None:
        if recording_id not in self.taken:
            self.taken.append(recording_id)
        await self._served(recording_id)


@dataclass
class World:
    """A queue, and somebody who transcribes in no time, or cannot."""

    queue: NotedQueue
    transcripts: Transcripts
    recording_svc: RecordingSvc
    order: list[str] = field(default_factory=list)
    away: int = 0

    async def transcribe(self, recording_id: str) -> None:
        self.order.append(recording_id)
        if self.away:
            self.away -= 1
            raise Unavailable("away", reason="STORAGE_UNAVAILABLE")
        job = await self.transcripts.begin(recording(recording_id), "one", LONG)
        if job:
            await self.transcripts.complete(job, DONE)

    async def wait(self, *recording_ids: str) -> None:
        for recording_id in recording_ids:
            await self.queue.put(recording(recording_id))

    async def turns(self, instance: str = "one", besides: tuple[str, ...] = ()) -> list[str]:
        return await self.queue.turns(instance, besides, 10)

    async def hold(self, recording_id: str, hold: timedelta = LONG, instance: str = "other") -> None:
        await self.queue.served(recording_id)
        await self.transcripts.begin(recording(recording_id), instance, hold)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Jobs]:
        jobs = Jobs(self.queue, self.recording_svc.stub, cast(Transcription, self), "one")
        working = asyncio.create_task(jobs.run())
        yield jobs
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def recording(recording_id: str) -> Recording:
    """Of the room that its id begins with."""
    room, number = recording_id.split("-")
    return Recording(recording_id, "recordings", f"{room}-2026-11-23T09:00:{number}Z.mp4", "v1", ("m1",), "ana")


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest, recording_svc: RecordingSvc) -> World:
    if request.param == "memory":
        memory = MemoryTranscripts()
        return World(NotedQueue(MemoryQueue(memory)), memory, recording_svc)
    database: Database = request.getfixturevalue("database")
    return World(NotedQueue(PostgresQueue(database)), PostgresTranscripts(database), recording_svc)


async def test_one_recording_of_a_room_does_not_wait_for_fifty_of_another(world: World) -> None:
    busy = [f"busy-{number:02}" for number in range(50)]
    await world.wait(*busy, "calm-00")

    async def all_done() -> bool:
        return len(set(world.order)) == 51

    async with world.at_work():
        await eventually(all_done)
    assert world.queue.taken.index("calm-00") <= JOBS_AT_ONCE
    assert [one for one in world.queue.taken if one != "calm-00"] == busy, "within a room, first come, first served"


async def test_rooms_take_turns_even_where_there_is_only_one_to_do_the_work(world: World) -> None:
    await world.wait("a-00", "a-01", "a-02", "b-00", "b-01")
    order = []
    for _ in range(5):
        turn = (await world.turns())[0]
        await world.queue.served(turn)
        await world.transcribe(turn)
        order.append(turn)
    assert order == ["a-00", "b-00", "a-01", "b-01", "a-02"]


async def test_a_room_with_less_in_work_comes_first(world: World) -> None:
    await world.wait("b-00", "a-00", "a-01", "a-02", "b-01")
    for held in ("b-00", "a-00", "a-01"):
        await world.hold(held)
    assert await world.turns() == ["b-01", "a-02"], "the other way round by who was served last"


async def test_what_somebody_holds_is_nobody_elses_turn_until_the_hold_runs_out(world: World) -> None:
    await world.wait("a-00")
    await world.hold("a-00")
    assert await world.turns() == []
    assert await world.turns("other") == ["a-00"], "an earlier life of the same instance held it"
    assert await world.turns("other", ("a-00",)) == []


async def test_what_a_dead_worker_held_comes_again(world: World) -> None:
    await world.wait("a-00")
    await world.hold("a-00", OVER)
    assert await world.turns() == ["a-00"]


async def test_what_waits_can_be_seen_and_what_has_ended_waits_no_more(world: World) -> None:
    await world.wait("a-00", "a-00")
    transcript = await world.transcripts.of_recording("a-00")
    assert transcript
    assert (transcript.status, transcript.meeting_ids, transcript.owner_id) == (Status.QUEUED, ("m1",), "ana")
    await world.transcribe("a-00")
    await world.wait("a-00")
    assert await world.turns() == []


async def test_what_cannot_be_done_now_rests_and_is_tried_again(world: World) -> None:
    world.recording_svc.fake.add("a-00", "recordings", "a-2026-11-23T09:00:00Z.mp4", "v1")
    world.away = 1

    async def tried_again() -> bool:
        return len(world.order) == 2

    async with world.at_work() as jobs:
        await jobs.announced("a-00")
        await jobs.announced("unknown-00")
        await eventually(tried_again)
    assert world.order == ["a-00", "a-00"]


def test_a_room_is_what_stands_before_the_start() -> None:
    assert room_of("folder/my-room-2026-11-23T09:00:00.123Z.mp4") == "folder/my-room"
    assert room_of("my-room-2026-11-23T09:00:00Z.mkv") == room_of("my-room-2026-11-24T10:00:00+01:00.mp4") == "my-room"
    assert room_of("upload.mp4") == "upload.mp4"


def test_the_meetings_of_a_room_are_one_room() -> None:
    first = "weekly-bb48-d302d198-e588-44cc-abe0-30625aaea1a4-2026-11-23T06:18:06Z.mp4"
    second = "weekly-bb48-1c5f2f6e-0a2b-4b3c-9d4e-5f6a7b8c9d0e-2026-11-24T06:18:06Z.mp4"
    assert room_of(first) == room_of(second) == "weekly-bb48"
