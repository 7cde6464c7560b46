"""What the sweep and the comparison of buckets and tables find that no event told."""

from typing import Any

import pytest
import structlog
from assent.recording.v1.recording_events_pb2 import RecordingDiscovered

from chassis.errors import Unavailable
from recording_svc.domain.recordings import CopyKind, State
from tests.recording.conftest import published
from tests.recording.faults import unreachable
from tests.recording.neighbours import PROCESSING
from tests.recording.world import KEY, World


async def test_r3_an_object_nobody_announced_becomes_a_recording(world: World) -> None:
    versions = [world.cloud.put(KEY, b"%d" % number) for number in range(2)]
    world.cloud.put("notes.txt")
    found = await world.reconciliation.reconcile()
    assert (found.objects, found.taken_in) == (2, 2)
    taken = await world.recordings.of_versions(world.cloud.recordings, {KEY, "notes.txt"})
    assert sorted(one.version_id for one in taken) == sorted(versions)
    assert (await world.reconciliation.reconcile()).taken_in == 0


async def test_r3_a_recording_whose_object_is_gone_is_said_once(world: World) -> None:
    recording = await world.arrive()
    world.cloud.oracle.delete_object(Bucket=world.cloud.recordings, Key=KEY, VersionId=recording.version_id)
    world.clock.advance(seconds=1)
    with structlog.testing.capture_logs() as logs:
        assert (await world.reconciliation.reconcile()).missing == 1
    assert [one["recording_id"] for one in logs if one["event"] == "original_missing"] == [recording.recording_id]
    assert (await world.reconciliation.reconcile()).missing == 0


async def test_r5_audio_that_nobody_can_account_for_is_said_and_left(world: World) -> None:
    world.cloud.put("stranger.mp3", bucket=world.cloud.audio)
    with structlog.testing.capture_logs() as logs:
        assert (await world.reconciliation.reconcile()).unaccounted == 1
    assert [one["key"] for one in logs if one["event"] == "audio_unaccounted"] == ["stranger.mp3"]
    assert world.lying() == [("version", "stranger.mp3")]


async def erased(world: World) -> Any:
    recording = await world.arrive()
    mp3 = await world.write_mp3(recording)
    world.neighbours.refuse()
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []
    return recording, mp3


async def test_d3_an_mp3_written_after_the_erasure_is_found_and_erased(world: World) -> None:
    recording, mp3 = await erased(world)
    world.cloud.put(mp3, b"from a worker that was paused", world.cloud.audio)
    assert (await world.reconciliation.reconcile()).came_back == 1
    await world.sweep.settle_due()
    again = await world.now(recording)
    assert (again.state, world.lying()) == (State.ERASED, [])
    assert [one["key"] for one in world.statement(again)["removed"]].count(mp3) == 2


async def test_d3_what_cannot_be_listed_stays_due(world: World) -> None:
    recording, mp3 = await erased(world)
    world.cloud.put(mp3, b"from a worker that was paused", world.cloud.audio)
    await world.reconciliation.reconcile()

    def away(**_: Any) -> None:
        raise unreachable()

    world.s3.before["list_object_versions"] = away
    with pytest.raises(Unavailable):
        await world.settle(recording)
    await world.sweep.settle_due()
    world.s3.before.clear()
    world.clock.advance(seconds=30)
    await world.sweep.settle_due()
    assert world.lying() == []


async def test_d3_the_key_put_again_is_a_recording_that_is_erased_too(world: World) -> None:
    first, _ = await erased(world)
    version = world.cloud.put(KEY, b"once more")
    assert (await world.reconciliation.reconcile()).taken_in == 1
    await world.sweep.settle_due()
    both = await world.recordings.of_versions(world.cloud.recordings, {KEY})
    assert {one.version_id for one in both} == {first.version_id, version}
    assert {one.state for one in both} == {State.ERASED}
    assert world.lying() == []


async def test_d3_the_key_put_again_does_not_come_back_though_everybody_agrees_by_now(world: World) -> None:
    first, _ = await erased(world)
    world.answers.refusals.clear()
    world.clock.advance(seconds=60)
    second = await world.arrive(body=b"once more")
    gone = await world.settle(second)
    assert (gone.state, gone.reason, world.lying()) == (State.ERASED, "SOMEBODY_REFUSED", [])
    wanted = [one.recording_id for one in await published(world.recordings) if isinstance(one, RecordingDiscovered)]
    assert wanted == [first.recording_id]


