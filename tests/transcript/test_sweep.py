"""What no event told is found by asking: a lost match, a lost erasure."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from assent.recording.v1 import recording_pb2 as pb

from chassis.errors import Unavailable
from tests.eventually import eventually
from tests.transcript.begun import DONE, RECORDING
from tests.transcript.surroundings import RecordingSvc, Store
from transcript_svc.domain import Transcript
from transcript_svc.settlement import Settlement
from transcript_svc.store import Transcripts
from transcript_svc.sweep import Sweep


class World:
    """Transcripts that heard nothing, and a recording_svc that knows better."""

    def __init__(self, transcripts: Transcripts, recording_svc: RecordingSvc) -> None:
        self.transcripts = transcripts
        self.fake = recording_svc.fake
        self.settlement = Settlement(recording_svc.stub, transcripts)

    def sweep(self, batch: int = 100) -> Sweep:
        return Sweep(self.transcripts, self.settlement, 0.01, batch)

    async def transcribed(self, recording_id: str, owner_id: str = "") -> pb.Recording:
        """A transcript with a waveform, of nobody's unless there is an owner."""
        meeting_ids = ("m1",) if owner_id else ()
        recording = replace(RECORDING, id=recording_id, meeting_ids=meeting_ids, owner_id=owner_id)
        job = await self.transcripts.begin(recording, "one", timedelta(minutes=1))
        assert job is not None
        await self.transcripts.complete(job, DONE)
        return self.fake.add(recording_id, recording.bucket, recording.object_key, recording.version_id)

    async def transcript(self, recording_id: str) -> Transcript:
        found = await self.transcripts.of_recording(recording_id)
        assert found is not None
        return found


@pytest.fixture
def world(transcripts: Transcripts, recording_svc: RecordingSvc) -> World:
    return World(transcripts, recording_svc)


async def test_a_match_that_no_event_told_reaches_its_owner(world: World) -> None:
    await world.transcribed("r1")
    await world.sweep().settle_some()
    transcript = await world.transcript("r1")
    assert (transcript.meeting_ids, transcript.owner_id) == (("m1",), "ana")
    assert not transcript.audio_deleted


@pytest.mark.parametrize("owner_id", ["", "ana"])
async def test_an_erasure_that_no_event_told_leaves_nothing_of_the_sound(world: World, owner_id: str) -> None:
    (await world.transcribed("r1", owner_id)).state = pb.RECORDING_STATE_ERASED
    await world.sweep().settle_some()
    transcript = await world.transcript("r1")
    assert (transcript.audio_deleted, transcript.audio) == (True, None)
    assert await world.transcripts.peaks(transcript.id) == ()
    assert (await world.transcripts.events(transcript.id, 0))[-1].audio_deleted


async def test_audio_that_is_being_erased_is_not_called_erased(world: World) -> None:
    (await world.transcribed("r1", "ana")).state = pb.RECORDING_STATE_ERASING
    await world.sweep().settle_some()
    assert not (await world.transcript("r1")).audio_deleted


async def test_what_is_settled_for_good_is_not_asked_for_again(world: World) -> None:
    (await world.transcribed("r1", "ana")).state = pb.RECORDING_STATE_ERASED
    sweep = world.sweep()
    await sweep.settle_some()
    await sweep.settle_some()
    assert world.fake.asked == ["r1"]


async def test_one_look_is_bounded_and_the_next_goes_on_from_there_round_and_round(world: World) -> None:
    for number in range(5):
        await world.transcribed(f"r{number}", "ana")
    sweep = world.sweep(batch=2)
    for _ in range(3):
        await sweep.settle_some()
    assert sorted(world.fake.asked) == ["r0", "r1", "r2", "r3", "r4"]
    await sweep.settle_some()
    assert set(world.fake.asked[5:]) == set(world.fake.asked[:2])


async def test_the_unmatched_come_first_and_keep_no_erasure_waiting(world: World) -> None:
    for number in range(3):
        await world.transcribed(f"matched{number}", "ana")
        (await world.transcribed(f"unmatched{number}")).owner_id = ""
    await world.sweep(batch=2).settle_some()
    assert [asked.rstrip("012") for asked in world.fake.asked] == ["unmatched", "unmatched", "matched", "matched"]


async def test_one_that_cannot_be_had_stops_no_other(world: World) -> None:
    for number in range(3):
        await world.transcribed(f"r{number}")
    world.fake.silent_about = {"r0"}
    del world.fake.recordings["r1"]
    await world.sweep().settle_some()
    owners = [(await world.transcript(f"r{number}")).owner_id for number in range(3)]
    assert owners == ["", "", "ana"]


async def test_the_sweep_goes_on_after_its_store_was_away(
    memory_store: Store, recording_svc: RecordingSvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(memory_store.transcripts, recording_svc)
    await world.transcribed("r1")
    page, tries = world.transcripts.unsettled, []

    async def away_at_first(*, matched: bool, size: int, after: str) -> list[Transcript]:
        tries.append(matched)
        if len(tries) == 1:
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        return await page(matched=matched, size=size, after=after)

    monkeypatch.setattr(world.transcripts, "unsettled", away_at_first)

    async def owned() -> bool:
        return (await world.transcript("r1")).owner_id == "ana"

    sweeping = asyncio.create_task(world.sweep().run())
    try:
        assert await eventually(owned)
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
