"""TranscriptService with a caller and all that it stands on."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assent.transcript.v1 import transcript_service_pb2 as rpc

from tests.transcript.surroundings import Cloud, RecordingSvc
from transcript_svc.buckets import Buckets
from transcript_svc.domain import Audio, Outcome, Recording, Segment, Status, Word
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceAsyncStub

SEGMENTS = (Segment(0, 900, "a < b", (Word("a", 0, 300), Word("b", 500, 900))),)
SOUND = bytes(itertools.islice(itertools.cycle(range(251)), 700_000))


@dataclass
class Service:
    """The service under test, what it stands on, and a caller."""

    call: "TranscriptServiceAsyncStub"
    transcripts: Transcripts
    recording_svc: RecordingSvc
    buckets: Buckets
    cloud: Cloud
    folder: Path
    # What the service's clock shows; a look at it moves it.
    moments: list[float] = field(default_factory=lambda: [0.0])

    async def transcribed(self, number: int = 1, *, with_audio: bool = True) -> str:
        """A transcript that was made; its id."""
        recording = Recording(f"r{number}", "recordings", "room.mp4", "v1", ("m1",), "ana")
        self.recording_svc.fake.add(recording.id, recording.bucket, recording.object_key, recording.version_id)
        job = await self.transcripts.begin(recording, "one", timedelta(minutes=1))
        assert job is not None
        audio = await self._upload(recording.id) if with_audio else None
        outcome = Outcome(Status.COMPLETED, 3_000, "en", SEGMENTS, (0.0, 0.5) if audio else (), audio)
        await self.transcripts.complete(job, outcome)
        return job.transcript_id

    async def _upload(self, recording_id: str) -> Audio:
        mp3 = self.folder / f"{recording_id}.mp3"
        mp3.write_bytes(SOUND)
        return await self.buckets.upload(mp3, mp3.name)

    async def sound(self, transcript_id: str, offset: int = 0, length: int = 0) -> bytes:
        """What StreamAudio gives."""
        request = rpc.StreamAudioRequest(transcript_id=transcript_id, offset=offset, length=length)
        return b"".join([piece.data async for piece in self.call.StreamAudio(request)])
