"""A gateway as it runs, on a free port: real HTTP, mutual TLS, gRPC and NATS; services in memory behind it."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from assent.consent.v1 import consent_service_pb2 as consent_rpc
from assent.consent.v1.consent_service_pb2_grpc import add_ConsentServiceServicer_to_server
from assent.meeting.v1 import meeting_service_pb2 as meeting_rpc
from assent.meeting.v1.meeting_service_pb2_grpc import add_MeetingServiceServicer_to_server
from assent.recording.v1 import recording_service_pb2 as recording_rpc
from assent.recording.v1.recording_service_pb2_grpc import add_RecordingServiceServicer_to_server
from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as transcript_rpc
from assent.transcript.v1.transcript_service_pb2_grpc import add_TranscriptServiceServicer_to_server
from pydantic import SecretStr

from chassis.bus import Bus
from chassis.channel import Tls
from chassis.server import Server
from deploy.local import Nats
from gateway.__main__ import application
from gateway.server import HttpServer
from gateway.settings import Settings
from tests.eventually import eventually
from tests.gateway.backend import Backend, noted
from tests.gateway.consent_calls import Consents
from tests.gateway.issuer import AUDIENCE, URL, Issuer
from tests.gateway.meeting_calls import Meetings
from tests.gateway.recording_calls import Recordings
from tests.gateway.sign_in_issuer import CLIENT_ID, CLIENT_SECRET, SignInIssuer
from tests.gateway.transcript_calls import Transcripts
from tests.gateway.visitor import Visitor

WEBHOOK_SECRETS = ("old-webhook-secret", "new-webhook-secret")
PARTICIPANT_SECRET = "a participant secret of 32 bytes or more"
FINGERPRINT_KEY = "a fingerprint key of its own"
SESSION_SECRET = "a session secret of 32 bytes or more"


@dataclass
class Stack:
    """A running gateway and what stands behind it."""

    url: str
    http: httpx.AsyncClient
    backend: Backend
    bus: Bus
    settings: Settings
    issuer: Issuer
    app: Any
    services: dict[str, Server]

    def owner(self, subject: str = "owner-demo") -> dict[str, str]:
        """Headers of somebody who is signed in."""
        return {"Authorization": f"Bearer {self.issuer.token(subject)}"}

    async def opened(self, room: str, subject: str = "owner-demo") -> dict[str, Any]:
        """A meeting opened by nobody we know, in a room of `subject`'s."""
        if room not in self.backend.rooms:
            made = await self.http.post("/v1/rooms", json={"name": room}, headers=self.owner(subject))
            assert made.status_code == 201, made.text
        reply = await self.http.post(f"/v1/rooms/{room}/meeting")
        assert reply.status_code == 200, reply.text
        opened: dict[str, Any] = reply.json()
        return opened


