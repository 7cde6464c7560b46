"""Transcripts over HTTP: their words for owner and participants, changes and removal for the owner."""

from datetime import datetime
from typing import Annotated, Literal

from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc
from fastapi import APIRouter, Path, Response
from fastapi import Query as QueryParameter
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.errors import InvalidArgument
from gateway.access import ensure_meeting, transcript_for
from gateway.auth import Known, Owner
from gateway.parts import Gateway
from gateway.problems import may_fail
from gateway.recordings import MeetingFilter
from gateway.revalidation import UNCHANGED, IfNoneMatch, sent, shown
from gateway.shapes import Body, Id, Line, Page, PageSize, PageToken, moment, without_defaults, word_of
from gateway.tokens import SignedIn

router = APIRouter(tags=["transcripts"])

ERASE_SECONDS = 30.0
"""Removing a transcript waits until every copy of its audio was found gone."""

SegmentIndex = Annotated[int, Path(ge=0, lt=2**31, description="Counted from 0.")]
Query = Annotated[
    str, QueryParameter(max_length=300, pattern=r"^[^\x00]*$", description="What was said, as in a search box.")
]

_FORMATS = {name: rpc.TextFormat.Value(f"TEXT_FORMAT_{name.upper()}") for name in ("txt", "vtt", "srt", "json")}
_NOT_CHANGED = may_fail(400, 401, 403, 404, 408, 409, 413, 422, 503)
_MEDIA_TYPES = ("text/plain", "text/vtt", "application/x-subrip", "application/json")

Speaker: str = Field(
    "", description="The name or number of the audio track that is heard; empty where there is one, or none stands out."
)


class Word(BaseModel):
    """Times are milliseconds from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int


class Segment(BaseModel):
    """What was said between two silences."""

    start_ms: int
    end_ms: int
    text: str = Field(description="The latest edit, or what was heard.")
    words: list[Word] = Field(description="As they were heard, whatever was edited since.")
    edited: bool = False
    original_text: str | None = Field(None, description="What was heard, where it was edited into something else.")
    index: int | None = Field(None, description="Counted from 0; null while the transcript is being made.")
    speaker: str = Speaker


class TranscriptSummary(BaseModel):
    """A transcript without its words."""

    id: str
    recording_id: str
    meeting_id: str | None = Field(description="Null while the recording is unmatched.")
    meeting_ids: list[str]
    status: str = Field(description="queued, processing, completed, failed or no_audio.")
    duration_ms: int
    language: str
    title: str
    reviewed: bool
    locked: bool
    audio_deleted: bool
    failure: str = Field(description="Why it failed, for a person to read.")
    created_at: datetime | None
    finished_at: datetime | None


class Transcript(TranscriptSummary):
    """A transcript."""

    segments: list[Segment]


class Mark(BaseModel):
    """A word that was looked for: Unicode code points from the beginning of the text."""

    start: int
    end: int = Field(description="The first that does not belong to it.")


class Match(BaseModel):
    """A segment that holds what was looked for."""

    index: int
    start_ms: int
    end_ms: int
    text: str
    speaker: str = Speaker
    marks: list[Mark]


class ListedTranscript(TranscriptSummary):
    """A transcript, and what was found in it."""

    matches: list[Match] = Field([], description="The best segments, in their order; empty without a query.")


class Transcripts(Page):
    """A page of transcripts: newest first, or those that fit a query best first."""

    transcripts: list[ListedTranscript]


class SegmentText(Body):
    """What a segment shall read."""

    text: Annotated[Line, StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)]


class TranscriptChanges(Body):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    title: Annotated[Line, Field(max_length=300)] = ""
    reviewed: bool = False
    locked: bool = False


@router.get("/v1/transcripts", responses=may_fail(400, 401, 403, 422, 503))
async def list_transcripts(
    identity: Known,
    gateway: Gateway,
    meeting_id: MeetingFilter = "",
    page_size: PageSize = 50,
    page_token: PageToken = "",
    query: Query = "",
) -> Transcripts:
    """The owner's transcripts, or those of the participant's meeting; with a query those in which that was said.

    A query is words, "a phrase", `or`, `-without`, all of it within one segment, in the transcript's language.
    """
    owner_id = identity.subject if isinstance(identity, SignedIn) else ""
    if not isinstance(identity, SignedIn):
        ensure_meeting(identity, meeting_id or identity.meeting_id)
        meeting_id = identity.meeting_id
    if query.strip():
        asked = rpc.SearchTranscriptsRequest(
            query=query, meeting_id=meeting_id, owner_id=owner_id, page_size=page_size, page_token=page_token
        )
        found = await gateway.transcripts.SearchTranscripts(asked)
        return Transcripts(transcripts=[_found(hit) for hit in found.hits], next_page_token=found.next_page_token)
    request = rpc.ListTranscriptsRequest(
        meeting_id=meeting_id, owner_id=owner_id, page_size=page_size, page_token=page_token
    )
    page = await gateway.transcripts.ListTranscripts(request)
    listed = [ListedTranscript(**_summary(transcript).model_dump()) for transcript in page.transcripts]
    return Transcripts(transcripts=listed, next_page_token=page.next_page_token)


@router.get(
    "/v1/transcripts/{transcript_id}",
    response_model=Transcript,
    responses={**UNCHANGED, **may_fail(401, 403, 404, 503)},
)
async def get_transcript(
    transcript_id: Id, identity: Known, gateway: Gateway, if_none_match: IfNoneMatch = None
) -> Response:
    """One transcript with its words."""
    return shown(_transcript(await transcript_for(identity, transcript_id, gateway)), if_none_match)


@router.patch("/v1/transcripts/{transcript_id}", responses=_NOT_CHANGED)
async def update_transcript(
    transcript_id: Id, changes: TranscriptChanges, owner: Owner, gateway: Gateway
) -> Transcript:
    """Change title or marks. A locked transcript can only be unlocked (409 TRANSCRIPT_LOCKED)."""
    if not changes.model_fields_set:
        raise InvalidArgument("name at least one of title, reviewed, locked", reason="NOTHING_TO_CHANGE")
    await transcript_for(owner, transcript_id, gateway)
    request = rpc.UpdateTranscriptRequest(
        transcript_id=transcript_id,
        update_mask=FieldMask(paths=sorted(changes.model_fields_set)),
        **changes.model_dump(exclude_unset=True),
    )
    return _transcript((await gateway.transcripts.UpdateTranscript(request)).transcript)


@router.patch("/v1/transcripts/{transcript_id}/segments/{index}", responses=_NOT_CHANGED)
async def edit_segment(
    transcript_id: Id, index: SegmentIndex, changed: SegmentText, owner: Owner, gateway: Gateway
) -> Segment:
    """Set a segment's text; what was heard stays readable, and the text that was heard takes an edit back.

    409 while the transcript is locked (TRANSCRIPT_LOCKED) or not completed (TRANSCRIPT_NOT_COMPLETED). Whoever
    listens to the transcript's events is sent the segment again, as TRANSCRIPT with its index.
    """
    await transcript_for(owner, transcript_id, gateway)
    request = rpc.EditSegmentRequest(
        transcript_id=transcript_id, index=index, text=changed.text, editor_id=owner.subject
    )
    return segment_shape((await gateway.transcripts.EditSegment(request)).segment)


@router.delete("/v1/transcripts/{transcript_id}", status_code=204, responses=may_fail(401, 403, 404, 409, 503))
async def delete_transcript(transcript_id: Id, owner: Owner, gateway: Gateway) -> None:
    """Remove a transcript after its audio was erased; 503 (ERASURE_PENDING) while the erasure goes on."""
    await transcript_for(owner, transcript_id, gateway)
    request = rpc.DeleteTranscriptRequest(transcript_id=transcript_id)
    await gateway.transcripts.DeleteTranscript(request, timeout=ERASE_SECONDS)


@router.get(
    "/v1/transcripts/{transcript_id}/text",
    response_class=Response,
    responses={
        **UNCHANGED,
        200: {**UNCHANGED[200], "content": {kind: {} for kind in _MEDIA_TYPES}},
        **may_fail(401, 403, 404, 422, 503),
    },
)
async def get_text(
    transcript_id: Id,
    identity: Known,
    gateway: Gateway,
    format: Literal["txt", "vtt", "srt", "json"] = "txt",
    original: bool = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The words as plain text, WebVTT, SubRip or JSON: as edited, or as they were heard (`original=true`)."""
    await transcript_for(identity, transcript_id, gateway)
    request = rpc.RenderTranscriptRequest(transcript_id=transcript_id, format=_FORMATS[format], original=original)
    rendered = await gateway.transcripts.RenderTranscript(request)
    return sent(rendered.text.encode(), if_none_match, rendered.media_type)


