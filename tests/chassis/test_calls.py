"""Calls between services: errors keep their reason, nothing hangs, strangers stay out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import (
    ConsentServiceServicer,
    ConsentServiceStub,
    add_ConsentServiceServicer_to_server,
)
from assent.transcript.v1 import transcript_service_pb2 as transcript_rpc
from assent.transcript.v1.transcript_service_pb2_grpc import (
    TranscriptServiceServicer,
    TranscriptServiceStub,
    add_TranscriptServiceServicer_to_server,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import server as chassis_server
from chassis.channel import UNREADABLE, Tls, connect
from chassis.errors import DeadlineExceeded, FailedPrecondition, Internal, NotFound, ServiceError, Unavailable
from chassis.server import Server
from tests.conftest import make_tls

Context = grpc.aio.ServicerContext[Any, Any]


class Consent(ConsentServiceServicer):
    """Behaves as the meeting id says."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = asyncio.Event()
        self.proceed = asyncio.Event()

    async def GetConsent(self, request: rpc.GetConsentRequest, context: Context) -> rpc.GetConsentResponse:
        self.calls += 1
        match request.meeting_id:
            case "unknown":
                raise NotFound("no meeting unknown: list meetings", reason="MEETING_NOT_FOUND")
            case "busy":
                raise Unavailable("busy: try again", reason="BUSY")
            case "broken":
                raise RuntimeError("password=hunter2")
            case "stuck":
                self.entered.set()
                await self.proceed.wait()
        return rpc.GetConsentResponse(counts=consent_pb2.Counts(present=2))


class Transcripts(TranscriptServiceServicer):
    """Streams two pieces and then refuses."""

    async def StreamAudio(
        self, request: transcript_rpc.StreamAudioRequest, context: Context
    ) -> AsyncIterator[transcript_rpc.StreamAudioResponse]:
        yield transcript_rpc.StreamAudioResponse(data=b"one")
        yield transcript_rpc.StreamAudioResponse(data=b"two")
        raise FailedPrecondition("erased meanwhile", reason="AUDIO_DELETED")


@asynccontextmanager
async def serving(tls: Tls, servicer: Consent) -> AsyncIterator[Server]:
    server = Server("127.0.0.1:0", tls=tls)
    server.add(add_ConsentServiceServicer_to_server, servicer, rpc.DESCRIPTOR.services_by_name["ConsentService"])
    server.add(
        add_TranscriptServiceServicer_to_server,
        Transcripts(),
        transcript_rpc.DESCRIPTOR.services_by_name["TranscriptService"],
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ask(server: Server, tls: Tls, meeting_id: str, within: float | None = None) -> rpc.GetConsentResponse:
    async with connect(f"127.0.0.1:{server.port}", tls) as channel:
        return await ConsentServiceStub(channel).GetConsent(
            rpc.GetConsentRequest(meeting_id=meeting_id), timeout=within
        )


async def test_a_call_returns_what_the_service_answered(tls: Tls) -> None:
    async with serving(tls, Consent()) as server:
        assert (await ask(server, tls, "4711")).counts.present == 2


async def test_an_error_keeps_its_class_reason_and_sentence(tls: Tls) -> None:
    async with serving(tls, Consent()) as server:
        with pytest.raises(NotFound, match="no meeting unknown: list meetings") as raised:
            await ask(server, tls, "unknown")
    assert raised.value.reason == "MEETING_NOT_FOUND"


async def test_what_was_not_foreseen_is_internal_and_says_nothing_of_the_inside(tls: Tls) -> None:
    async with serving(tls, Consent()) as server:
        with pytest.raises(Internal) as raised:
            await ask(server, tls, "broken")
    assert "hunter2" not in raised.value.message


async def test_an_answer_that_is_no_message_is_an_error(tls: Tls) -> None:
    async def babble(_request: bytes, _context: Any) -> bytes:
        return b"\xff\xff\xff\xff"

    handler: Any = grpc.unary_unary_rpc_method_handler(babble)
    server = grpc.aio.server()
    service = rpc.DESCRIPTOR.services_by_name["ConsentService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetConsent": handler}),))
    port = server.add_secure_port("127.0.0.1:0", tls.server_credentials())
    await server.start()
    async with connect(f"127.0.0.1:{port}", tls) as channel:
        with pytest.raises(Internal) as raised:
            await ConsentServiceStub(channel).GetConsent(rpc.GetConsentRequest())
    await server.stop(0)
    assert raised.value.reason == UNREADABLE


async def test_a_call_without_an_answer_ends_at_its_deadline(tls: Tls) -> None:
    consent = Consent()
    async with serving(tls, consent) as server:
        with pytest.raises(DeadlineExceeded):
            await ask(server, tls, "stuck", within=0.2)
        consent.proceed.set()


async def test_a_handler_is_ended_even_where_its_caller_set_no_deadline(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis_server, "LONGEST_CALL", 0.2)
    async with serving(tls, Consent()) as server, _bare_channel(server, tls) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ConsentServiceStub(channel).GetConsent(rpc.GetConsentRequest(meeting_id="stuck"))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_an_absent_service_is_unavailable(tls: Tls) -> None:
    async with serving(tls, Consent()) as server:
        pass
    with pytest.raises(Unavailable):
        await ask(server, tls, "4711", within=3)


async def test_what_a_service_refused_is_not_retried_behind_its_callers_back(tls: Tls) -> None:
    consent = Consent()
    async with serving(tls, consent) as server:
        with pytest.raises(Unavailable) as raised:
            await ask(server, tls, "busy")
    assert (raised.value.reason, consent.calls) == ("BUSY", 1)


async def test_a_stream_gives_what_came_before_its_error(tls: Tls) -> None:
    received: list[bytes] = []

    async def listen(channel: grpc.aio.Channel) -> None:
        async for piece in TranscriptServiceStub(channel).StreamAudio(transcript_rpc.StreamAudioRequest()):
            received.append(piece.data)

    async with serving(tls, Consent()) as server, connect(f"127.0.0.1:{server.port}", tls) as channel:
        with pytest.raises(ServiceError) as raised:
            await listen(channel)
    assert received == [b"one", b"two"]
    assert raised.value.reason == "AUDIO_DELETED"


async def test_a_stranger_with_a_certificate_from_elsewhere_is_not_let_in(
    tls: Tls, tmp_path_factory: pytest.TempPathFactory
) -> None:
    foreign = make_tls(tmp_path_factory.mktemp("foreign"))
    stranger = Tls(tls.ca, foreign.cert, foreign.key)
    consent = Consent()
    async with serving(tls, consent) as server:
        with pytest.raises(Unavailable):
            await ask(server, stranger, "4711", within=3)
    assert consent.calls == 0


async def test_a_call_in_flight_is_finished_when_the_server_stops(tls: Tls) -> None:
    consent = Consent()
    async with serving(tls, consent) as server:
        call = asyncio.create_task(ask(server, tls, "stuck"))
        await consent.entered.wait()
        stop = asyncio.create_task(server.stop())
        consent.proceed.set()
        assert (await call).counts.present == 2
        await stop


async def test_health_is_told_in_plain_text_to_the_kubelet(tls: Tls) -> None:
    server = Server("127.0.0.1:0", tls=tls, health_listen="127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.health_port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # its stub
            health_pb2.HealthCheckRequest()
        )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop()


@asynccontextmanager
async def _bare_channel(server: Server, tls: Tls) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", tls.channel_credentials()) as channel:
        yield channel