def bearer(token: str) -> dict[str, str]:
    """The header that says who is asking."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with HttpServer(issuer.app, "127.0.0.1:0") as server:
        issuer.url = f"http://127.0.0.1:{server.port}/jwks.json"
        yield issuer


@pytest.fixture(scope="session")
async def services(tls: Tls) -> AsyncIterator[tuple[Backend, dict[str, Server]]]:
    backend = Backend()
    consent, recording, transcript = (Server("127.0.0.1:0", tls=tls) for _ in range(3))
    consent.add(
        add_MeetingServiceServicer_to_server,
        noted(Meetings(backend), backend),
        meeting_rpc.DESCRIPTOR.services_by_name["MeetingService"],
    )
    consent.add(
        add_ConsentServiceServicer_to_server,
        noted(Consents(backend), backend),
        consent_rpc.DESCRIPTOR.services_by_name["ConsentService"],
    )
    recording.add(
        add_RecordingServiceServicer_to_server,
        noted(Recordings(backend), backend),
        recording_rpc.DESCRIPTOR.services_by_name["RecordingService"],
    )
    transcript.add(
        add_TranscriptServiceServicer_to_server,
        noted(Transcripts(backend), backend),
        transcript_rpc.DESCRIPTOR.services_by_name["TranscriptService"],
    )
    named = {"consent_svc": consent, "recording_svc": recording, "transcript_svc": transcript}
    for server in named.values():
        await server.start()
    yield backend, named
    for server in named.values():
        await server.stop()


@pytest.fixture(scope="session")
def settings(tls: Tls, nats: Nats, services: tuple[Backend, dict[str, Server]], issuer: Issuer) -> Settings:
    address = {name: f"127.0.0.1:{server.port}" for name, server in services[1].items()}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(
        nats_url=nats.url,
        tls_ca=tls.ca,
        tls_cert=tls.cert,
        tls_key=tls.key,
        gateway_listen=f"127.0.0.1:{port}",
        gateway_url=f"http://127.0.0.1:{port}",
        consent_address=address["consent_svc"],
        recording_address=address["recording_svc"],
        transcript_address=address["transcript_svc"],
        whereby_webhook_secret=SecretStr(",".join(WEBHOOK_SECRETS)),
        whereby_room_origin="http://127.0.0.1:9999",
        oidc_issuer=URL,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=issuer.url,
        participant_token_secret=SecretStr(PARTICIPANT_SECRET),
        fingerprint_key=SecretStr(FINGERPRINT_KEY),
    )


@pytest.fixture(scope="session")
async def stack(
    settings: Settings, services: tuple[Backend, dict[str, Server]], issuer: Issuer
) -> AsyncIterator[Stack]:
    async with (
        Bus(settings.nats_url) as bus,
        application(settings) as app,
        HttpServer(app, settings.gateway_listen),
        httpx.AsyncClient(base_url=settings.gateway_url, timeout=20) as http,
    ):
        await bus.connected()

        async def is_ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await eventually(is_ready)
        yield Stack(settings.gateway_url, http, services[0], bus, settings, issuer, app, services[1])


@pytest.fixture
def transcript(stack: Stack) -> str:
    """A transcript of the owner's, without events yet."""
    transcript_id = f"live-{next(stack.backend.numbers)}"
    stack.backend.transcripts[transcript_id] = transcript_pb2.Transcript(
        transcript_id=transcript_id, owner_id="owner-demo", meeting_ids=["4711"]
    )
    return transcript_id


@pytest.fixture(scope="session")
async def sign_in_issuer() -> AsyncIterator[SignInIssuer]:
    issuer = SignInIssuer()
    async with HttpServer(issuer.app, "127.0.0.1:0") as server:
        issuer.origin = f"http://127.0.0.1:{server.port}"
        issuer.url = f"{issuer.origin}/jwks.json"
        yield issuer


@pytest.fixture
def honest(sign_in_issuer: SignInIssuer) -> SignInIssuer:
    """The issuer, doing nothing wrong yet."""
    sign_in_issuer.claims, sign_in_issuer.id_token, sign_in_issuer.token_failure = {}, None, None
    sign_in_issuer.is_away = False
    return sign_in_issuer


@pytest.fixture(scope="session")
async def pages(stack: Stack, sign_in_issuer: SignInIssuer) -> AsyncIterator[Settings]:
    """A gateway that people can sign in at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = stack.settings.model_copy(
        update={
            "gateway_listen": f"127.0.0.1:{port}",
            "gateway_url": f"http://127.0.0.1:{port}",
            "oidc_issuer": sign_in_issuer.origin,
            "oidc_jwks_url": sign_in_issuer.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "session_secret": SecretStr(SESSION_SECRET),
            "cors_origins": "https://elsewhere.example.org",
        }
    )
    async with application(settings) as app, HttpServer(app, settings.gateway_listen):
        yield settings


@pytest.fixture
async def visitor(pages: Settings) -> AsyncIterator[Visitor]:
    visitor = Visitor(pages.gateway_url)
    async with visitor.http:
        yield visitor


@pytest.fixture
async def host(visitor: Visitor, honest: SignInIssuer) -> Visitor:
    """Somebody who is signed in."""
    assert await visitor.come_back(honest.approve(await visitor.begin())) == "/meetings/4711"
    return visitor
