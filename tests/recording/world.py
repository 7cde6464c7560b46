"""One recording_svc around a test's store, buckets, neighbours and clock, wired as the service wires itself."""

import asyncio
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_svc.buckets import AudioBuckets
from recording_svc.certificate import Signer, verify
from recording_svc.domain.recordings import CopyKind, Recording
from recording_svc.domain.settling import Times
from recording_svc.erasure import Erasure
from recording_svc.intake import Intake, Queues
from recording_svc.reconciliation import Reconciliation
from recording_svc.settlement import Settlement
from recording_svc.store import Recordings
from recording_svc.sweep import Sweep
from tests.recording.faults import FaultyS3
from tests.recording.memory_listings import MemoryListings
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import Clock, Cloud

KEY = "folder/a room-2026-11-22T11:20:00Z.mp4"


class World:
    """Everything that decides about a recording, and what it decides upon."""

    def __init__(
        self, recordings: Recordings, cloud: Cloud, neighbours: Neighbours, clock: Clock, key: Ed25519PrivateKey
    ) -> None:
        self.recordings = recordings
        self.cloud = cloud
        self.answers = neighbours.answers
        self.written = neighbours.written
        self.neighbours = neighbours
        self.clock = clock
        self.key = key
        self.times = Times()
        self.s3 = FaultyS3(cloud.s3)
        self.woken = asyncio.Event()
        audio: Any = AudioBuckets(self.s3)  # type: ignore[arg-type]  # a client with faults
        self.settlement = Settlement(
            recordings,
            neighbours.consent,
            neighbours.transcripts,
            Erasure(audio, clock),
            Signer(key),
            self.times,
            clock,
        )
        queues = Queues(cloud.queue, cloud.dead_letters)
        self.intake = Intake(cloud.sqs, queues, cloud.recordings, audio, recordings, clock, self.woken.set)
        self.reconciliation = Reconciliation(
            audio, cloud.recordings, cloud.audio, recordings, MemoryListings(), self.intake.take_in, clock
        )
        self.sweep = Sweep(recordings, self.settlement, self.reconciliation, self.times, clock, self.woken)

    async def arrive(self, key: str = KEY, body: bytes = b"audio") -> Recording:
        """Whereby puts a recording, and it is taken in."""
        version = self.cloud.put(key, body)
        await self.intake.take_in(await AudioBuckets(self.cloud.s3).versions_of(self.cloud.recordings, key))
        found = await self.recordings.of_versions(self.cloud.recordings, {key})
        return next(one for one in found if one.version_id == version)

    async def write_mp3(self, recording: Recording) -> str:
        """What transcript_svc does once it has decoded: register, then write."""
        key = f"{recording.recording_id}.mp3"
        await self.recordings.register(recording.recording_id, CopyKind.MP3, self.cloud.audio, key, self.clock())
        self.cloud.put(key, b"mp3", self.cloud.audio)
        return key

    async def settle(self, recording: Recording) -> Recording:
        return await self.settlement.settle(recording.recording_id)

    async def now(self, recording: Recording) -> Recording:
        """The recording as it is stored."""
        stored = await self.recordings.get(recording.recording_id)
        assert stored is not None
        return stored

    def lying(self) -> list[tuple[str, str]]:
        """Whatever lies in either bucket."""
        return self.cloud.lying(self.cloud.recordings) + self.cloud.lying(self.cloud.audio)

    def statement(self, recording: Recording) -> dict[str, Any]:
        return verify(recording.certificate, self.key.public_key())
