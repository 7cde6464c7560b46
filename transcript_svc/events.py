"""What this service does about the events of others. They only wake it: recording_svc is asked before it acts."""

from typing import TYPE_CHECKING

import structlog
from assent.recording.v1 import recording_events_pb2, recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.bus import Bus, Delivery
from chassis.errors import NotFound
from transcript_svc import wire
from transcript_svc.store import Transcripts
from transcript_svc.transcription import Transcription

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

log = structlog.get_logger()

CONSUMER = "transcript"
# One is decoded while another is recognised.
JOBS_AT_ONCE = 2


class Events:
    """Three kinds of event, all of them safe to repeat, to reorder and to forge."""

    def __init__(
        self, recordings: "RecordingServiceAsyncStub", transcripts: Transcripts, transcription: Transcription
    ) -> None:
        self._recordings = recordings
        self._transcripts = transcripts
        self._transcription = transcription

    def consume_from(self, bus: Bus) -> None:
        """Take part in the work from now on."""
        bus.consume(
            recording_events_pb2.RecordingDiscovered,
            consumer=CONSUMER,
            handle=self.recording_discovered,
            at_once=JOBS_AT_ONCE,
        )
        bus.consume(recording_events_pb2.RecordingMatched, consumer=CONSUMER, handle=self.recording_matched)
        bus.consume(recording_events_pb2.AudioDeleted, consumer=CONSUMER, handle=self.audio_deleted)

    async def recording_discovered(self, delivery: Delivery[recording_events_pb2.RecordingDiscovered]) -> None:
        """There may be something to transcribe."""
        await self._transcription.transcribe(delivery.message.recording_id)

    async def recording_matched(self, delivery: Delivery[recording_events_pb2.RecordingMatched]) -> None:
        """The recording's meetings may have become known."""
        recording = await self._recording(delivery.message.recording_id)
        if recording:
            await self._transcripts.match(wire.recording_from_proto(recording))

    async def audio_deleted(self, delivery: Delivery[recording_events_pb2.AudioDeleted]) -> None:
        """The recording's audio may be gone."""
        recording = await self._recording(delivery.message.recording_id)
        if recording and recording.state == recording_pb2.RECORDING_STATE_ERASED:
            await self._transcripts.drop_audio(recording.recording_id)

    async def _recording(self, recording_id: str) -> recording_pb2.Recording | None:
        try:
            answer = await self._recordings.GetRecording(rpc.GetRecordingRequest(recording_id=recording_id))
        except NotFound:
            log.warning("event_of_unknown_recording", recording_id=recording_id)
            return None
        return answer.recording
