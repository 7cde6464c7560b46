"""The three services in memory: honest about what the protos promise, and able to pause or to be wrong."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent_rpc
from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meeting_rpc
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceServicer
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as recording_rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceServicer
from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as transcript_rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceServicer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ServiceError
from tests.gateway.history_calls import HistoryCalls
from tests.gateway.receipt_calls import ReceiptCalls

Context = grpc.aio.ServicerContext[Any, Any]
CHUNK = 16 * 1024


@dataclass
class Backend:
    """What the services know."""

    rooms: dict[str, meeting_pb2.Room] = field(default_factory=dict)
    meetings: dict[str, meeting_pb2.Meeting] = field(default_factory=dict)
    people: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: defaultdict[str, list[consent_pb2.RecordedAnswer]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[tuple[str, str, str], consent_pb2.RecordedAnswer] = field(default_factory=dict)
    fingerprints: list[str] = field(default_factory=list)
    notices: dict[tuple[str, str], consent_pb2.Notice] = field(default_factory=dict)
    receipt_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    history_faults: dict[str, consent_pb2.HistoryFault] = field(default_factory=dict)
    """What is found in a meeting's history."""
    interruptions: dict[str, ServiceError] = field(default_factory=dict)
    """What ends a meeting's export before its last line."""
    recordings: dict[str, recording_pb2.Recording] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    transcripts: dict[str, transcript_pb2.Transcript] = field(default_factory=dict)
    events: defaultdict[str, list[transcript_pb2.TranscriptEvent]] = field(default_factory=lambda: defaultdict(list))
    queued: dict[str, transcript_pb2.TranscriptEvent] = field(default_factory=dict)
    asked_for_events: int = 0
    editors: list[str] = field(default_factory=list)
    audio: dict[str, bytes] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    """The reason for which a transcript's audio is not handed out."""
    consent_runs: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: consent_svc takes calls and answers none, like a paused process."""
    streamed: int = 0
    """Bytes of audio that left."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.consent_runs.set()

    def meeting(self, meeting_id: str) -> meeting_pb2.Meeting:
        """A meeting that there is."""
        if meeting_id not in self.meetings:
            raise NotFound(f"consent_svc knows no meeting {meeting_id}", reason="MEETING_NOT_FOUND")
        return self.meetings[meeting_id]

    def transcript(self, transcript_id: str) -> transcript_pb2.Transcript:
        """A transcript that there is."""
        if transcript_id not in self.transcripts:
            raise NotFound(f"transcript_svc knows no {transcript_id}", reason="TRANSCRIPT_NOT_FOUND")
        return self.transcripts[transcript_id]

    def heard(self, transcript_id: str) -> bytes:
        """Audio that may be handed out."""
        self.transcript(transcript_id)
        if reason := self.withheld.get(transcript_id):
            raise FailedPrecondition("the audio may not be heard", reason=reason)
        if transcript_id not in self.audio:
            raise NotFound("there is no audio", reason="AUDIO_NOT_FOUND")
        return self.audio[transcript_id]


