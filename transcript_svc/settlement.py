"""Brings a transcript in line with its recording: whose it is, and whether anything of its sound may stay."""

from typing import TYPE_CHECKING

import structlog
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import NotFound
from transcript_svc import wire
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

log = structlog.get_logger()


class Settlement:
    """What recording_svc says at that moment is written down; nothing is taken from an event."""

    def __init__(self, recordings: "RecordingServiceAsyncStub", transcripts: Transcripts) -> None:
        self._recordings = recordings
        self._transcripts = transcripts

    async def settle(self, recording_id: str) -> None:
        """Match the recording's transcript, and drop its audio once it is erased. Safe to call any number of times.

        Raises what GetRecording raises, except that an unknown recording is let go.
        """
        try:
            answer = await self._recordings.GetRecording(rpc.GetRecordingRequest(recording_id=recording_id))
        except NotFound:
            log.warning("recording_unknown", recording_id=recording_id)
            return
        await self._transcripts.match(wire.recording_from_proto(answer.recording))
        if answer.recording.state == recording_pb2.RECORDING_STATE_ERASED:
            await self._transcripts.drop_audio(recording_id)
