"""Whatever is repeated, reordered, paused, stopped or erased: one transcript, and nothing written by the overtaken."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from assent.recording.v1 import recording_pb2 as pb

from chassis.errors import InvalidArgument, ServiceError, Unavailable
from tests.transcript.workshop import Parrot, Workshop
from transcript_svc import transcription
from transcript_svc.domain import MOST_TRIES, Job, Occupied, Outcome, Status
from transcript_svc.scratch import Scratch
from transcript_svc.transcription import Transcription

pytestmark = pytest.mark.usefixtures("quick_children")


@dataclass
class Usage:
    """Of a disk, in bytes."""

    free: int


async def test_a_recording_that_is_announced_many_times_is_transcribed_once(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    workers = [await shop.worker("one"), await shop.worker("two")]
    tries = [worker.transcribe("r1") for worker in workers * 4]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), Occupied}
    for worker in workers:
        await worker.transcribe("r1")
    assert await shop.completions() == 1
    assert len(shop.cloud.audio_versions()) == 1


@pytest.mark.parametrize("asleep_before_it_spoke", [True, False])
async def test_a_worker_that_wakes_after_it_was_overtaken_writes_nothing(
    shop: Workshop, spoken: Path, asleep_before_it_spoke: bool
) -> None:
    shop.arrive(spoken)
    sleeper = Parrot()
    (sleeper.may_end if asleep_before_it_spoke else sleeper.may_speak).set()
    sleeping = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.asleep.wait()
    # Its instance was started again elsewhere, so the job is free for the new one at once.
    successor = Transcription(
        shop.store.transcripts,
        shop.recording_svc.stub,
        shop.buckets,
        await shop.stack.enter_async_context(Scratch(shop.scratch("new one"), "new one", shop.recording_svc.stub)),
        shop.parrot,
        "one",
    )
    await successor.transcribe("r1")
    after_success = (await shop.transcript(), shop.cloud.audio_versions(), await shop.store.news())
    sleeper.may_speak.set()
    sleeper.may_end.set()
    await sleeping
    assert (await shop.transcript(), shop.cloud.audio_versions(), await shop.store.news()) == after_success
    assert len(shop.cloud.audio_versions()) == 1
    assert shop.left_in_scratch() == []


async def test_a_worker_that_is_overtaken_stops_of_its_own_accord(
    shop: Workshop, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "SIGN_OF_LIFE_SECONDS", 0.01)
    shop.arrive(spoken)
    sleeper = Parrot()
    sleeping = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.asleep.wait()
    await shop.store.transcripts.drop_audio("r1")
    async with asyncio.timeout(10):
        await sleeping
    assert shop.left_in_scratch() == []
    assert await shop.completions() == 0


async def test_a_worker_that_is_asked_to_stop_wipes_its_scratch_and_hands_the_job_back(
    shop: Workshop, spoken: Path
) -> None:
    shop.arrive(spoken)
    sleeper = Parrot()
    working = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.asleep.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert shop.left_in_scratch() == []
    assert shop.recording_svc.fake.scratch() == set()
    assert (await shop.transcript()).tries == 0
    await (await shop.worker("two")).transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_storage_that_is_away_is_waited_for(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    recording = shop.recording_svc.fake.recordings["r1"]
    bucket, recording.bucket = recording.bucket, "no-such-bucket"
    worker = await shop.worker()
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(Unavailable):
            await worker.transcribe("r1")
    recording.bucket = bucket
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_a_recording_that_keeps_bringing_us_down_is_given_up(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)

    def stumble(wav: Path) -> None:
        raise RuntimeError("no")

    shop.parrot.look = stumble
    worker = await shop.worker()
    for _ in range(MOST_TRIES):
        with pytest.raises(RuntimeError):
            await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.PROCESSING
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.FAILED
    assert shop.left_in_scratch() == []


async def test_what_does_not_fit_on_the_disk_is_not_fetched_and_waits_for_room(
    shop: Workshop, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.arrive(spoken)
    size = spoken.stat().st_size  # noqa: ASYNC240
    free = size - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    worker = await shop.worker()
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(OSError, match=f"there is room for {free}"):
            await worker.transcribe("r1")
    assert shop.left_in_scratch() == []
    free = size
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_what_can_never_be_stored_is_given_up_and_not_tried_for_ever(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)

    async def refuse(job: Job, outcome: Outcome) -> None:
        raise InvalidArgument("a value that no column can hold", reason="VALUE_INVALID")

    shop.store.transcripts.complete = refuse  # type: ignore[method-assign]
    worker = await shop.worker()
    for _ in range(MOST_TRIES):
        with pytest.raises(InvalidArgument):
            await worker.transcribe("r1")
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.FAILED


async def test_a_database_that_is_away_at_the_hand_back_takes_no_try(
    shop: Workshop, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "HAND_BACK_PAUSE", 0.01)
    shop.arrive(spoken)
    hand_back, failures = shop.store.transcripts.hand_back, 0

    async def away_at_first(job: Job, *, counts: bool) -> None:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        await hand_back(job, counts=counts)

    def full(wav: Path) -> None:
        raise OSError("the disk is full")

    shop.store.transcripts.hand_back = away_at_first  # type: ignore[method-assign]
    shop.parrot.look = full
    with pytest.raises(OSError, match="disk is full"):
        await (await shop.worker()).transcribe("r1")
    assert (failures, (await shop.transcript()).tries) == (3, 0)


@pytest.mark.parametrize("state", [pb.RECORDING_STATE_ERASED, pb.RECORDING_STATE_ERASING])
async def test_a_late_announcement_of_erased_audio_does_nothing(
    shop: Workshop, spoken: Path, state: pb.RecordingState.ValueType
) -> None:
    shop.arrive(spoken)
    shop.recording_svc.fake.recordings["r1"].state = state
    await (await shop.worker()).transcribe("r1")
    assert await shop.store.transcripts.of_recording("r1") is None
    assert shop.recording_svc.fake.registered == []


async def test_a_forged_announcement_does_nothing(shop: Workshop) -> None:
    await (await shop.worker()).transcribe("forged")
    assert await shop.store.transcripts.of_recording("forged") is None


async def test_audio_erased_under_our_hands_ends_the_work(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    recording = shop.recording_svc.fake.recordings["r1"]
    shop.parrot.look = lambda wav: setattr(recording, "state", pb.RECORDING_STATE_ERASED)
    worker = await shop.worker()
    try:
        await worker.transcribe("r1")
    except ServiceError as error:
        pytest.fail(f"should have ended: {error}")
    assert shop.cloud.audio_versions() == []
    assert shop.left_in_scratch() == []
