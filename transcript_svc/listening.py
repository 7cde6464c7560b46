"""Hands out what can be heard of a recording, only where its owner's consent stands at that very moment."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import FailedPrecondition, NotFound, OutOfRange
from transcript_svc.buckets import Buckets, Gone
from transcript_svc.domain import Audio, Transcript
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

# A listener may be slow: consent that is withdrawn meanwhile ends the stream.
ASK_AGAIN_SECONDS = 1.0


class Listening:
    """The mp3's bytes. recording_svc is asked for the verdict each time, and again while a stream runs."""

    def __init__(
        self,
        recordings: "RecordingServiceAsyncStub",
        transcripts: Transcripts,
        buckets: Buckets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recordings = recordings
        self._transcripts = transcripts
        self._buckets = buckets
        self._clock = clock

    async def authorise(self, transcript: Transcript) -> None:
        """Raises FailedPrecondition (AUDIO_DELETED, CONSENT_UNDECIDED), and Unavailable where nobody can say."""
        if transcript.audio_deleted:
            raise FailedPrecondition("the audio was erased; the transcript stays", reason="AUDIO_DELETED")
        try:
            await self._recordings.AuthorizeAudio(rpc.AuthorizeAudioRequest(recording_id=transcript.recording_id))
        except FailedPrecondition as error:
            if error.reason == "AUDIO_DELETED":  # and no event has told us so far
                await self._transcripts.drop_audio(transcript.recording_id)
            raise

    async def audio(self, transcript: Transcript) -> Audio:
        """Where the mp3 lies, if it may be heard now. Raises as `authorise`, and NotFound (AUDIO_NOT_FOUND)."""
        await self.authorise(transcript)
        if transcript.audio is None:
            raise _not_found()
        return transcript.audio

    async def stream(self, transcript: Transcript, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """`length` bytes of the mp3 from `offset`, to the end where it is 0. Raises as `audio`, and OutOfRange."""
        audio = await self.audio(transcript)
        if not 0 <= offset < audio.size_bytes or length < 0:
            raise OutOfRange(f"the audio has {audio.size_bytes} bytes", reason="RANGE_INVALID")
        length = min(length or audio.size_bytes, audio.size_bytes - offset)
        asked = self._clock()
        try:
            async with aclosing(self._buckets.stream(audio, offset, length)) as pieces:
                async for piece in pieces:
                    if self._clock() - asked >= ASK_AGAIN_SECONDS:
                        await self.authorise(transcript)
                        asked = self._clock()
                    yield piece
        except Gone:
            raise _not_found() from None


def _not_found() -> NotFound:
    return NotFound("there is no audio to play: it was never kept, or it is gone", reason="AUDIO_NOT_FOUND")
