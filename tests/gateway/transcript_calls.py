"""transcript_svc's calls, in memory."""

from collections.abc import AsyncIterator
from typing import Any

from assent.transcript.v1 import transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as transcript_rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceServicer

from chassis.errors import FailedPrecondition, NotFound, OutOfRange
from tests.gateway.backend import Backend, Context

CHUNK = 16 * 1024


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
                        segment=transcript_pb2.Segment(
                            start_ms=s.start_ms, end_ms=s.end_ms, text=s.text, index=n, speaker=s.speaker
                        ),
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
        await self._b.replays_run.wait()
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
