"""Answers RecordingService."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceServicer
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from recording_svc.certificate import Signer
from recording_svc.consent import UNREACHABLE, Consent
from recording_svc.domain.recordings import Copy, CopyKind, CopyState, Recording, State
from recording_svc.domain.settling import Decision, Opinion, may_be_heard
from recording_svc.events import STATES
from recording_svc.settlement import Settlement, with_bounds
from recording_svc.store import Page, PlaceTakenError, RecordingGoneError, Recordings

Context = grpc.aio.ServicerContext[Any, Any]

_KINDS = {
    CopyKind.ORIGINAL: pb.COPY_KIND_ORIGINAL,
    CopyKind.MULTIPART: pb.COPY_KIND_MULTIPART,
    CopyKind.MP3: pb.COPY_KIND_MP3,
    CopyKind.SCRATCH: pb.COPY_KIND_SCRATCH,
}
_COPY_STATES = {
    CopyState.PRESENT: pb.COPY_STATE_PRESENT,
    CopyState.GONE: pb.COPY_STATE_GONE,
    CopyState.BLOCKED: pb.COPY_STATE_BLOCKED,
}
_REGISTERED = {pb.COPY_KIND_MP3: CopyKind.MP3, pb.COPY_KIND_SCRATCH: CopyKind.SCRATCH}
_LARGEST_PAGE = 200
# S3's own bound (Amazon S3 User Guide, "Naming Amazon S3 objects"), and a host name's (RFC 1035).
_LONGEST_KEY_BYTES = 1024
_LONGEST_INSTANCE = 253
_LONGEST_ID = 64
PATIENCE = 3.0
"""Seconds for consent_svc while somebody waits for us, of the five that they wait at most."""


class RecordingServicer(RecordingServiceServicer):
    """Recordings, the inventory of their audio, and the proof of its erasure."""

    def __init__(
        self,
        recordings: Recordings,
        consent: Consent,
        settlement: Settlement,
        signer: Signer,
        audio_bucket: str,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._recordings = recordings
        self._consent = consent
        self._settlement = settlement
        self._signer = signer
        self._audio_bucket = audio_bucket
        self._now = now
        self._wake = wake

    async def GetRecording(self, request: rpc.GetRecordingRequest, context: Context) -> rpc.GetRecordingResponse:
        [told] = await self._told(await self._known(request.recording_id))
        return rpc.GetRecordingResponse(recording=told)

    async def ListRecordings(self, request: rpc.ListRecordingsRequest, context: Context) -> rpc.ListRecordingsResponse:
        if not request.meeting_id and not request.owner_id:
            raise InvalidArgument("name a meeting or an owner", reason="FILTER_MISSING")
        if not 0 <= request.page_size <= _LARGEST_PAGE:
            raise InvalidArgument(f"page_size must be 1 to {_LARGEST_PAGE}", reason="PAGE_SIZE_INVALID")
        size, after = request.page_size or 50, _read_token(request.page_token)
        found = await self._recordings.page(Page(request.meeting_id, request.owner_id, size + 1, after))
        token = _token(found[size - 1]) if len(found) > size else ""
        return rpc.ListRecordingsResponse(recordings=await self._told(*found[:size]), next_page_token=token)

    async def RegisterCopy(self, request: rpc.RegisterCopyRequest, context: Context) -> rpc.RegisterCopyResponse:
        kind = _REGISTERED.get(request.kind)
        if kind is None or not request.bucket or not request.key:
            raise InvalidArgument("name an mp3 or scratch copy and its place", reason="COPY_INVALID")
        if wrong := self._wrong_with(kind, request.bucket, request.key):
            raise InvalidArgument(wrong, reason="COPY_PLACE_INVALID")
        recording = await self._known(request.recording_id)
        # Scratch is where the transcript comes from, and that is made whatever anyone answered.
        if kind is not CopyKind.SCRATCH:
            await self._refuse_if_denied(recording)
        copy = await self._register(recording.recording_id, kind, request.bucket, request.key)
        return rpc.RegisterCopyResponse(copy=_copy(copy))

    async def ReleaseScratch(self, request: rpc.ReleaseScratchRequest, context: Context) -> rpc.ReleaseScratchResponse:
        if not request.instance:
            raise InvalidArgument("name the instance that held the scratch", reason="INSTANCE_MISSING")
        now = self._now()
        released = await self._recordings.release_scratch(request.instance, request.recording_id, now)
        await self._recordings.look_now(released, now)
        self._wake()
        return rpc.ReleaseScratchResponse()

    async def AuthorizeAudio(self, request: rpc.AuthorizeAudioRequest, context: Context) -> rpc.AuthorizeAudioResponse:
        recording = await self._known(request.recording_id)
        if recording.state is State.ERASED:
            raise FailedPrecondition("the audio of this recording was erased", reason="AUDIO_DELETED")
        opinion = await self._opinion(recording)
        if opinion.verdict is not None and opinion.verdict.decision is Decision.DELETE:
            await self._recordings.look_now([recording.recording_id], self._now())
            self._wake()
        # Read again: the answer took its time, and an erasure may have begun meanwhile.
        now_known = await with_bounds(self._recordings, await self._known(request.recording_id))
        if not may_be_heard(now_known, opinion, self._now()):
            raise FailedPrecondition(
                f"the audio of recording {recording.recording_id} is withheld "
                f"({opinion.silence or recording.reason}): try again later",
                reason="CONSENT_UNDECIDED",
            )
        return rpc.AuthorizeAudioResponse()

    async def GetCertificate(self, request: rpc.GetCertificateRequest, context: Context) -> rpc.GetCertificateResponse:
        recording = await self._known(request.recording_id)
        if recording.state is not State.ERASED:
            raise FailedPrecondition(
                f"recording {recording.recording_id} is {recording.state}: there is a certificate once it is erased",
                reason="NOT_ERASED",
            )
        return rpc.GetCertificateResponse(certificate=recording.certificate)

    async def GetMeetingCertificate(
        self, request: rpc.GetMeetingCertificateRequest, context: Context
    ) -> rpc.GetMeetingCertificateResponse:
        recordings = await self._of_meeting(request.meeting_id)
        if not recordings:
            raise NotFound(f"no recording of meeting {request.meeting_id} is known", reason="RECORDING_NOT_FOUND")
        if left := [one for one in recordings if one.state is not State.ERASED]:
            raise FailedPrecondition(
                f"{len(left)} of {len(recordings)} recordings are not erased: the first is {left[0].state}",
                reason="NOT_ERASED",
            )
        certificate = self._signer.sign_meeting(request.meeting_id, recordings, self._now())
        return rpc.GetMeetingCertificateResponse(certificate=certificate)

    async def EraseRecording(self, request: rpc.EraseRecordingRequest, context: Context) -> rpc.EraseRecordingResponse:
        recording = await self._erase(request.recording_id)
        if recording.state is State.BLOCKED:
            raise FailedPrecondition(
                f"the bucket refuses to erase ({recording.reason}): tell the operator; it is tried again by itself",
                reason="ERASURE_BLOCKED",
            )
        if recording.state is not State.ERASED:
            raise Unavailable(f"the erasure goes on ({recording.reason}): ask again", reason="ERASURE_PENDING")
        [told] = await self._told(recording)
        return rpc.EraseRecordingResponse(recording=told)

    def _wrong_with(self, kind: CopyKind, bucket: str, key: str) -> str:
        """Why no copy of this kind can lie there, and what to do; empty where it can."""
        if kind is CopyKind.MP3 and bucket != self._audio_bucket:
            return f"an mp3 belongs into {self._audio_bucket}"
        if len(key.encode()) > _LONGEST_KEY_BYTES or not key.isprintable():
            return f"name a key of at most {_LONGEST_KEY_BYTES} bytes of UTF-8, without control characters"
        if len(bucket) > _LONGEST_INSTANCE or not bucket.isprintable():
            return f"name the instance by at most {_LONGEST_INSTANCE} printable characters: set ASSENT_INSTANCE"
        return ""

    async def _known(self, recording_id: str) -> Recording:
        recording = await self._recordings.get(recording_id)
        if recording is None:
            raise NotFound(f"no recording {recording_id}: list them by meeting", reason="RECORDING_NOT_FOUND")
        return recording

    async def _of_meeting(self, meeting_id: str) -> list[Recording]:
        if not meeting_id:
            raise InvalidArgument("name a meeting", reason="MEETING_MISSING")
        found: list[Recording] = []
        while True:
            last = (found[-1].discovered_at, found[-1].recording_id) if found else None
            page = await self._recordings.page(Page(meeting_id, size=_LARGEST_PAGE, after=last))
            found += page
            if len(page) < _LARGEST_PAGE:
                return found

    async def _opinion(self, recording: Recording) -> Opinion:
        """consent_svc's, or its silence soon enough for our caller to be told of it."""
        try:
            async with asyncio.timeout(PATIENCE):
                duration = recording.transcription.duration_ms
                return await self._consent.ask(recording.object_key, duration, recording.match)
        except TimeoutError:
            return Opinion(silence=UNREACHABLE)

    async def _refuse_if_denied(self, recording: Recording) -> None:
        opinion = await self._opinion(recording)
        refused = opinion.verdict is not None and opinion.verdict.decision is Decision.DELETE
        if refused or (await with_bounds(self._recordings, recording)).bound_by:
            raise FailedPrecondition(
                f"the audio of recording {recording.recording_id} is refused: write none",
                reason="AUDIO_REFUSED",
            )

    async def _register(self, recording_id: str, kind: CopyKind, bucket: str, key: str) -> Copy:
        try:
            return await self._recordings.register(recording_id, kind, bucket, key, self._now())
        except RecordingGoneError as error:
            reason = "AUDIO_DELETED" if error.state is State.ERASED else "AUDIO_REFUSED"
            raise FailedPrecondition(
                f"recording {recording_id} is {error.state}: write no audio", reason=reason
            ) from None
        except PlaceTakenError:
            raise AlreadyExists(f"{bucket}/{key} holds another recording's audio", reason="PLACE_TAKEN") from None

    async def _erase(self, recording_id: str) -> Recording:
        try:
            return await self._settlement.request_erasure(recording_id)
        except Unavailable as error:
            self._wake()
            raise Unavailable(f"the erasure goes on ({error.reason}): ask again", reason="ERASURE_PENDING") from error

    async def _told(self, *recordings: Recording) -> list[pb.Recording]:
        copies = await self._recordings.copies(*(recording.recording_id for recording in recordings))
        return [
            _recording(recording, [copy for copy in copies if copy.recording_id == recording.recording_id])
            for recording in recordings
        ]


