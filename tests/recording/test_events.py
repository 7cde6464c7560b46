"""Events over a real NATS wake the settlement; they decide nothing."""

from collections.abc import AsyncIterator

import pytest
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded
from assent.transcript.v1.transcript_events_pb2 import TranscriptCompleted, TranscriptFailed, TranscriptStarted

from chassis.bus import Bus
from deploy.local import Nats
from recording_svc.domain.recordings import Recording, State
from recording_svc.events import Wakers
from tests.eventually import eventually
from tests.recording.neighbours import COMPLETED, PROCESSING
from tests.recording.world import World


@pytest.fixture
async def bus(world: World, nats: Nats) -> AsyncIterator[Bus]:
    async with Bus(nats.url) as bus:
        await bus.connected()
        Wakers(world.recordings, world.settlement.settle).consume(bus)
        yield bus


async def becomes(world: World, recording: Recording, state: State) -> None:
    async def look() -> bool:
        return (await world.now(recording)).state is state

    await eventually(look)


async def test_d1_a_late_denial_erases_by_itself(world: World, bus: Bus) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    world.neighbours.refuse()
    await bus.publish(AnswerSubmitted(meeting_id="meeting-1"))
    await becomes(world, recording, State.ERASED)
    assert world.lying() == []


async def test_a_forged_denial_does_no_harm(world: World, bus: Bus) -> None:
    recording = await world.arrive()
    await bus.publish(AnswerSubmitted(meeting_id="meeting-1", answer=consent_pb2.ANSWER_DENIED, revision=7))
    await bus.publish(TranscriptFailed(recording_id=recording.recording_id))
    await bus.publish(TranscriptCompleted(recording_id="somebody-elses"))
    await becomes(world, recording, State.KEPT)


async def test_the_transcripts_events_carry_it_on(world: World, bus: Bus) -> None:
    world.written.default = PROCESSING
    recording = await world.arrive()
    await bus.publish(TranscriptStarted(recording_id=recording.recording_id))
    await becomes(world, recording, State.TRANSCRIBING)
    world.written.default = COMPLETED
    await bus.publish(TranscriptCompleted(recording_id=recording.recording_id))
    await becomes(world, recording, State.KEPT)


async def test_m5_new_evidence_settles_what_had_no_meeting(world: World, bus: Bus) -> None:
    world.answers.default_meetings = []
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.UNMATCHED
    world.answers.default_meetings = ["meeting-9"]
    await bus.publish(EvidenceRecorded(meeting_id="meeting-9"))
    await becomes(world, recording, State.KEPT)


async def test_an_event_that_comes_while_another_settles_comes_again(world: World, bus: Bus) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    with structlog.testing.capture_logs() as logs:

        async def turned_away() -> bool:
            return any(one["event"] == "settling_failed" for one in logs)

        async with world.recordings.exclusively(recording.recording_id):
            world.neighbours.refuse()
            await bus.publish(AnswerSubmitted(meeting_id="meeting-1"))
            await eventually(turned_away)
    await becomes(world, recording, State.ERASED)