class Meetings(MeetingServiceServicer):
    """Rooms and meetings."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    def _room(self, name: str, owner_id: str) -> meeting_pb2.Room:
        room = self._b.rooms.get(name)
        if room is None or room.owner_id != owner_id:
            raise NotFound(f"no room {name}", reason="ROOM_NOT_FOUND")
        return room

    async def CreateRoom(self, request: meeting_rpc.CreateRoomRequest, context: Context) -> Any:
        if request.name in self._b.rooms:
            raise AlreadyExists(f"there is a room {request.name}", reason="ROOM_EXISTS")
        room = meeting_pb2.Room(name=request.name, owner_id=request.owner_id, settings=request.settings)
        settings = room.settings
        settings.recording_type = settings.recording_type or meeting_pb2.RECORDING_TYPE_CLOUD
        default = meeting_pb2.RECORDING_TRIGGER_AUTOMATIC_2ND_PARTICIPANT
        settings.recording_trigger = settings.recording_trigger or default
        settings.mode = settings.mode or meeting_pb2.ROOM_MODE_NORMAL
        settings.consent_policy = settings.consent_policy or meeting_pb2.CONSENT_POLICY_DELETE_ON_DENIAL
        room.created_at.GetCurrentTime()
        room.updated_at.GetCurrentTime()
        self._b.rooms[room.name] = room
        return meeting_rpc.CreateRoomResponse(room=room)

    async def GetRoom(self, request: meeting_rpc.GetRoomRequest, context: Context) -> Any:
        return meeting_rpc.GetRoomResponse(room=self._room(request.name, request.owner_id))

    async def ListRooms(self, request: meeting_rpc.ListRoomsRequest, context: Context) -> Any:
        if request.page_token and not request.page_token.isdigit():
            raise InvalidArgument("not a page token of ours", reason="PAGE_TOKEN_INVALID")
        own = [room for room in self._b.rooms.values() if room.owner_id == request.owner_id]
        start, size = int(request.page_token or 0), request.page_size or 50
        more = str(start + size) if start + size < len(own) else ""
        return meeting_rpc.ListRoomsResponse(rooms=own[start : start + size], next_page_token=more)

    async def UpdateRoom(self, request: meeting_rpc.UpdateRoomRequest, context: Context) -> Any:
        room = self._room(request.name, request.owner_id)
        for path in request.update_mask.paths:
            room.settings.ClearField(path)  # type: ignore[arg-type]  # a path of the mask
        given = meeting_pb2.RoomSettings()
        request.update_mask.MergeMessage(request.settings, given)
        room.settings.MergeFrom(given)
        return meeting_rpc.UpdateRoomResponse(room=room)

    async def DeleteRoom(self, request: meeting_rpc.DeleteRoomRequest, context: Context) -> Any:
        del self._b.rooms[self._room(request.name, request.owner_id).name]
        return meeting_rpc.DeleteRoomResponse()

    async def OpenMeeting(self, request: meeting_rpc.OpenMeetingRequest, context: Context) -> Any:
        if request.room_name not in self._b.rooms:
            raise NotFound(f"no room {request.room_name}", reason="ROOM_NOT_FOUND")
        meeting = next(
            (one for one in self._b.meetings.values() if one.room == request.room_name and one.is_active), None
        ) or self._new_meeting(self._b.rooms[request.room_name])
        participant_id = request.user_participant_id
        if request.previous.meeting_id == meeting.meeting_id:
            participant_id = request.previous.participant_id
        participant_id = participant_id or f"p{next(self._b.numbers)}"
        self._b.people[meeting.meeting_id].add(participant_id)
        return meeting_rpc.OpenMeetingResponse(meeting=meeting, participant_id=participant_id)

    def _new_meeting(self, room: meeting_pb2.Room) -> meeting_pb2.Meeting:
        meeting_id = str(1000 + next(self._b.numbers))
        meeting = meeting_pb2.Meeting(
            meeting_id=meeting_id,
            room=room.name,
            whereby_room_name=f"/{room.name}-{meeting_id}",
            room_url=f"https://example.whereby.com/{room.name}-{meeting_id}",
            host_room_url=f"https://example.whereby.com/{room.name}-{meeting_id}?roomKey=host",
            owner_id=room.owner_id,
            is_active=True,
            settings=room.settings,
        )
        meeting.start_time.GetCurrentTime()
        self._b.meetings[meeting_id] = meeting
        return meeting

    async def GetMeeting(self, request: meeting_rpc.GetMeetingRequest, context: Context) -> Any:
        return meeting_rpc.GetMeetingResponse(meeting=self._b.meeting(request.meeting_id))

    async def ListMeetings(self, request: meeting_rpc.ListMeetingsRequest, context: Context) -> Any:
        room = self._room(request.room_name, request.owner_id)
        found = [meeting for meeting in self._b.meetings.values() if meeting.room == room.name]
        return meeting_rpc.ListMeetingsResponse(meetings=reversed(found))


class Consents(ReceiptCalls, HistoryCalls):
    """Answers."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    async def SubmitAnswer(self, request: consent_rpc.SubmitAnswerRequest, context: Context) -> Any:
        await self._b.consent_runs.wait()
        self._b.meeting(request.meeting_id)
        if request.presence_required and request.participant_id not in self._b.people[request.meeting_id]:
            raise NotFound("no such meeting", reason="MEETING_NOT_FOUND")
        key = (request.meeting_id, request.participant_id, request.request_id)
        if key not in self._b.requests:
            self._b.fingerprints.append(request.fingerprint_hash)
            history = self._b.answers[request.meeting_id]
            answer = consent_pb2.RecordedAnswer(
                consent_id=f"c{next(self._b.numbers)}",
                meeting_id=request.meeting_id,
                participant_id=request.participant_id,
                answer=request.answer,
                revision=len(history) + 1,
                notice_version=request.notice_version,
                language=request.language,
            )
            answer.answered_at.GetCurrentTime()
            history.append(answer)
            self._b.people[request.meeting_id].add(request.participant_id)
            self._b.requests[key] = answer
        return consent_rpc.SubmitAnswerResponse(answer=self._b.requests[key])

    async def SubmitAnswers(self, requests: Any, context: Context) -> Any:
        async for request in requests:
            outcomes = [await self._settled(pending, context) for pending in request.answers]
            yield consent_rpc.SubmitAnswersResponse(outcomes=outcomes)

    async def _settled(self, pending: consent_rpc.PendingAnswer, context: Context) -> consent_rpc.AnswerOutcome:
        try:
            recorded = (await self.SubmitAnswer(pending.answer, context)).answer
        except ServiceError as error:
            refusal = consent_rpc.Refusal(code=error.code.value[0], reason=error.reason, message=error.message)
            return consent_rpc.AnswerOutcome(number=pending.number, refusal=refusal)
        return consent_rpc.AnswerOutcome(number=pending.number, recorded=recorded)

    async def GetConsent(self, request: consent_rpc.GetConsentRequest, context: Context) -> Any:
        await self._b.consent_runs.wait()
        self._b.meeting(request.meeting_id)
        current = {answer.participant_id: answer for answer in self._b.answers[request.meeting_id]}
        said = [answer.answer for answer in current.values()]
        present = len(self._b.people[request.meeting_id])
        counts = consent_pb2.Counts(
            present=present,
            granted=said.count(consent_pb2.ANSWER_GRANTED),
            denied=said.count(consent_pb2.ANSWER_DENIED),
            unanswered=present - len(said),
        )
        return consent_rpc.GetConsentResponse(answer=current.get(request.participant_id), counts=counts)


