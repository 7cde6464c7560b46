"""Stand-ins for consent_svc and transcript_svc: real gRPC servers that answer what a test tells them to."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc
from assent.consent.v1 import consent_pb2, consent_service_pb2
from assent.consent.v1.consent_service_pb2_grpc import (
    ConsentServiceServicer,
    ConsentServiceStub,
    add_ConsentServiceServicer_to_server,
)
from assent.meeting.v1 import meeting_pb2, meeting_service_pb2
from assent.meeting.v1.meeting_service_pb2_grpc import (
    MeetingServiceServicer,
    MeetingServiceStub,
    add_MeetingServiceServicer_to_server,
)
from assent.transcript.v1 import transcript_pb2, transcript_service_pb2
from assent.transcript.v1.transcript_service_pb2_grpc import (
    TranscriptServiceServicer,
    TranscriptServiceStub,
    add_TranscriptServiceServicer_to_server,
)
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.channel import Tls, connect
from chassis.errors import InvalidArgument, NotFound, ServiceError, Unavailable
from chassis.server import Server
from recording_svc.consent import Consent
from recording_svc.transcripts import Transcripts

RECORDED_AT = datetime(2026, 11, 22, 11, 20, tzinfo=UTC)
KEEP, DELETE, WAIT = consent_pb2.DECISION_KEEP, consent_pb2.DECISION_DELETE, consent_pb2.DECISION_WAIT
SOMEBODY_REFUSED = consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED
NOBODY_REFUSED = consent_pb2.VERDICT_REASON_NOBODY_REFUSED
COMPLETED, FAILED = transcript_pb2.TRANSCRIPT_STATUS_COMPLETED, transcript_pb2.TRANSCRIPT_STATUS_FAILED
PROCESSING = transcript_pb2.TRANSCRIPT_STATUS_PROCESSING
Context = grpc.aio.ServicerContext[Any, Any]


class Answers(MeetingServiceServicer, ConsentServiceServicer):
    """Meetings by object key, refusals by meeting, decided as consent_svc decides by default."""

    def __init__(self) -> None:
        self.meetings: dict[str, list[str]] = {}
        self.default_meetings: list[str] = ["meeting-1"]
        # The owners of the meetings that can be asked for by their id.
        self.owners: dict[str, str] = {}
        self.refusals: dict[str, int] = {}
        self.verdict: consent_pb2.Verdict | None = None
        self.error: ServiceError | None = None
        self.retention_days: int | None = None
        self.asked: list[str] = []
        self.durations: list[int | None] = []
        self.was_asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def MatchRecording(
        self, request: meeting_service_pb2.MatchRecordingRequest, context: Context
    ) -> meeting_service_pb2.MatchRecordingResponse:
        self.durations.append(request.duration.ToMilliseconds() if request.HasField("duration") else None)
        if self.error:
            raise self.error
        if "unreadable" in request.object_key:
            raise InvalidArgument("the key does not follow Whereby's naming", reason="OBJECT_KEY_UNREADABLE")
        meetings = self.meetings.get(request.object_key, self.default_meetings)
        owner = "owner-1" if meetings else ""
        reply = meeting_service_pb2.MatchRecordingResponse(
            meeting_ids=meetings, owner_id=owner, retention_days=self.retention_days
        )
        reply.recorded_at.FromDatetime(RECORDED_AT)
        return reply

    async def GetMeeting(
        self, request: meeting_service_pb2.GetMeetingRequest, context: Context
    ) -> meeting_service_pb2.GetMeetingResponse:
        if self.error:
            raise self.error
        if request.meeting_id not in self.owners:
            raise NotFound("no such meeting", reason="MEETING_NOT_FOUND")
        settings = meeting_pb2.RoomSettings(retention_days=self.retention_days)
        meeting = meeting_pb2.Meeting(
            meeting_id=request.meeting_id, owner_id=self.owners[request.meeting_id], room="a-room", settings=settings
        )
        return meeting_service_pb2.GetMeetingResponse(meeting=meeting)

    async def GetVerdict(
        self, request: consent_service_pb2.GetVerdictRequest, context: Context
    ) -> consent_service_pb2.GetVerdictResponse:
        self.asked += request.meeting_ids
        self.was_asked.set()
        verdict = self.verdict or self._decide(list(request.meeting_ids))
        await self.gate.wait()
        if self.error:
            raise self.error
        return consent_service_pb2.GetVerdictResponse(verdict=verdict)

    def _decide(self, meeting_ids: list[str]) -> consent_pb2.Verdict:
        rests_on = [consent_pb2.Revision(meeting_id=one, revision=self.refusals.get(one, 0)) for one in meeting_ids]
        refusals = [one for one in rests_on if one.revision]
        return consent_pb2.Verdict(
            decision=DELETE if refusals else KEEP,
            reason=SOMEBODY_REFUSED if refusals else NOBODY_REFUSED,
            refusals=refusals,
            rests_on=rests_on,
        )


class Written(TranscriptServiceServicer):
    """Transcripts by recording; `default` is the status of those that nobody set."""

    def __init__(self) -> None:
        self.status: dict[str, transcript_pb2.TranscriptStatus.ValueType] = {}
        self.default: transcript_pb2.TranscriptStatus.ValueType | None = COMPLETED
        self.finished_at: datetime | Timestamp | None = None
        self.error: ServiceError | None = None

    async def GetTranscript(
        self, request: transcript_service_pb2.GetTranscriptRequest, context: Context
    ) -> transcript_service_pb2.GetTranscriptResponse:
        if self.error:
            raise self.error
        status = self.status.get(request.recording_id, self.default)
        if status is None:
            raise NotFound("no transcript", reason="TRANSCRIPT_NOT_FOUND")
        transcript = transcript_pb2.Transcript(
            transcript_id=f"transcript-of-{request.recording_id}",
            recording_id=request.recording_id,
            status=status,
            duration_ms=35_000 if status == COMPLETED else 0,
        )
        if isinstance(self.finished_at, datetime):
            transcript.finished_at.FromDatetime(self.finished_at)
        elif self.finished_at:
            transcript.finished_at.CopyFrom(self.finished_at)
        return transcript_service_pb2.GetTranscriptResponse(transcript=transcript)


class Neighbours:
    """Both services behind one port, and clients to them."""

    def __init__(self, tls: Tls, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.answers = Answers()
        self.written = Written()
        self._server = Server("127.0.0.1:0", tls=tls)
        meetings = meeting_service_pb2.DESCRIPTOR.services_by_name["MeetingService"]
        consent = consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"]
        transcripts = transcript_service_pb2.DESCRIPTOR.services_by_name["TranscriptService"]
        self._server.add(add_MeetingServiceServicer_to_server, self.answers, meetings)
        self._server.add(add_ConsentServiceServicer_to_server, self.answers, consent)
        self._server.add(add_TranscriptServiceServicer_to_server, self.written, transcripts)
        self._channel = connect(f"127.0.0.1:{self._server.port}", tls)
        self.consent = Consent(MeetingServiceStub(self._channel), ConsentServiceStub(self._channel))
        self.transcripts = Transcripts(TranscriptServiceStub(self._channel), now)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()
        await self._server.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    def refuse(self, meeting_id: str = "meeting-1", revision: int = 3) -> None:
        self.answers.refusals[meeting_id] = revision

    def grant(self, meeting_id: str = "meeting-1") -> None:
        self.answers.refusals.pop(meeting_id, None)

    def fall_silent(self) -> None:
        self.answers.error = Unavailable("away", reason="AWAY")

    def return_(self) -> None:
        self.answers.error = None
