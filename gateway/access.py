"""Whether the caller may see a meeting, a recording or a transcript; if not, it is like one that never was."""

from collections.abc import Awaitable
from typing import TypeVar

from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meeting_rpc
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as recording_rpc
from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as transcript_rpc
from starlette.requests import HTTPConnection

from chassis.errors import NotFound, PermissionDenied
from gateway.parts import Parts
from gateway.settings import Settings
from gateway.tokens import Identity, Person, ReceiptHolder, SignedIn

T = TypeVar("T")


def no_meeting(meeting_id: str) -> NotFound:
    """There is none, or it is somebody else's."""
    return NotFound(
        f"no meeting {meeting_id}: list meetings with GET /v1/rooms/{{room_name}}/meetings", reason="MEETING_NOT_FOUND"
    )


def ensure_meeting(identity: Identity, meeting_id: str) -> None:
    """Stop a participant of another meeting, without saying whether this one exists."""
    if not isinstance(identity, SignedIn) and identity.meeting_id != meeting_id:
        raise PermissionDenied("this token is for another meeting: open this one's room", reason="OTHER_MEETING")


def ensure_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Stop a page of an origin that the operator did not name, where no token has to be shown or a cookie does."""
    if not settings.may_ask(connection.headers.get("origin")):
        raise PermissionDenied("pages of another origin may not ask for this", reason="ORIGIN_REFUSED")


def ensure_person(identity: Identity) -> Person:
    """Stop the holder of a receipt's link: it opens that answer and nothing else."""
    if isinstance(identity, ReceiptHolder):
        raise PermissionDenied(
            "a receipt's token shows and changes one answer and does not do here: open the room", reason="RECEIPT_ONLY"
        )
    return identity


async def meeting_for(identity: Identity, meeting_id: str, parts: Parts) -> meeting_pb2.Meeting:
    """A meeting that the caller takes part in or owns."""
    ensure_meeting(identity, meeting_id)
    person = ensure_person(identity)
    missing = no_meeting(meeting_id)
    asked = meeting_rpc.GetMeetingRequest(meeting_id=meeting_id)
    meeting = (await found(parts.meetings.GetMeeting(asked), missing)).meeting
    if isinstance(person, SignedIn):
        _ensure_owned(person, meeting.owner_id, missing)
    return meeting


async def recording_for(identity: SignedIn, recording_id: str, parts: Parts) -> recording_pb2.Recording:
    """A recording that the caller owns."""
    missing = NotFound(
        f"no recording {recording_id}: list recordings with GET /v1/recordings", reason="RECORDING_NOT_FOUND"
    )
    asked = recording_rpc.GetRecordingRequest(recording_id=recording_id)
    recording = (await found(parts.recordings.GetRecording(asked), missing)).recording
    _ensure_owned(identity, recording.owner_id, missing)
    return recording


async def transcript_for(identity: Identity, transcript_id: str, parts: Parts) -> transcript_pb2.Transcript:
    """A transcript that the caller owns, or of a meeting that they took part in."""
    person = ensure_person(identity)
    missing = NotFound(
        f"no transcript {transcript_id}: list transcripts with GET /v1/transcripts", reason="TRANSCRIPT_NOT_FOUND"
    )
    asked = transcript_rpc.GetTranscriptRequest(transcript_id=transcript_id)
    transcript = (await found(parts.transcripts.GetTranscript(asked), missing)).transcript
    if not transcript.owner_id and not transcript.meeting_ids:
        await _match(transcript, parts, missing)
    if isinstance(person, SignedIn):
        _ensure_owned(person, transcript.owner_id, missing)
    elif person.meeting_id not in transcript.meeting_ids:
        raise missing
    return transcript


async def _match(transcript: transcript_pb2.Transcript, parts: Parts, missing: NotFound) -> None:
    """Ask whose it is: transcript_svc is told by an event, a moment after the recording's owner could see it."""
    asked = recording_rpc.GetRecordingRequest(recording_id=transcript.recording_id)
    recording = (await found(parts.recordings.GetRecording(asked), missing)).recording
    transcript.owner_id = recording.owner_id
    del transcript.meeting_ids[:]
    transcript.meeting_ids.extend(recording.meeting_ids)


async def found(call: Awaitable[T], missing: NotFound) -> T:
    """What a service found; `missing` where it found nothing."""
    try:
        return await call
    except NotFound:
        # In the same words as for somebody else's, or the words would tell which of the two it is.
        raise missing from None


def _ensure_owned(identity: SignedIn, owner_id: str, missing: NotFound) -> None:
    # What is not matched yet belongs to nobody, and nobody is not an owner.
    if not owner_id or identity.subject != owner_id:
        raise missing
