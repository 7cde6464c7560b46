"""Turns one recording into its transcript, from the event that announces it to the commit that ends it."""

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, ServiceError
from transcript_svc import media, wire
from transcript_svc.buckets import Buckets
from transcript_svc.domain import Audio, Job, Occupied, Outcome, Overtaken, Recording, Status
from transcript_svc.media import BrokenMedia, Decoded
from transcript_svc.recognition import Heard, Recogniser, Unrecognisable, main_language
from transcript_svc.scratch import Scratch
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

log = structlog.get_logger()

# So long a worker may be silent before another begins its job anew.
HOLD = timedelta(seconds=12)
SIGN_OF_LIFE_SECONDS = 3.0
HAND_BACK_PAUSE = 1.0
PROGRESS_SECONDS = 0.5

# How much of the whole work is done once the decoding, then the recognition is.
DECODED_PERCENT = 20.0
RECOGNISED_PERCENT = 95.0


class Transcription:
    """The work on recordings. Safe to begin any number of times for the same one."""

    def __init__(
        self,
        transcripts: Transcripts,
        recordings: "RecordingServiceAsyncStub",
        buckets: Buckets,
        scratch: Scratch,
        recogniser: Recogniser,
        instance: str,
    ) -> None:
        self._transcripts = transcripts
        self._recordings = recordings
        self._buckets = buckets
        self._scratch = scratch
        self._recogniser = recogniser
        self._instance = instance
        self._at_work: set[str] = set()

    async def transcribe(self, recording_id: str) -> None:
        """Make the recording's transcript unless it is made. Raises Occupied while somebody is at it."""
        if recording_id in self._at_work:
            raise Occupied
        self._at_work.add(recording_id)
        try:
            await self._transcribe(recording_id)
        finally:
            self._at_work.discard(recording_id)

    async def _transcribe(self, recording_id: str) -> None:
        recording = await recording_of(self._recordings, recording_id)
        job = await self._transcripts.begin(recording, self._instance, HOLD) if recording else None
        if recording is None or job is None:
            return
        # A match that was told of before the row was there has found nothing to write to.
        await self._transcripts.match(await recording_of(self._recordings, recording_id) or recording)
        bound = structlog.contextvars.bound_contextvars(recording_id=job.recording_id, attempt=job.attempt)
        with bound, suppress(Overtaken):
            if job.is_hopeless:
                await self._transcripts.fail(job, f"gave up after {job.tries - 1} tries")
                return
            await self._while_holding(job, recording)
            return
        log.warning("transcription_overtaken", recording_id=job.recording_id, attempt=job.attempt)

    async def _while_holding(self, job: Job, recording: Recording) -> None:
        working = asyncio.create_task(self._work(job, recording), name=f"transcribe {job.recording_id}")
        holding = asyncio.create_task(self._hold(job), name=f"hold {job.recording_id}")
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            await (working if working.done() else holding)
        finally:
            holding.cancel()
            working.cancel()
            await asyncio.gather(working, holding, return_exceptions=True)

    async def _hold(self, job: Job) -> None:
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
            try:
                await self._transcripts.hold(job, HOLD)
            except ServiceError as error:
                # Perhaps somebody takes over meanwhile; then the next sign of life, or the commit, is refused.
                log.warning("hold_deferred", reason=error.reason)

    async def _work(self, job: Job, recording: Recording) -> None:
        log.info("transcription_begun", object_key=recording.object_key)
        try:
            async with self._scratch.folder(recording.id) as folder:
                outcome = await self._outcome(job, recording, folder)
            # Scratch is wiped by now: what the commit sets free to be erased lies nowhere but in the buckets.
            await self._transcripts.complete(job, outcome)
        except (BrokenMedia, Unrecognisable) as error:
            await self._transcripts.fail(job, str(error))
            log.warning("transcription_failed", reason=str(error))
        except Overtaken:
            raise
        except InvalidArgument:
            # What came of it cannot be stored, and may never be.
            await self._hand_back(job, counts=True)
            raise
        except (ServiceError, OSError, Occupied, asyncio.CancelledError):
            # Not the recording's fault: it is tried again for as long as it takes.
            await self._hand_back(job, counts=False)
            raise
        except Exception:
            await self._hand_back(job, counts=True)
            raise
        else:
            log.info("transcription_ended", status=outcome.status, duration_ms=outcome.duration_ms)

    async def _hand_back(self, job: Job, *, counts: bool) -> None:
        """For as long as it is ours: a try that nobody takes back is one of the few that there are."""
        until = time.monotonic() + HOLD.total_seconds()
        while True:
            try:
                await asyncio.shield(self._transcripts.hand_back(job, counts=counts))
                return
            except (ServiceError, Overtaken) as error:
                if isinstance(error, Overtaken) or time.monotonic() > until:
                    log.warning("hand_back_failed", error=type(error).__name__)  # its hold runs out by itself
                    return
            await asyncio.sleep(HAND_BACK_PAUSE)

    async def _outcome(self, job: Job, recording: Recording, folder: Path) -> Outcome:
        source, wav, mp3 = (folder / name for name in ("source", "audio.wav", "audio.mp3"))
        progress = _Progress(self._transcripts, job)
        await self._buckets.download(recording, source)
        wanted = await self._may_keep_audio(recording)
        decoded = await media.decode(source, wav, mp3 if wanted else None, progress.decoding)
        await self._transcripts.append(job, wire.lasted(decoded.duration_ms))
        if not decoded.has_audio:
            return Outcome(Status.NO_AUDIO, decoded.duration_ms)
        heard = await self._recognise(job, wav, progress, decoded)
        audio = await self._upload(job, recording, mp3) if wanted else None
        return Outcome(
            status=Status.COMPLETED,
            duration_ms=decoded.duration_ms,
            language=self._recogniser.language or main_language(heard),
            segments=tuple(segment for piece in heard for segment in piece.segments),
            # Where somebody refused, nothing is drawn from the sound either.
            peaks=decoded.peaks if audio else (),
            audio=audio,
        )

    async def _recognise(self, job: Job, wav: Path, progress: "_Progress", decoded: Decoded) -> list[Heard]:
        heard: list[Heard] = []
        async with aclosing(self._recogniser.hear(wav)) as pieces:
            async for piece in pieces:
                heard.append(replace(piece, segments=decoded.voices.told(piece.segments)))
                await self._transcripts.append(
                    job,
                    *map(wire.heard, heard[-1].segments),
                    progress.recognised(piece.until_ms, decoded.duration_ms),
                )
        return heard

    async def _may_keep_audio(self, recording: Recording) -> bool:
        """Register the mp3's place. Nobody may write there where somebody refused or the audio was erased."""
        place = rpc.RegisterCopyRequest(
            recording_id=recording.id,
            kind=recording_pb2.COPY_KIND_MP3,
            bucket=self._buckets.audio_bucket,
            key=_mp3_key(recording),
        )
        try:
            await self._recordings.RegisterCopy(place)
        except FailedPrecondition as error:
            log.info("mp3_refused", reason=error.reason)
            return False
        return True

    async def _upload(self, job: Job, recording: Recording, mp3: Path) -> Audio | None:
        # Somebody may have refused, and another worker may have taken over, since the work began.
        if not await self._may_keep_audio(recording):
            return None
        await self._transcripts.hold(job, HOLD)  # S3 knows no fence: nothing comes between this and the write
        return await self._buckets.upload(mp3, _mp3_key(recording))


