"""`python -m gateway serve`: HTTP, WebSockets and pages, until SIGTERM."""

import argparse
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvloop
from assent.consent.v1 import consent_events_pb2
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from assent.meeting.v1 import meeting_events_pb2
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from assent.recording.v1 import recording_events_pb2
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub
from assent.transcript.v1 import transcript_events_pb2
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceStub
from fastapi import FastAPI

from chassis import logs, telemetry
from chassis.bus import Bus
from chassis.channel import connect
from chassis.settings import load
from gateway.answering import Answering
from gateway.app import create_app
from gateway.keys import KeySet
from gateway.limits import Limits
from gateway.meeting_feed import MeetingFeed
from gateway.notices import Notices, read_notices
from gateway.pages import WEB
from gateway.parts import Parts
from gateway.provider import Client, Provider
from gateway.server import HttpServer
from gateway.sessions import Sessions
from gateway.settings import Settings
from gateway.sign_in import CALLBACK, SignIn
from gateway.tokens import Tokens
from gateway.transcript_feed import TranscriptFeed


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    async with application(settings) as app:
        await HttpServer(app, settings.gateway_listen, settings.trusted_proxies).run_until_signalled()


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[FastAPI]:
    """The whole gateway but for its listening socket."""
    async with (
        httpx.AsyncClient(timeout=3.0) as http,
        connect(settings.consent_address, settings.tls) as consent,
        connect(settings.recording_address, settings.tls) as recordings,
        connect(settings.transcript_address, settings.tls) as transcripts,
        Bus(settings.nats_url) as bus,
        Answering(ConsentServiceStub(consent)) as answering,
        Notices(ConsentServiceStub(consent), read_notices(WEB / "texts")) as notices,
    ):
        meeting_feed = MeetingFeed(consent, recordings)
        transcript_feed = TranscriptFeed(transcripts)
        bus.listen(consent_events_pb2.AnswerSubmitted, meeting_feed.on_answer)
        bus.listen(meeting_events_pb2.PresenceChanged, meeting_feed.on_presence)
        bus.listen(recording_events_pb2.RecordingStateChanged, meeting_feed.on_recording)
        bus.listen(transcript_events_pb2.TranscriptEventAppended, transcript_feed.on_event)
        keys = KeySet(http, settings.oidc_jwks_url)
        parts = Parts(
            settings=settings,
            tokens=_tokens(settings, keys),
            sessions=_sessions(settings),
            sign_in=_sign_in(settings, keys),
            bus=bus,
            meetings=MeetingServiceStub(consent),
            consent=ConsentServiceStub(consent),
            answering=answering,
            recordings=RecordingServiceStub(recordings),
            transcripts=TranscriptServiceStub(transcripts),
            meeting_feed=meeting_feed,
            transcript_feed=transcript_feed,
            notices=notices,
            limits=Limits.of(settings),
            channels={"consent_svc": consent, "recording_svc": recordings, "transcript_svc": transcripts},
        )
        yield create_app(parts)


def _tokens(settings: Settings, keys: KeySet) -> Tokens:
    return Tokens(
        keys,
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        subject_claim=settings.oidc_subject_claim,
        participant_secrets=settings.participant_secrets,
    )


def _sessions(settings: Settings) -> Sessions:
    return Sessions(
        secrets=settings.session_secrets,
        issuer=settings.oidc_issuer,
        gateway_url=settings.gateway_url,
        hours=settings.session_hours,
    )


def _sign_in(settings: Settings, keys: KeySet) -> SignIn | None:
    """The way to sign in on the pages, where the issuer knows them."""
    if not settings.oidc_client_id:
        return None
    client = Client(
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        settings.oidc_scope,
        settings.gateway_url + CALLBACK,
        settings.oidc_subject_claim,
    )
    return SignIn(Provider(settings.oidc_issuer, client, keys), settings)


def main() -> None:
    """Read the command line and the environment, then serve."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description="The face of Assent to the outside.")
    parser.add_argument("command", choices=["serve"])
    parser.parse_args()
    settings = load(Settings)
    # Each listener takes a file; many systems begin with a thousand and allow far more.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logs.configure("gateway", settings.log_level)
    telemetry.configure("gateway")
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
