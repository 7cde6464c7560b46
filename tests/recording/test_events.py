"""Events over a real NATS wake the settlement; they decide nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded
from assent.transcript.v1.transcript_events_pb2 import TranscriptCompleted, TranscriptFailed, TranscriptStarted

import recording_svc.events
from chassis.bus import Bus, Delivery
from chassis.errors import Unavailable
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
        Wakers(world.recordings, world.settlement.settle, world.clock, world.woken.set).consume(bus)
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


async def test_m5_new_evidence_wakes_what_had_no_meeting(world: World, bus: Bus) -> None:
    world.answers.default_meetings = []
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.UNMATCHED
    world.answers.default_meetings = ["meeting-9"]
    world.woken.clear()
    await bus.publish(EvidenceRecorded(meeting_id="meeting-9"))
    await asyncio.wait_for(world.woken.wait(), 10)
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.KEPT


async def test_m5_one_that_is_being_settled_does_not_repeat_the_unmatched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_svc.events, "_WOKEN_TOGETHER", 2)
    named = await world.settle(await world.arrive())
    world.answers.default_meetings = []
    unmatched = [await world.settle(await world.arrive(f"{n}-2026-11-22T11:20:00Z.mp4")) for n in range(5)]
    settled = []

    async def settle(recording_id: str) -> None:
        settled.append(recording_id)
        await world.settlement.settle(recording_id)

    wakers = Wakers(world.recordings, settle, world.clock, world.woken.set)
    world.woken.clear()
    async with world.recordings.exclusively(named.recording_id):
        for attempt in range(1, 4):
            with pytest.raises(Unavailable, match="being settled"):
                await wakers._evidence(Delivery(EvidenceRecorded(meeting_id="meeting-1"), attempt))
    assert settled == [named.recording_id] * 3
    due = await world.recordings.claim_due(world.clock(), world.clock(), 9)
    assert sorted(due) == sorted(one.recording_id for one in unmatched)
    assert world.woken.is_set()


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
