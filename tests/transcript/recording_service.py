"""recording_svc as far as transcript_svc needs it, in memory and over real gRPC."""

from collections.abc import Callable
from typing import Any

from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceServicer

from chassis.errors import FailedPrecondition, NotFound, Unavailable

Place = tuple[int, str, str]


class FakeRecordings(RecordingServiceServicer):
    """An inventory of copies with switches: refused, undecided, away."""

    def __init__(self) -> None:
        self.recordings: dict[str, pb.Recording] = {}
        self.present: set[tuple[str, Place]] = set()
        self.registered: list[tuple[str, Place]] = []
        self.refused = False
        self.undecided = False
        self.deaf_to_releases = False
        self.authorised = 0
        self.erasure_pending = False
        # Which recordings were asked for, in order, and about which there is no answer.
        self.asked: list[str] = []
        self.silent_about: set[str] = set()
        # Called before a copy is registered, to look at what is there at that moment.
        self.on_register: Callable[[rpc.RegisterCopyRequest], None] = lambda request: None

    def add(self, recording_id: str, bucket: str, key: str, version_id: str) -> pb.Recording:
        """A recording that has come in."""
        self.recordings[recording_id] = pb.Recording(
            recording_id=recording_id,
            bucket=bucket,
            object_key=key,
            version_id=version_id,
            meeting_ids=["m1"],
            owner_id="ana",
            state=pb.RECORDING_STATE_DISCOVERED,
        )
        return self.recordings[recording_id]

    def scratch(self) -> set[str]:
        """Recordings that somebody's scratch is believed to hold."""
        return {recording_id for recording_id, place in self.present if place[0] == pb.COPY_KIND_SCRATCH}

    async def GetRecording(self, request: rpc.GetRecordingRequest, context: Any) -> rpc.GetRecordingResponse:
        self.asked.append(request.recording_id)
        if request.recording_id in self.silent_about:
            raise Unavailable("away", reason="AWAY")
        return rpc.GetRecordingResponse(recording=self._known(request.recording_id))

    async def RegisterCopy(self, request: rpc.RegisterCopyRequest, context: Any) -> rpc.RegisterCopyResponse:
        recording = self._known(request.recording_id)
        self.on_register(request)
        if recording.state == pb.RECORDING_STATE_ERASED:
            raise FailedPrecondition("erased", reason="AUDIO_DELETED")
        if self.refused and request.kind == pb.COPY_KIND_MP3:
            raise FailedPrecondition("refused", reason="AUDIO_REFUSED")
        place = (int(request.kind), request.bucket, request.key)
        self.present.add((request.recording_id, place))
        self.registered.append((request.recording_id, place))
        return rpc.RegisterCopyResponse(copy=pb.AudioCopy(kind=request.kind, bucket=request.bucket, key=request.key))

    async def ReleaseScratch(self, request: rpc.ReleaseScratchRequest, context: Any) -> rpc.ReleaseScratchResponse:
        if self.deaf_to_releases:
            raise Unavailable("away", reason="AWAY")
        self.present = {
            (recording_id, place)
            for recording_id, place in self.present
            if place[0] != pb.COPY_KIND_SCRATCH
            or place[1] != request.instance
            or request.recording_id not in ("", recording_id)
        }
        return rpc.ReleaseScratchResponse()

    async def AuthorizeAudio(self, request: rpc.AuthorizeAudioRequest, context: Any) -> rpc.AuthorizeAudioResponse:
        self.authorised += 1
        if self._known(request.recording_id).state == pb.RECORDING_STATE_ERASED:
            raise FailedPrecondition("erased", reason="AUDIO_DELETED")
        if self.undecided:
            raise FailedPrecondition("undecided", reason="CONSENT_UNDECIDED")
        return rpc.AuthorizeAudioResponse()

    async def EraseRecording(self, request: rpc.EraseRecordingRequest, context: Any) -> rpc.EraseRecordingResponse:
        recording = self._known(request.recording_id)
        if self.erasure_pending:
            raise Unavailable("the erasure goes on", reason="ERASURE_PENDING")
        recording.state = pb.RECORDING_STATE_ERASED
        return rpc.EraseRecordingResponse(recording=recording)

    def _known(self, recording_id: str) -> pb.Recording:
        if recording_id not in self.recordings:
            raise NotFound(f"no recording {recording_id}", reason="RECORDING_NOT_FOUND")
        return self.recordings[recording_id]
