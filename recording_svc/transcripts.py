"""Asks transcript_svc how far a recording's transcript is."""

from datetime import UTC
from typing import TYPE_CHECKING

from assent.transcript.v1 import transcript_pb2 as pb
from assent.transcript.v1 import transcript_service_pb2

from chassis.errors import NotFound
from recording_svc.domain.recordings import Stage, Transcription

if TYPE_CHECKING:
    from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceAsyncStub

_STAGES = {
    pb.TRANSCRIPT_STATUS_QUEUED: Stage.UNDERWAY,
    pb.TRANSCRIPT_STATUS_PROCESSING: Stage.UNDERWAY,
    pb.TRANSCRIPT_STATUS_COMPLETED: Stage.COMMITTED,
    pb.TRANSCRIPT_STATUS_NO_AUDIO: Stage.COMMITTED,
    pb.TRANSCRIPT_STATUS_FAILED: Stage.FAILED,
}


class Transcripts:
    """transcript_svc, as far as the original has to wait for it."""

    def __init__(self, stub: "TranscriptServiceAsyncStub") -> None:
        self._stub = stub

    async def of(self, recording_id: str) -> Transcription:
        """How far it is. Raises a ServiceError where transcript_svc does not answer.

        A status or recording that we do not know counts as under way: the original stays.
        """
        request = transcript_service_pb2.GetTranscriptRequest(recording_id=recording_id)
        try:
            said = (await self._stub.GetTranscript(request)).transcript
        except NotFound:
            return Transcription()
        stage = _STAGES.get(said.status, Stage.UNDERWAY)
        if said.recording_id != recording_id or not said.transcript_id:
            return Transcription(Stage.UNDERWAY)
        if stage not in (Stage.COMMITTED, Stage.FAILED):
            return Transcription(stage, said.transcript_id)
        finished = said.finished_at.ToDatetime(UTC) if said.HasField("finished_at") else None
        return Transcription(stage, said.transcript_id, said.duration_ms or None, finished)
