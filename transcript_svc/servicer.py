"""Answers assent.transcript.v1.TranscriptService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from assent.recording.v1 import recording_service_pb2
from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceServicer

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from transcript_svc import text, wire
from transcript_svc.buckets import MP3
from transcript_svc.domain import Edit, Locked, NoSegment, NotCompleted, Status, Transcript
from transcript_svc.listening import Listening
from transcript_svc.page_tokens import cursor_of, place_of, token_of, token_of_place
from transcript_svc.store import Transcripts
from transcript_svc.wire import hit_to_proto, segment_to_proto, transcript_to_proto

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

Context = grpc.aio.ServicerContext[Any, Any]

FORMATS = {
    rpc.TEXT_FORMAT_TXT: text.FORMATS["txt"],
    rpc.TEXT_FORMAT_VTT: text.FORMATS["vtt"],
    rpc.TEXT_FORMAT_SRT: text.FORMATS["srt"],
    rpc.TEXT_FORMAT_JSON: text.FORMATS["json"],
}
EDITABLE = {"title", "reviewed", "locked"}
PAGE_SIZE = 50
LARGEST_PAGE = 200
LONGEST_TITLE = 300
LONGEST_SEGMENT = 5_000
LONGEST_QUERY = 300
# Erasing lists every copy again before it answers.
ERASE_SECONDS = 25.0


class TranscriptServicer(TranscriptServiceServicer):
    """Transcripts, their words, and the audio where it may be heard."""

    def __init__(self, transcripts: Transcripts, recordings: "RecordingServiceAsyncStub", listening: Listening) -> None:
        self._transcripts = transcripts
        self._recordings = recordings
        self._listening = listening

    async def GetTranscript(self, request: rpc.GetTranscriptRequest, context: Context) -> rpc.GetTranscriptResponse:
        if request.WhichOneof("key") == "recording_id":
            transcript = await self._transcripts.of_recording(request.recording_id)
            if transcript is None:
                raise _no_transcript(f"of recording {request.recording_id}")
        else:
            transcript = await self._get(request.transcript_id)
        return rpc.GetTranscriptResponse(transcript=transcript_to_proto(transcript))

    async def ListTranscripts(
        self, request: rpc.ListTranscriptsRequest, context: Context
    ) -> rpc.ListTranscriptsResponse:
        _ensure_bounded(request)
        size = _size(request.page_size)
        after = cursor_of(request.page_token) if request.page_token else None
        found = await self._transcripts.page(request.meeting_id, request.owner_id, size + 1, after)
        page, more = found[:size], len(found) > size
        return rpc.ListTranscriptsResponse(
            transcripts=map(transcript_to_proto, page), next_page_token=token_of(page[-1]) if more else ""
        )

    async def UpdateTranscript(
        self, request: rpc.UpdateTranscriptRequest, context: Context
    ) -> rpc.UpdateTranscriptResponse:
        wanted = set(request.update_mask.paths)
        if not wanted or not wanted <= EDITABLE:
            raise InvalidArgument("update_mask takes title, reviewed and locked", reason="UPDATE_MASK_INVALID")
        if len(request.title) > LONGEST_TITLE:
            raise InvalidArgument(f"a title has at most {LONGEST_TITLE} characters", reason="TITLE_TOO_LONG")
        edit = Edit(**{name: getattr(request, name) for name in wanted})
        try:
            transcript = await self._transcripts.edit(request.transcript_id, edit)
        except Locked:
            raise _locked("change it; nothing else along with the lock") from None
        if transcript is None:
            raise _no_transcript(request.transcript_id)
        return rpc.UpdateTranscriptResponse(transcript=transcript_to_proto(transcript))

    async def EditSegment(self, request: rpc.EditSegmentRequest, context: Context) -> rpc.EditSegmentResponse:
        words = request.text.strip()
        if not words or len(words) > LONGEST_SEGMENT or "\0" in words:
            raise InvalidArgument(f"a segment's text has 1 to {LONGEST_SEGMENT} characters", reason="TEXT_INVALID")
        try:
            segment = await self._transcripts.edit_segment(
                request.transcript_id, request.index, words, request.editor_id
            )
        except Locked:
            raise _locked("edit it") from None
        except NotCompleted:
            raise FailedPrecondition(
                "only a completed transcript can be edited: wait until it is", reason="TRANSCRIPT_NOT_COMPLETED"
            ) from None
        except NoSegment:
            raise NotFound(
                f"the transcript has no segment {request.index}: they are counted from 0", reason="SEGMENT_NOT_FOUND"
            ) from None
        if segment is None:
            raise _no_transcript(request.transcript_id)
        return rpc.EditSegmentResponse(segment=segment_to_proto(segment, request.index))

    async def SearchTranscripts(
        self, request: rpc.SearchTranscriptsRequest, context: Context
    ) -> rpc.SearchTranscriptsResponse:
        _ensure_bounded(request)
        if not request.query.strip() or len(request.query) > LONGEST_QUERY or "\0" in request.query:
            raise InvalidArgument(f"a query has 1 to {LONGEST_QUERY} characters", reason="QUERY_INVALID")
        size = _size(request.page_size)
        after = place_of(request.page_token) if request.page_token else None
        found = await self._transcripts.search(request.query, request.meeting_id, request.owner_id, size + 1, after)
        page, more = found[:size], len(found) > size
        return rpc.SearchTranscriptsResponse(
            hits=map(hit_to_proto, page), next_page_token=token_of_place(page[-1].place) if more else ""
        )

    async def DeleteTranscript(
        self, request: rpc.DeleteTranscriptRequest, context: Context
    ) -> rpc.DeleteTranscriptResponse:
        transcript = await self._get(request.transcript_id)
        if transcript.locked:
            raise _locked("delete it")
        # The audio first: without the transcript nobody would ask for its erasure again.
        await self._recordings.EraseRecording(
            recording_service_pb2.EraseRecordingRequest(recording_id=transcript.recording_id), timeout=ERASE_SECONDS
        )
        try:
            await self._transcripts.delete(transcript.id)
        except Locked:  # meanwhile
            raise _locked("delete it") from None
        return rpc.DeleteTranscriptResponse()

    async def RenderTranscript(
        self, request: rpc.RenderTranscriptRequest, context: Context
    ) -> rpc.RenderTranscriptResponse:
        if request.format not in FORMATS:
            raise InvalidArgument("format must be txt, vtt, srt or json", reason="FORMAT_UNKNOWN")
        media_type, render = FORMATS[request.format]
        transcript = await self._get(request.transcript_id)
        segments = [segment.reworded(segment.heard) if request.original else segment for segment in transcript.segments]
        return rpc.RenderTranscriptResponse(media_type=media_type, text=render(segments))

    async def ListTranscriptEvents(
        self, request: rpc.ListTranscriptEventsRequest, context: Context
    ) -> rpc.ListTranscriptEventsResponse:
        transcript = await self._get(request.transcript_id)
        # A number that nobody was given is of another life, say before a backup was put back: it tells nothing of this.
        after = request.after_sequence if 0 < request.after_sequence <= transcript.last_sequence else 0
        events = await self._transcripts.events(request.transcript_id, after)
        if transcript.status is Status.QUEUED and not transcript.last_sequence:
            # Nothing has happened so far, and whoever listens shall see that it will.
            events = [wire.status_changed(Status.QUEUED)]
        return rpc.ListTranscriptEventsResponse(events=events, after_sequence=after)

    async def GetWaveform(self, request: rpc.GetWaveformRequest, context: Context) -> rpc.GetWaveformResponse:
        transcript = await self._get(request.transcript_id)
        await self._listening.audio(transcript)
        peaks = await self._transcripts.peaks(transcript.id)
        return rpc.GetWaveformResponse(waveform=transcript_pb2.Waveform(peaks=peaks))

    async def GetAudioInfo(self, request: rpc.GetAudioInfoRequest, context: Context) -> rpc.GetAudioInfoResponse:
        audio = await self._listening.audio(await self._get(request.transcript_id))
        return rpc.GetAudioInfoResponse(size_bytes=audio.size_bytes, media_type=MP3, etag=audio.etag)

    async def StreamAudio(
        self, request: rpc.StreamAudioRequest, context: Context
    ) -> AsyncIterator[rpc.StreamAudioResponse]:
        transcript = await self._get(request.transcript_id)
        async with aclosing(self._listening.stream(transcript, request.offset, request.length)) as pieces:
            async for piece in pieces:
                yield rpc.StreamAudioResponse(data=piece)

    async def _get(self, transcript_id: str) -> Transcript:
        transcript = await self._transcripts.get(transcript_id)
        if transcript is None:
            raise _no_transcript(transcript_id)
        return transcript


def _no_transcript(which: str) -> NotFound:
    return NotFound(
        f"no transcript {which}: it may have been deleted; list transcripts with GET /v1/transcripts",
        reason="TRANSCRIPT_NOT_FOUND",
    )


def _locked(then: str) -> FailedPrecondition:
    return FailedPrecondition(f"the transcript is locked: unlock it first, then {then}", reason="TRANSCRIPT_LOCKED")


def _ensure_bounded(request: rpc.ListTranscriptsRequest | rpc.SearchTranscriptsRequest) -> None:
    if not request.meeting_id and not request.owner_id:
        raise InvalidArgument("name a meeting or an owner", reason="LIST_UNBOUNDED")


def _size(page_size: int) -> int:
    return min(page_size if page_size > 0 else PAGE_SIZE, LARGEST_PAGE)