def status_name(status: int) -> str:
    """A transcript's status as JSON shows it."""
    return word_of(transcript_pb2.TranscriptStatus, "TRANSCRIPT_STATUS_", status)


def segment_shape(segment: transcript_pb2.Segment) -> Segment:
    """A segment as JSON shows it."""
    words = [Word(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms) for word in segment.words]
    return Segment(
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        text=segment.text,
        words=words,
        edited=segment.edited,
        original_text=segment.original_text if segment.edited else None,
        index=segment.index if segment.HasField("index") else None,
        speaker=segment.speaker,
    )


def _summary(transcript: transcript_pb2.Transcript) -> TranscriptSummary:
    return TranscriptSummary(
        id=transcript.transcript_id,
        recording_id=transcript.recording_id,
        meeting_id=next(iter(transcript.meeting_ids), None),
        meeting_ids=list(transcript.meeting_ids),
        status=status_name(transcript.status),
        duration_ms=transcript.duration_ms,
        language=transcript.language,
        title=transcript.title,
        reviewed=transcript.reviewed,
        locked=transcript.locked,
        audio_deleted=transcript.audio_deleted,
        failure=transcript.failure,
        created_at=moment(transcript, "created_at"),
        finished_at=moment(transcript, "finished_at"),
    )


def _found(hit: rpc.Hit) -> ListedTranscript:
    matches = [
        Match(
            index=match.segment.index,
            start_ms=match.segment.start_ms,
            end_ms=match.segment.end_ms,
            text=match.segment.text,
            speaker=match.segment.speaker,
            marks=[Mark(start=mark.start, end=mark.end) for mark in match.marks],
        )
        for match in hit.matches
    ]
    return ListedTranscript(**_summary(hit.transcript).model_dump(), matches=matches)


def _transcript(transcript: transcript_pb2.Transcript) -> Transcript:
    segments = [segment_shape(segment) for segment in transcript.segments]
    return Transcript(**_summary(transcript).model_dump(), segments=segments)