async def test_d3_what_the_owner_deleted_does_not_come_back(world: World) -> None:
    first = await world.arrive()
    await world.settle(first)
    assert (await world.settlement.request_erasure(first.recording_id)).state is State.ERASED
    world.clock.advance(seconds=60)
    gone = await world.settle(await world.arrive(body=b"once more"))
    assert (gone.state, gone.reason, world.lying()) == (State.ERASED, "OWNER_DELETED", [])


async def test_r5_a_version_that_was_there_before_the_erasure_is_judged_by_itself(world: World) -> None:
    first, second = await world.arrive(), await world.arrive(body=b"another")
    world.clock.advance(seconds=60)
    assert (await world.settlement.request_erasure(first.recording_id)).state is State.ERASED
    assert (await world.settle(second)).state is State.KEPT
    assert len(world.lying()) == 1


async def test_d3_an_upload_begun_after_the_erasure_is_aborted(world: World) -> None:
    recording, _ = await erased(world)
    world.cloud.oracle.create_multipart_upload(Bucket=world.cloud.recordings, Key=KEY)
    other = "b room-2026-11-22T11:20:00Z.mp4"
    world.cloud.oracle.create_multipart_upload(Bucket=world.cloud.recordings, Key=other)
    found = await world.reconciliation.reconcile()
    assert (found.unfinished_uploads, found.came_back) == (2, 1)
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.ERASED
    assert world.lying() == [("upload", other)]


async def test_d3_without_versions_the_same_key_comes_back_and_goes_again(world: World) -> None:
    bucket = world.cloud.recordings
    world.cloud.oracle.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    recording, _ = await erased(world)
    assert recording.version_id == "null"
    world.cloud.put(KEY, b"once more")
    assert (await world.reconciliation.reconcile()).came_back == 1
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.ERASED
    assert world.lying() == []


async def test_a_transcript_nobody_began_is_asked_for_again(world: World) -> None:
    world.written.default = None
    recording = await world.arrive()
    for _ in range(3):
        await world.sweep.settle_due()
        world.clock.advance(minutes=10)
    announced = [one for one in await published(world.recordings) if isinstance(one, RecordingDiscovered)]
    assert len(announced) > 1
    assert {one.recording_id for one in announced} == {recording.recording_id}


async def test_d1_a_denial_whose_event_was_lost_is_found_within_fifteen_minutes(world: World) -> None:
    recording = await world.arrive()
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.KEPT
    world.neighbours.refuse()
    world.clock.advance(minutes=15)
    await world.sweep.settle_due()
    assert world.lying() == []


async def test_one_that_fails_keeps_no_other_waiting(world: World) -> None:
    first = await world.arrive()
    second = await world.arrive("b room-2026-11-22T11:20:00Z.mp4")
    world.neighbours.refuse()
    async with world.recordings.exclusively(first.recording_id):
        assert await world.sweep.settle_due() == 2
    assert (await world.now(second)).state is State.ERASED
    assert world.lying() == [("version", KEY)]
    world.clock.advance(seconds=30)
    await world.sweep.settle_due()
    assert world.lying() == []


async def test_held_scratch_is_looked_at_again(world: World) -> None:
    recording = await world.arrive()
    place = (recording.recording_id, CopyKind.SCRATCH, "instance-0", "audio.wav")
    await world.recordings.register(*place, world.clock())
    world.neighbours.refuse()
    await world.sweep.settle_due()
    assert (await world.now(recording)).reason == "SCRATCH_HELD"
    await world.recordings.release_scratch("instance-0", recording.recording_id, world.clock())
    world.clock.advance(seconds=30)
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.ERASED


async def test_a_recording_under_way_is_left_alone(world: World) -> None:
    world.written.default = PROCESSING
    recording = await world.arrive()
    world.neighbours.refuse()
    for _ in range(5):
        world.clock.advance(hours=1)
        await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.TRANSCRIBING
    assert world.lying() == [("version", KEY)]
