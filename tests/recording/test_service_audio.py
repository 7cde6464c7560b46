"""RecordingService over mutual TLS: who may hear audio, and who may write it."""

from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import AlreadyExists, InvalidArgument
from recording_svc.domain.recordings import CopyKind, State
from tests.recording.calls import mp3, refused, scratch
from tests.recording.neighbours import PROCESSING
from tests.recording.world import World

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub


async def test_d2_audio_that_came_again_after_its_erasure_is_withheld(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    first = await world.arrive()
    world.neighbours.refuse()
    await world.settle(first)
    world.answers.refusals.clear()
    world.clock.advance(seconds=60)
    second = await world.arrive(body=b"once more")
    request = rpc.AuthorizeAudioRequest(recording_id=second.recording_id)
    assert await refused(service.AuthorizeAudio(request)) == "CONSENT_UNDECIDED"
    copy = rpc.RegisterCopyRequest(
        recording_id=second.recording_id, kind=pb.COPY_KIND_MP3, bucket=world.cloud.audio, key="x.mp3"
    )
    assert await refused(service.RegisterCopy(copy)) == "AUDIO_REFUSED"


async def test_d2_audio_is_authorized_on_the_verdict_of_this_moment(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    request = rpc.AuthorizeAudioRequest(recording_id=recording.recording_id)
    await service.AuthorizeAudio(request)
    # Nothing told us of this refusal: the stored state still says kept.
    world.neighbours.refuse()
    assert (await world.now(recording)).state is State.KEPT
    assert await refused(service.AuthorizeAudio(request)) == "CONSENT_UNDECIDED"
    # Being asked is reason enough to settle.
    assert world.woken.is_set()
    await world.sweep.settle_due()
    assert await refused(service.AuthorizeAudio(request)) == "AUDIO_DELETED"


async def test_r6_consent_away_hands_nothing_out(world: World, service: "RecordingServiceAsyncStub") -> None:
    recording = await world.arrive()
    await world.settle(recording)
    world.neighbours.fall_silent()
    request = rpc.AuthorizeAudioRequest(recording_id=recording.recording_id)
    assert await refused(service.AuthorizeAudio(request)) == "CONSENT_UNDECIDED"
    world.neighbours.return_()
    await service.AuthorizeAudio(request)


async def test_d2_an_unmatched_recording_is_withheld(world: World, service: "RecordingServiceAsyncStub") -> None:
    world.answers.default_meetings = []
    recording = await world.arrive()
    await world.settle(recording)
    request = rpc.AuthorizeAudioRequest(recording_id=recording.recording_id)
    assert await refused(service.AuthorizeAudio(request)) == "CONSENT_UNDECIDED"


async def test_d3_no_audio_is_registered_after_a_refusal(world: World, service: "RecordingServiceAsyncStub") -> None:
    world.written.default = PROCESSING
    recording = await world.arrive()
    world.neighbours.refuse()
    assert await refused(service.RegisterCopy(mp3(world, recording.recording_id))) == "AUDIO_REFUSED"
    # The transcript is still made, and it is made from scratch.
    assert (await service.RegisterCopy(scratch(recording.recording_id))).copy.state == pb.COPY_STATE_PRESENT
    copies = await world.recordings.copies(recording.recording_id)
    assert {copy.kind for copy in copies} == {CopyKind.ORIGINAL, CopyKind.SCRATCH}


async def test_d3_nothing_at_all_is_registered_after_an_erasure(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    recording = await world.arrive()
    world.neighbours.refuse()
    await world.settle(recording)
    world.neighbours.grant()
    assert await refused(service.RegisterCopy(mp3(world, recording.recording_id))) == "AUDIO_DELETED"
    assert await refused(service.RegisterCopy(scratch(recording.recording_id))) == "AUDIO_DELETED"


async def test_places_are_checked(world: World, service: "RecordingServiceAsyncStub") -> None:
    one, other = await world.arrive(), await world.arrive("b room-2026-11-22T11:20:00Z.mp4")
    elsewhere = mp3(world, one.recording_id)
    elsewhere.bucket = world.cloud.recordings
    original = mp3(world, one.recording_id)
    original.kind = pb.COPY_KIND_ORIGINAL
    for wrong in (elsewhere, original, mp3(world, one.recording_id, "")):
        with pytest.raises(InvalidArgument):
            await service.RegisterCopy(wrong)
    first = await service.RegisterCopy(mp3(world, one.recording_id))
    assert (await service.RegisterCopy(mp3(world, one.recording_id))).copy == first.copy
    with pytest.raises(AlreadyExists):
        await service.RegisterCopy(mp3(world, other.recording_id))


async def test_releasing_scratch_lets_the_erasure_finish(world: World, service: "RecordingServiceAsyncStub") -> None:
    recording = await world.arrive()
    await service.RegisterCopy(scratch(recording.recording_id))
    world.neighbours.refuse()
    assert (await world.settle(recording)).reason == "SCRATCH_HELD"
    await service.ReleaseScratch(rpc.ReleaseScratchRequest(instance="instance-0"))
    assert world.woken.is_set()
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.ERASED


async def test_d2_r6_who_cannot_wait_for_a_verdict_is_told_in_time(
    world: World, service: "RecordingServiceAsyncStub", monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    request = rpc.AuthorizeAudioRequest(recording_id=recording.recording_id)
    await service.AuthorizeAudio(request)
    monkeypatch.setattr("recording_svc.servicer.PATIENCE", 0.1)
    world.answers.gate.clear()
    assert await refused(service.AuthorizeAudio(request)) == "CONSENT_UNDECIDED"
    # The transcript is made whether consent_svc answers or not; what is written meanwhile is known, and withheld.
    await service.RegisterCopy(mp3(world, recording.recording_id))
    world.answers.gate.set()


@pytest.mark.parametrize(
    ("kind", "place", "advice"),
    [
        (pb.COPY_KIND_MP3, {"key": "x" * 1025}, "at most 1024 bytes"),
        (pb.COPY_KIND_MP3, {"key": "ü" * 513}, "at most 1024 bytes"),
        (pb.COPY_KIND_MP3, {"key": "a\0b"}, "without control characters"),
        (pb.COPY_KIND_SCRATCH, {"key": "".join(map(str, range(5000)))}, "at most 1024 bytes"),
        (pb.COPY_KIND_SCRATCH, {"key": "a.wav", "bucket": "i" * 254}, "ASSENT_INSTANCE"),
        (pb.COPY_KIND_SCRATCH, {"key": "a.wav", "bucket": "i\n"}, "ASSENT_INSTANCE"),
    ],
)
async def test_a_place_that_no_store_has_is_refused(
    world: World, service: "RecordingServiceAsyncStub", kind: pb.CopyKind.ValueType, place: dict[str, str], advice: str
) -> None:
    recording = await world.arrive()
    named = {"bucket": world.cloud.audio, **place}
    with pytest.raises(InvalidArgument, match=advice) as raised:
        await service.RegisterCopy(rpc.RegisterCopyRequest(recording_id=recording.recording_id, kind=kind, **named))
    assert raised.value.reason == "COPY_PLACE_INVALID"
    assert [one.kind for one in await world.recordings.copies(recording.recording_id)] == [CopyKind.ORIGINAL]


async def test_the_longest_place_that_s3_has_is_registered(world: World, service: "RecordingServiceAsyncStub") -> None:
    recording = await world.arrive()
    key = "ü" * 512
    assert (await service.RegisterCopy(mp3(world, recording.recording_id, key))).copy.key == key
