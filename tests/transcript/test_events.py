"""Events of recording_svc wake this service; what it does it decides by asking."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from assent.recording.v1 import recording_events_pb2 as heard
from assent.recording.v1 import recording_pb2 as pb

from chassis.bus import Bus, Delivery
from deploy.local import Nats
from tests.eventually import eventually
from tests.transcript.surroundings import RecordingSvc, Store
from transcript_svc.domain import Audio, Occupied, Outcome, Recording, Status, Transcript
from transcript_svc.events import Events
from transcript_svc.jobs import Jobs
from transcript_svc.settlement import Settlement

RECORDING = Recording("r1", "recordings", "room.mp4", "v1", (), "")


@dataclass
class Workers:
    """Stands in for the work: remembers what it was asked for, and is busy as often as it is told to be."""

    asked: list[str] = field(default_factory=list)
    busy: int = 0

    async def announced(self, recording_id: str) -> None:
        self.asked.append(recording_id)
        if self.busy:
            self.busy -= 1
            raise Occupied


@dataclass
class Surroundings:
    events: Events
    workers: Workers
    store: Store
    recording_svc: RecordingSvc

    async def transcribed(self) -> None:
        job = await self.store.transcripts.begin(RECORDING, "one", timedelta(minutes=1))
        assert job is not None
        audio = Audio("audio", "r1.mp3", "v1", 3, "etag")
        await self.store.transcripts.complete(job, Outcome(Status.COMPLETED, 1, "en", (), (0.5,), audio))

    async def transcript(self) -> Transcript:
        found = await self.store.transcripts.of_recording("r1")
        assert found is not None
        return found


@pytest.fixture
async def around(memory_store: Store, recording_svc: RecordingSvc) -> Surroundings:
    workers = Workers()
    settlement = Settlement(recording_svc.stub, memory_store.transcripts)
    events = Events(settlement, cast(Jobs, workers))
    recording_svc.fake.add("r1", "recordings", "room.mp4", "v1")
    return Surroundings(events, workers, memory_store, recording_svc)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    # A server of its own: what other tests left in the streams would be handed to our consumers as well.
    with Nats(tmp_path / "nats", fsync=False) as server:
        async with Bus(server.url) as bus:
            await bus.connected()
            yield bus


async def test_erased_audio_is_marked_so(around: Surroundings) -> None:
    await around.transcribed()
    around.recording_svc.fake.recordings["r1"].state = pb.RECORDING_STATE_ERASED
    await around.events.audio_deleted(Delivery(heard.AudioDeleted(recording_id="r1"), 1))
    assert (await around.transcript()).audio_deleted


async def test_a_forged_erasure_changes_nothing(around: Surroundings) -> None:
    await around.transcribed()
    around.recording_svc.fake.recordings["r1"].state = pb.RECORDING_STATE_KEPT
    await around.events.audio_deleted(Delivery(heard.AudioDeleted(recording_id="r1"), 1))
    assert not (await around.transcript()).audio_deleted


async def test_a_match_is_asked_for_and_not_read_from_the_event(around: Surroundings) -> None:
    await around.transcribed()
    forged = heard.RecordingMatched(recording_id="r1", meeting_ids=["somebody else's"], owner_id="eve")
    await around.events.recording_matched(Delivery(forged, 1))
    transcript = await around.transcript()
    assert (transcript.meeting_ids, transcript.owner_id) == (("m1",), "ana")


async def test_events_of_unknown_recordings_are_let_go(around: Surroundings) -> None:
    await around.events.recording_matched(Delivery(heard.RecordingMatched(recording_id="x"), 1))
    await around.events.audio_deleted(Delivery(heard.AudioDeleted(recording_id="x"), 1))
    assert await around.store.transcripts.of_recording("x") is None


async def test_what_is_published_arrives_and_work_in_other_hands_is_asked_for_again(
    around: Surroundings, bus: Bus
) -> None:
    await around.transcribed()
    around.workers.busy = 2
    around.events.consume_from(bus)
    around.recording_svc.fake.recordings["r1"].state = pb.RECORDING_STATE_ERASED
    await asyncio.gather(
        bus.publish(heard.RecordingDiscovered(recording_id="r1")),
        bus.publish(heard.RecordingMatched(recording_id="r1")),
        bus.publish(heard.AudioDeleted(recording_id="r1")),
    )

    async def all_done() -> bool:
        transcript = await around.transcript()
        return transcript.audio_deleted and transcript.owner_id == "ana" and around.workers.asked.count("r1") == 3

    assert await eventually(all_done)
