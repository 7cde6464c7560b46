"""What every route works with: made once in `__main__`, handed to each request."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import grpc
from fastapi import Depends
from starlette.requests import HTTPConnection

from chassis.bus import Bus
from gateway.limits import Limits
from gateway.metrics import Metrics
from gateway.sessions import Sessions
from gateway.settings import Settings
from gateway.tokens import Tokens

if TYPE_CHECKING:  # they exist for the type checker alone
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub
    from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceAsyncStub

    from gateway.answering import Answering
    from gateway.meeting_feed import MeetingFeed
    from gateway.notices import Notices
    from gateway.sign_in import SignIn
    from gateway.transcript_feed import TranscriptFeed


@dataclass(frozen=True)
class Parts:
    """The services behind us, and what the gateway itself is made of."""

    settings: Settings
    tokens: Tokens
    sessions: Sessions
    sign_in: "SignIn | None"
    """None where there is no client at the issuer to sign in with."""
    bus: Bus
    meetings: "MeetingServiceAsyncStub"
    consent: "ConsentServiceAsyncStub"
    answering: "Answering"
    recordings: "RecordingServiceAsyncStub"
    transcripts: "TranscriptServiceAsyncStub"
    meeting_feed: "MeetingFeed"
    transcript_feed: "TranscriptFeed"
    notices: "Notices"
    limits: Limits
    channels: dict[str, grpc.aio.Channel]
    """By the service's name, for its health."""
    metrics: Metrics = field(default_factory=Metrics)


def _parts(connection: HTTPConnection) -> Parts:
    parts: Parts = connection.app.state.parts
    return parts


Gateway = Annotated[Parts, Depends(_parts)]
