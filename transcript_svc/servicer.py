"""Answers assent.transcript.v1.TranscriptService."""

import base64
import binascii
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import grpc
from assent.recording.v1 import recording_service_pb2
from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceServicer

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from transcript_svc import text
from transcript_svc.buckets import MP3
from transcript_svc.domain import Edit, Locked, Transcript
from transcript_svc.listening import Listening
from transcript_svc.store import Cursor, Transcripts
from transcript_svc.wire import transcript_to_proto

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
        if not request.meeting_id and not request.owner_id:
            raise InvalidArgument("name a meeting or an owner", reason="LIST_UNBOUNDED")
        size = min(request.page_size if request.page_size > 0 else PAGE_SIZE, LARGEST_PAGE)
        after = _cursor(request.page_token) if request.page_token else None
        found = await self._transcripts.page(request.meeting_id, request.owner_id, size + 1, after)
        page, more = found[:size], len(found) > size
        return rpc.ListTranscriptsResponse(
            transcripts=map(transcript_to_proto, page), next_page_token=_page_token(page[-1]) if more else ""
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
            raise FailedPrecondition(
                "the transcript is locked: unlock it first, and nothing else with it", reason="TRANSCRIPT_LOCKED"
            ) from None
        if transcript is None:
            raise _no_transcript(request.transcript_id)
        return rpc.UpdateTranscriptResponse(transcript=transcript_to_proto(transcript))

    async def DeleteTranscript(
        self, request: rpc.DeleteTranscriptRequest, context: Context
    ) -> rpc.DeleteTranscriptResponse:
        transcript = await self._get(request.transcript_id)
        if transcript.locked:
            raise FailedPrecondition(
                "the transcript is locked: unlock it first, then delete it", reason="TRANSCRIPT_LOCKED"
            )
        # The audio first: without the transcript nobody would ask for its erasure again.
        await self._recordings.EraseRecording(
            recording_service_pb2.EraseRecordingRequest(recording_id=transcript.recording_id), timeout=ERASE_SECONDS
        )
        await self._transcripts.delete(transcript.id)
        return rpc.DeleteTranscriptResponse()

    async def RenderTranscript(
        self, request: rpc.RenderTranscriptRequest, context: Context
    ) -> rpc.RenderTranscriptResponse:
        if request.format not in FORMATS:
            raise InvalidArgument("format must be txt, vtt, srt or json", reason="FORMAT_UNKNOWN")
        media_type, render = FORMATS[request.format]
        transcript = await self._get(request.transcript_id)
        return rpc.RenderTranscriptResponse(media_type=media_type, text=render(transcript.segments))

    async def ListTranscriptEvents(
        self, request: rpc.ListTranscriptEventsRequest, context: Context
    ) -> rpc.ListTranscriptEventsResponse:
        transcript = await self._get(request.transcript_id)
        # A number that nobody was given is of another life, say before a backup was put back: it tells nothing of this.
        after = request.after_sequence if 0 < request.after_sequence <= transcript.last_sequence else 0
        events = await self._transcripts.events(request.transcript_id, after)
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


def _page_token(last: Transcript) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.created_at.isoformat(), last.id]).encode()).decode()


def _cursor(token: str) -> Cursor:
    try:
        created_at, transcript_id = json.loads(base64.urlsafe_b64decode(token))
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("a moment without a zone")
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidArgument("this page token is not one of ours", reason="PAGE_TOKEN_INVALID") from error
    return moment, str(transcript_id)
