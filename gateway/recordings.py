"""Recordings over HTTP, for their owner: state, every copy of the audio, and the proof of its erasure."""

from datetime import datetime
from typing import Annotated

from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from gateway.access import meeting_for, recording_for
from gateway.auth import Owner
from gateway.parts import Gateway
from gateway.problems import may_fail
from gateway.revalidation import UNCHANGED, IfNoneMatch, shown
from gateway.shapes import Id, Page, PageSize, PageToken, moment, word_of

router = APIRouter(tags=["recordings"])

MeetingFilter = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$", description="Only of this meeting.")]


class Copy(BaseModel):
    """A place where audio bytes lie or lay."""

    kind: str = Field(description="ORIGINAL, MULTIPART, MP3 or SCRATCH.")
    bucket: str
    key: str
    state: str = Field(description="present, gone or blocked.")


class Recording(BaseModel):
    """One object version that Whereby put into the recordings bucket."""

    id: str
    meeting_id: str | None = Field(description="Null while unmatched.")
    meeting_ids: list[str] = Field(description="Several where meetings truly overlapped.")
    bucket: str
    object_key: str
    version_id: str
    size_bytes: int
    recorded_at: datetime | None
    discovered_at: datetime | None
    state: str = Field(
        description="discovered, unmatched, transcribing, undecided, kept, erasing, erased, blocked or failed."
    )
    reason: str = Field(description="Why it is in that state.")
    transcript_id: str | None
    copies: list[Copy]
    erased_at: datetime | None
    blocked_until: datetime | None = Field(description="While blocked: when the lock ends, where it is known.")


class Recordings(Page):
    """A page of recordings, newest first."""

    recordings: list[Recording]


class Certificate(BaseModel):
    """Proof that every copy was listed and found gone."""

    recording_id: str
    certificate: str = Field(description="Compact JWS (EdDSA); checked offline with the operator's public key.")


class MeetingCertificate(BaseModel):
    """Proof that every recording of a meeting is erased; it names their own certificates by their hashes."""

    meeting_id: str
    certificate: str = Field(description="Compact JWS (EdDSA); checked offline with the operator's public key.")


@router.get("/v1/recordings", responses=may_fail(400, 401, 403, 422, 503))
async def list_recordings(
    owner: Owner, gateway: Gateway, meeting_id: MeetingFilter = "", page_size: PageSize = 50, page_token: PageToken = ""
) -> Recordings:
    """The owner's recordings, of one meeting or of all."""
    request = rpc.ListRecordingsRequest(
        meeting_id=meeting_id, owner_id=owner.subject, page_size=page_size, page_token=page_token
    )
    page = await gateway.recordings.ListRecordings(request)
    return Recordings(
        recordings=[_recording(recording) for recording in page.recordings], next_page_token=page.next_page_token
    )


@router.get(
    "/v1/recordings/{recording_id}",
    response_model=Recording,
    responses={**UNCHANGED, **may_fail(401, 403, 404, 503)},
)
async def get_recording(
    recording_id: Id, owner: Owner, gateway: Gateway, if_none_match: IfNoneMatch = None
) -> Response:
    """One recording."""
    return shown(_recording(await recording_for(owner, recording_id, gateway)), if_none_match)


@router.get("/v1/recordings/{recording_id}/certificate", responses=may_fail(401, 403, 404, 409, 503))
async def get_certificate(recording_id: Id, owner: Owner, gateway: Gateway) -> Certificate:
    """The proof of erasure; 409 (NOT_ERASED) until the audio is verified gone."""
    await recording_for(owner, recording_id, gateway)
    found = await gateway.recordings.GetCertificate(rpc.GetCertificateRequest(recording_id=recording_id))
    return Certificate(recording_id=recording_id, certificate=found.certificate)


@router.get("/v1/meetings/{meeting_id}/certificate", responses=may_fail(401, 403, 404, 409, 503))
async def get_meeting_certificate(meeting_id: Id, owner: Owner, gateway: Gateway) -> MeetingCertificate:
    """The proof that every recording of a meeting is erased; 409 (NOT_ERASED) while one is not."""
    await meeting_for(owner, meeting_id, gateway)
    found = await gateway.recordings.GetMeetingCertificate(rpc.GetMeetingCertificateRequest(meeting_id=meeting_id))
    return MeetingCertificate(meeting_id=meeting_id, certificate=found.certificate)


def state_of(recording: recording_pb2.Recording) -> str:
    """A recording's state as JSON shows it."""
    return word_of(recording_pb2.RecordingState, "RECORDING_STATE_", recording.state)


def _recording(recording: recording_pb2.Recording) -> Recording:
    return Recording(
        id=recording.recording_id,
        meeting_id=next(iter(recording.meeting_ids), None),
        meeting_ids=list(recording.meeting_ids),
        bucket=recording.bucket,
        object_key=recording.object_key,
        version_id=recording.version_id,
        size_bytes=recording.size_bytes,
        recorded_at=moment(recording, "recorded_at"),
        discovered_at=moment(recording, "discovered_at"),
        state=state_of(recording),
        reason=recording.reason,
        transcript_id=recording.transcript_id or None,
        copies=[_copy(copy) for copy in recording.copies],
        erased_at=moment(recording, "erased_at"),
        blocked_until=moment(recording, "blocked_until"),
    )


def _copy(copy: recording_pb2.AudioCopy) -> Copy:
    return Copy(
        kind=word_of(recording_pb2.CopyKind, "COPY_KIND_", copy.kind),
        bucket=copy.bucket,
        key=copy.key,
        state=word_of(recording_pb2.CopyState, "COPY_STATE_", copy.state),
    )
