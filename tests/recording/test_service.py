"""RecordingService over mutual TLS, as its callers see it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import (
    RecordingServiceStub,
    add_RecordingServiceServicer_to_server,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.channel import Tls, connect
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ServiceError, Unavailable
from chassis.server import Server
from recording_svc.certificate import Signer, verify, verify_meeting
from recording_svc.domain.recordings import CopyKind, State
from recording_svc.servicer import RecordingServicer
from tests.recording.faults import denied, unreachable
from tests.recording.neighbours import PROCESSING
from tests.recording.world import KEY, World

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub


@pytest.fixture
async def service(world: World, tls: Tls) -> AsyncIterator["RecordingServiceAsyncStub"]:
    server = Server("127.0.0.1:0", tls=tls)
    servicer = RecordingServicer(
        world.recordings,
        world.neighbours.consent,
        world.settlement,
        Signer(world.key),
        world.cloud.audio,
        world.clock,
        world.woken.set,
    )
    descriptor = rpc.DESCRIPTOR.services_by_name["RecordingService"]
    server.add(add_RecordingServiceServicer_to_server, servicer, descriptor)
    await server.start()
    async with connect(f"127.0.0.1:{server.port}", tls) as channel:
        yield RecordingServiceStub(channel)
    await server.stop()


def mp3(world: World, recording_id: str, key: str = "x.mp3") -> rpc.RegisterCopyRequest:
    return rpc.RegisterCopyRequest(recording_id=recording_id, kind=pb.COPY_KIND_MP3, bucket=world.cloud.audio, key=key)


def scratch(recording_id: str) -> rpc.RegisterCopyRequest:
    return rpc.RegisterCopyRequest(
        recording_id=recording_id, kind=pb.COPY_KIND_SCRATCH, bucket="instance-0", key="audio.wav"
    )


async def refused(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as raised:
        await call
    return raised.value.reason


async def test_a_recording_is_told_with_its_copies(world: World, service: "RecordingServiceAsyncStub") -> None:
    recording = await world.arrive()
    await service.RegisterCopy(mp3(world, recording.recording_id))
    await world.settle(recording)
    told = (await service.GetRecording(rpc.GetRecordingRequest(recording_id=recording.recording_id))).recording
    assert (told.object_key, told.version_id, told.size_bytes) == (KEY, recording.version_id, 5)
    assert (told.state, told.reason) == (pb.RECORDING_STATE_KEPT, "NOBODY_REFUSED")
    assert (list(told.meeting_ids), told.owner_id) == (["meeting-1"], "owner-1")
    assert told.transcript_id == f"transcript-of-{recording.recording_id}"
    assert {copy.kind for copy in told.copies} == {pb.COPY_KIND_ORIGINAL, pb.COPY_KIND_MP3}
    assert not told.HasField("erased_at")


async def test_lists_by_meeting_and_owner_page_by_page(world: World, service: "RecordingServiceAsyncStub") -> None:
    made = []
    for number in range(3):
        world.clock.advance(seconds=1)
        made.append(await world.arrive(f"room-{number}-2026-11-22T11:20:00Z.mp4"))
        await world.settle(made[-1])
    request = rpc.ListRecordingsRequest(meeting_id="meeting-1", owner_id="owner-1", page_size=2)
    first = await service.ListRecordings(request)
    request.page_token = first.next_page_token
    second = await service.ListRecordings(request)
    listed = [one.recording_id for one in (*first.recordings, *second.recordings)]
    assert listed == [one.recording_id for one in reversed(made)]
    assert second.next_page_token == ""
    request.owner_id = "somebody else"
    assert not (await service.ListRecordings(rpc.ListRecordingsRequest(owner_id="somebody else"))).recordings


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


async def test_d6_the_certificate_is_there_once_it_is_erased(
    world: World, service: "RecordingServiceAsyncStub", signing_key: Ed25519PrivateKey
) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    request = rpc.GetCertificateRequest(recording_id=recording.recording_id)
    assert await refused(service.GetCertificate(request)) == "NOT_ERASED"
    world.neighbours.refuse()
    await world.settle(recording)
    certificate = (await service.GetCertificate(request)).certificate
    assert verify(certificate, signing_key.public_key())["recording_id"] == recording.recording_id


async def test_d6_a_meeting_is_certified_once_all_its_recordings_are_erased(
    world: World, service: "RecordingServiceAsyncStub", signing_key: Ed25519PrivateKey
) -> None:
    request = rpc.GetMeetingCertificateRequest(meeting_id="meeting-1")
    assert await refused(service.GetMeetingCertificate(request)) == "RECORDING_NOT_FOUND"
    assert await refused(service.GetMeetingCertificate(rpc.GetMeetingCertificateRequest())) == "MEETING_MISSING"
    first, second = [await world.arrive(f"room-2026-11-22T11:2{place}:00Z.mp4") for place in range(2)]
    world.answers.meetings["elsewhere-2026-11-22T11:20:00Z.mp4"] = ["meeting-2"]
    await world.settle(await world.arrive("elsewhere-2026-11-22T11:20:00Z.mp4"))
    world.neighbours.refuse()
    world.written.status[second.recording_id] = PROCESSING
    await world.settle(first)
    await world.settle(second)
    assert await refused(service.GetMeetingCertificate(request)) == "NOT_ERASED"
    world.written.status.clear()
    await world.settle(second)
    certificate = (await service.GetMeetingCertificate(request)).certificate
    of_recordings = [(await world.now(one)).certificate for one in (first, second)]
    statement = verify_meeting(certificate, signing_key.public_key(), of_recordings)
    # They came at the same moment: nothing says which is first.
    assert {one["recording_id"] for one in statement["recordings"]} == {first.recording_id, second.recording_id}


async def test_r5_the_owner_erases_and_the_reason_is_recorded(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    await world.settle(recording)
    request = rpc.EraseRecordingRequest(recording_id=recording.recording_id)
    reply = await service.EraseRecording(request)
    assert (reply.recording.state, reply.recording.reason) == (pb.RECORDING_STATE_ERASED, "OWNER_DELETED")
    assert world.lying() == []
    assert world.statement(await world.now(recording))["grounds"]["reason"] == "OWNER_DELETED"
    assert (await service.EraseRecording(request)).recording == reply.recording


async def test_an_owners_erasure_that_is_blocked_or_pending_says_so_and_goes_on(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    recording = await world.arrive()
    request = rpc.EraseRecordingRequest(recording_id=recording.recording_id)

    def away(**_: object) -> None:
        raise unreachable()

    def refuse(**_: object) -> None:
        raise denied("DeleteObjects")

    world.s3.before["list_object_versions"] = away
    with pytest.raises(Unavailable) as pending:
        await service.EraseRecording(request)
    assert pending.value.reason == "ERASURE_PENDING"
    world.s3.before = {"delete_objects": refuse}
    with pytest.raises(FailedPrecondition) as blocked:
        await service.EraseRecording(request)
    assert blocked.value.reason == "ERASURE_BLOCKED"
    world.s3.before = {}
    world.clock.advance(minutes=5)
    await world.sweep.settle_due()
    assert (await world.now(recording)).state is State.ERASED


async def test_an_owner_who_comes_while_it_is_settled_is_not_forgotten(
    world: World, service: "RecordingServiceAsyncStub"
) -> None:
    recording = await world.arrive()
    world.answers.gate.clear()
    settling = asyncio.create_task(world.settle(recording))
    await world.answers.was_asked.wait()
    request = rpc.EraseRecordingRequest(recording_id=recording.recording_id)
    assert await refused(service.EraseRecording(request)) == "ERASURE_PENDING"
    world.answers.gate.set()
    # What it had read was older than the request: it reads again.
    assert (await settling).state is State.ERASED
    assert world.lying() == []


async def test_what_nobody_knows_is_not_found(world: World, service: "RecordingServiceAsyncStub") -> None:
    calls: list[Awaitable[object]] = [
        service.GetRecording(rpc.GetRecordingRequest(recording_id="nobody")),
        service.RegisterCopy(scratch("nobody")),
        service.AuthorizeAudio(rpc.AuthorizeAudioRequest(recording_id="nobody")),
        service.GetCertificate(rpc.GetCertificateRequest(recording_id="nobody")),
        service.EraseRecording(rpc.EraseRecordingRequest(recording_id="nobody")),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    "request_",
    [
        rpc.ListRecordingsRequest(),
        rpc.ListRecordingsRequest(meeting_id="m", page_size=-1),
        rpc.ListRecordingsRequest(meeting_id="m", page_size=201),
    ],
)
async def test_requests_that_cannot_succeed_are_refused(
    service: "RecordingServiceAsyncStub", request_: rpc.ListRecordingsRequest
) -> None:
    with pytest.raises(InvalidArgument):
        await service.ListRecordings(request_)


def token(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "page_token",
    [
        "nonsense",
        "ü",
        base64.urlsafe_b64encode(b"[" * 200_000).decode(),
        token([1, 2]),
        token({"a": 1, "b": 2}),
        token(["2026-01-01T00:00:00+00:00"]),
        token(["2026-01-01T00:00:00+00:00", 5]),
        token(["2026-01-01T00:00:00", "r-1"]),
        token(["9999-12-31T23:59:59-23:59", "r-1"]),
        token(["0001-01-01T00:00:00+23:59", "r-1"]),
        token(["2026-01-01T00:00:00+00:00", "r\0"]),
        token(["2026-01-01T00:00:00+00:00", "\ud800"]),
        token(["2026-01-01T00:00:00+00:00", "r" * 5000]),
    ],
)
async def test_a_page_token_that_is_not_ours_is_refused(service: "RecordingServiceAsyncStub", page_token: str) -> None:
    with pytest.raises(InvalidArgument, match="begin anew") as raised:
        await service.ListRecordings(rpc.ListRecordingsRequest(meeting_id="m", page_token=page_token))
    assert raised.value.reason == "PAGE_TOKEN_INVALID"


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
