"""recording_svc's calls, in memory."""

from typing import Any

from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as recording_rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceServicer

from chassis.errors import FailedPrecondition, NotFound
from tests.gateway.backend import Backend, Context


class Recordings(RecordingServiceServicer):
    """Recordings and certificates."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    def _recording(self, recording_id: str) -> recording_pb2.Recording:
        if recording_id not in self._b.recordings:
            raise NotFound(f"recording_svc knows no {recording_id}", reason="RECORDING_NOT_FOUND")
        return self._b.recordings[recording_id]

    async def GetRecording(self, request: recording_rpc.GetRecordingRequest, context: Context) -> Any:
        return recording_rpc.GetRecordingResponse(recording=self._recording(request.recording_id))

    async def ListRecordings(self, request: recording_rpc.ListRecordingsRequest, context: Context) -> Any:
        found = [
            recording
            for recording in self._b.recordings.values()
            if request.meeting_id in ("", *recording.meeting_ids) and request.owner_id in ("", recording.owner_id)
        ]
        return recording_rpc.ListRecordingsResponse(recordings=reversed(found))

    async def GetCertificate(self, request: recording_rpc.GetCertificateRequest, context: Context) -> Any:
        self._recording(request.recording_id)
        if request.recording_id not in self._b.certificates:
            raise FailedPrecondition("the audio is not erased", reason="NOT_ERASED")
        return recording_rpc.GetCertificateResponse(certificate=self._b.certificates[request.recording_id])

    async def GetMeetingCertificate(self, request: recording_rpc.GetMeetingCertificateRequest, context: Context) -> Any:
        if request.meeting_id not in self._b.certificates:
            raise FailedPrecondition("a recording is not erased", reason="NOT_ERASED")
        return recording_rpc.GetMeetingCertificateResponse(certificate=self._b.certificates[request.meeting_id])