async def recording_of(recordings: "RecordingServiceAsyncStub", recording_id: str) -> Recording | None:
    """The recording as its owner knows it now; None where there is none, or its audio is gone or going."""
    try:
        answer = await recordings.GetRecording(rpc.GetRecordingRequest(recording_id=recording_id))
    except NotFound:
        return None
    gone = (recording_pb2.RECORDING_STATE_ERASING, recording_pb2.RECORDING_STATE_ERASED)
    return None if answer.recording.state in gone else wire.recording_from_proto(answer.recording)


class _Progress:
    """Percent and seconds left, told now and then."""

    def __init__(self, transcripts: Transcripts, job: Job) -> None:
        self._transcripts = transcripts
        self._job = job
        self._began = self._told = time.monotonic()

    async def decoding(self, done_ms: int, total_ms: int) -> None:
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = time.monotonic()
            await self._transcripts.append(self._job, self._at(DECODED_PERCENT * _share(done_ms, total_ms)))

    def recognised(self, done_ms: int, total_ms: int) -> wire.Event:
        return self._at(DECODED_PERCENT + (RECOGNISED_PERCENT - DECODED_PERCENT) * _share(done_ms, total_ms))

    def _at(self, percent: float) -> wire.Event:
        elapsed = time.monotonic() - self._began
        return wire.progressed(percent, elapsed * (100 - percent) / max(percent, 1))


def _share(done: int, total: int) -> float:
    return min(done / total, 1.0) if total > 0 else 0.0


def _mp3_key(recording: Recording) -> str:
    return f"{recording.id}.mp3"
