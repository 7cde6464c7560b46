"""RecordingService over mutual TLS: what it tells of recordings, certifies and erases."""

import asyncio
import base64
import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from recording_svc.certificate import verify, verify_meeting
from recording_svc.domain.recordings import State
from tests.recording.calls import mp3, refused, scratch
from tests.recording.faults import denied, unreachable
from tests.recording.neighbours import PROCESSING
from tests.recording.world import KEY, World

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub


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
    statement = verify_meeting(certificate, of_recordings, signing_key.public_key())
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