class Recordings(RecordingServiceServicer):
    """Recordings and certificates."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    def _recording(self, recording_id: str) -> recording_pb2.Recording:
        if recording_id not in self._b.recordings:
            raise NotFound(f"recording_svc knows no {recording_id}", reason="RECORDING_NOT_FOUND")
        return self._b.recordings[recording_id]

    async def GetRecording(self, request: recording_rpc.GetRecordingRequest, context: Context) -> Any:
        return recording_rpc.GetRecordingResponse(recording=self._recording(request.recording_id))

    async def ListRecordings(self, request: recording_rpc.ListRecordingsRequest, context: Context) -> Any:
        found = [
            recording
            for recording in self._b.recordings.values()
            if request.meeting_id in ("", *recording.meeting_ids) and request.owner_id in ("", recording.owner_id)
        ]
        return recording_rpc.ListRecordingsResponse(recordings=reversed(found))

    async def GetCertificate(self, request: recording_rpc.GetCertificateRequest, context: Context) -> Any:
        self._recording(request.recording_id)
        if request.recording_id not in self._b.certificates:
            raise FailedPrecondition("the audio is not erased", reason="NOT_ERASED")
        return recording_rpc.GetCertificateResponse(certificate=self._b.certificates[request.recording_id])

    async def GetMeetingCertificate(self, request: recording_rpc.GetMeetingCertificateRequest, context: Context) -> Any:
        if request.meeting_id not in self._b.certificates:
            raise FailedPrecondition("a recording is not erased", reason="NOT_ERASED")
        return recording_rpc.GetMeetingCertificateResponse(certificate=self._b.certificates[request.meeting_id])


class Transcripts(TranscriptServiceServicer):
    """Transcripts and audio."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    async def GetTranscript(self, request: transcript_rpc.GetTranscriptRequest, context: Context) -> Any:
        return transcript_rpc.GetTranscriptResponse(transcript=self._b.transcript(request.transcript_id))

    async def ListTranscripts(self, request: transcript_rpc.ListTranscriptsRequest, context: Context) -> Any:
        found = [
            one
            for one in self._b.transcripts.values()
            if request.meeting_id in ("", *one.meeting_ids) and request.owner_id in ("", one.owner_id)
        ]
        return transcript_rpc.ListTranscriptsResponse(transcripts=reversed(found))

    async def UpdateTranscript(self, request: transcript_rpc.UpdateTranscriptRequest, context: Context) -> Any:
        transcript = self._b.transcript(request.transcript_id)
        if transcript.locked and list(request.update_mask.paths) != ["locked"]:
            raise FailedPrecondition("it is locked: unlock it first", reason="TRANSCRIPT_LOCKED")
        for path in request.update_mask.paths:
            setattr(transcript, path, getattr(request, path))
        return transcript_rpc.UpdateTranscriptResponse(transcript=transcript)

    async def EditSegment(self, request: transcript_rpc.EditSegmentRequest, context: Context) -> Any:
        transcript = self._b.transcript(request.transcript_id)
        if transcript.locked:
            raise FailedPrecondition("it is locked: unlock it first", reason="TRANSCRIPT_LOCKED")
        if request.index >= len(transcript.segments):
            raise NotFound("no such segment", reason="SEGMENT_NOT_FOUND")
        segment = transcript.segments[request.index]
        segment.original_text = segment.original_text or segment.text
        segment.text, segment.index, segment.edited = request.text, request.index, True
        self._b.editors.append(request.editor_id)
        return transcript_rpc.EditSegmentResponse(segment=segment)

    async def SearchTranscripts(self, request: transcript_rpc.SearchTranscriptsRequest, context: Context) -> Any:
        hits = []
        for one in self._b.transcripts.values():
            if request.meeting_id in ("", *one.meeting_ids) and request.owner_id in ("", one.owner_id):
                places = [(n, s, s.text.find(request.query)) for n, s in enumerate(one.segments)]
                matches = [
                    transcript_rpc.Match(
                        segment=transcript_pb2.Segment(start_ms=s.start_ms, end_ms=s.end_ms, text=s.text, index=n),
                        marks=[transcript_rpc.Mark(start=at, end=at + len(request.query))],
                    )
                    for n, s, at in places
                    if at >= 0
                ]
                hits += [transcript_rpc.Hit(transcript=one, matches=matches)] * bool(matches)
        return transcript_rpc.SearchTranscriptsResponse(hits=hits)

    async def DeleteTranscript(self, request: transcript_rpc.DeleteTranscriptRequest, context: Context) -> Any:
        del self._b.transcripts[self._b.transcript(request.transcript_id).transcript_id]
        return transcript_rpc.DeleteTranscriptResponse()

    async def RenderTranscript(self, request: transcript_rpc.RenderTranscriptRequest, context: Context) -> Any:
        self._b.transcript(request.transcript_id)
        media_type = {
            transcript_rpc.TEXT_FORMAT_TXT: "text/plain",
            transcript_rpc.TEXT_FORMAT_VTT: "text/vtt",
            transcript_rpc.TEXT_FORMAT_SRT: "application/x-subrip",
            transcript_rpc.TEXT_FORMAT_JSON: "application/json",
        }[request.format]
        return transcript_rpc.RenderTranscriptResponse(media_type=media_type, text="José said ✓")

    async def ListTranscriptEvents(self, request: transcript_rpc.ListTranscriptEventsRequest, context: Context) -> Any:
        events = self._b.events[request.transcript_id]
        latest = max((event.sequence for event in events if event.WhichOneof("event") == "progress"), default=0)
        kept = [event for event in events if event.WhichOneof("event") != "progress" or event.sequence == latest]
        known = 0 < request.after_sequence <= max((event.sequence for event in events), default=0)
        after = request.after_sequence if known else 0
        self._b.asked_for_events += 1
        if not events and request.transcript_id in self._b.queued:
            return transcript_rpc.ListTranscriptEventsResponse(events=[self._b.queued[request.transcript_id]])
        missed = [event for event in kept if event.sequence > after]
        return transcript_rpc.ListTranscriptEventsResponse(events=missed, after_sequence=after)

    async def GetWaveform(self, request: transcript_rpc.GetWaveformRequest, context: Context) -> Any:
        self._b.heard(request.transcript_id)
        return transcript_rpc.GetWaveformResponse(waveform=transcript_pb2.Waveform(peaks=[0.0, 0.5, 1.0]))

    async def GetAudioInfo(self, request: transcript_rpc.GetAudioInfoRequest, context: Context) -> Any:
        size = len(self._b.heard(request.transcript_id))
        return transcript_rpc.GetAudioInfoResponse(size_bytes=size, media_type="audio/mpeg", etag="abc123")

    async def StreamAudio(
        self, request: transcript_rpc.StreamAudioRequest, context: Context
    ) -> AsyncIterator[transcript_rpc.StreamAudioResponse]:
        audio = self._b.heard(request.transcript_id)
        if request.offset >= len(audio):
            raise OutOfRange("past the end", reason="RANGE_INVALID")
        end = request.offset + request.length if request.length else len(audio)
        for start in range(request.offset, min(end, len(audio)), CHUNK):
            self._b.heard(request.transcript_id)  # as transcript_svc asks again while it streams
            piece = audio[start : min(start + CHUNK, end)]
            self._b.streamed += len(piece)
            yield transcript_rpc.StreamAudioResponse(data=piece)
