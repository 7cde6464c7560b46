"""Asks transcript_svc how far a recording's transcript is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from assent.transcript.v1 import transcript_pb2 as pb
from assent.transcript.v1 import transcript_service_pb2

from chassis.errors import NotFound
from recording_svc.domain.recordings import Stage, Transcription

if TYPE_CHECKING:
    from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceAsyncStub

log = structlog.get_logger()

_STAGES = {
    pb.TRANSCRIPT_STATUS_QUEUED: Stage.UNDERWAY,
    pb.TRANSCRIPT_STATUS_PROCESSING: Stage.UNDERWAY,
    pb.TRANSCRIPT_STATUS_COMPLETED: Stage.COMMITTED,
    pb.TRANSCRIPT_STATUS_NO_AUDIO: Stage.COMMITTED,
    pb.TRANSCRIPT_STATUS_FAILED: Stage.FAILED,
}


class Transcripts:
    """transcript_svc, as far as the original has to wait for it."""

    def __init__(self, stub: "TranscriptServiceAsyncStub", now: Callable[[], datetime]) -> None:
        self._stub = stub
        self._now = now

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
        return Transcription(stage, said.transcript_id, said.duration_ms or None, self._finished_at(said))

    def _finished_at(self, said: pb.Transcript) -> datetime | None:
        """None also where it cannot be: refused audio is kept for a day from then, and must not be kept longer."""
        if not said.HasField("finished_at"):
            return None
        try:
            finished = said.finished_at.ToDatetime(UTC)
        except (ValueError, OverflowError):
            finished = None
        if finished is None or finished > self._now():
            log.warning("transcript_ended_at_no_time", recording_id=said.recording_id)
            return None
        return finished