def _recording(recording: Recording, copies: list[Copy]) -> pb.Recording:
    return pb.Recording(
        recording_id=recording.recording_id,
        bucket=recording.bucket,
        object_key=recording.object_key,
        version_id=recording.version_id,
        size_bytes=recording.size_bytes,
        recorded_at=_stamp(recording.match.recorded_at),
        discovered_at=_stamp(recording.discovered_at),
        meeting_ids=recording.match.meeting_ids,
        owner_id=recording.match.owner_id,
        state=STATES[recording.state],
        reason=recording.reason,
        transcript_id=recording.transcription.transcript_id,
        copies=[_copy(copy) for copy in copies],
        erased_at=_stamp(recording.erased_at),
        blocked_until=_stamp(recording.blocked_until),
    )


def _copy(copy: Copy) -> pb.AudioCopy:
    kind, state = _KINDS[copy.kind], _COPY_STATES[copy.state]
    return pb.AudioCopy(copy_id=copy.copy_id, kind=kind, bucket=copy.bucket, key=copy.key, state=state)


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _token(last: Recording) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.discovered_at.isoformat(), last.recording_id]).encode()).decode()


def _read_token(token: str) -> tuple[datetime, str] | None:
    if not token:
        return None
    try:
        moment, recording_id = json.loads(base64.urlsafe_b64decode(token))
        discovered_at = datetime.fromisoformat(moment)
        if discovered_at.tzinfo is None or len(recording_id) > _LONGEST_ID or not recording_id.isprintable():
            raise ValueError("no place in a list")
        return discovered_at.astimezone(UTC), recording_id
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidArgument(
            "page_token is not one of ours: begin anew without it", reason="PAGE_TOKEN_INVALID"
        ) from error
