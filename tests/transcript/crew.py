"""Several real transcript_svc on one queue of work, that can be killed, paused and begun again."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from assent.recording.v1 import recording_events_pb2 as heard

from chassis.bus import Bus
from tests.eventually import eventually
from tests.forking import Nursery, Process
from tests.transcript.forked import Life
from tests.transcript.surroundings import Cloud, RecordingSvc
from transcript_svc.domain import Status, Transcript
from transcript_svc.store import PostgresTranscripts


class Crew(Nursery):
    """Instances of transcript_svc, each with a scratch of its own; one process at a time is an instance."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        cloud: Cloud,
        recording_svc: RecordingSvc,
        transcripts: PostgresTranscripts,
        bus: Bus,
    ) -> None:
        super().__init__("tests.transcript.forked")
        self.folder = folder
        self._environ = environ
        self.nats_url = environ["ASSENT_NATS_URL"]
        self.cloud, self.recording_svc, self.transcripts, self.bus = cloud, recording_svc, transcripts, bus
        self.hold = 3.0
        self.piece = 0.25

    async def begin(self, instance: str) -> Process:
        """A process of that instance."""
        environ = {
            "ASSENT_INSTANCE": instance,
            "ASSENT_SCRATCH_DIR": str(self.scratch(instance)),
            "TMPDIR": str(self.folder),  # whatever a library lays down for a moment can be found there
        }
        life = Life({**self._environ, **environ}, str(self._log(instance)), self.hold, self.piece)
        return await self.fork(asdict(life))

    async def arrive(self, recording_id: str, content: bytes, room: str = "room") -> None:
        """A recording comes in and is announced."""
        key = f"{room}-2026-11-23T09:00:00.{recording_id}Z.mp4"
        version = await asyncio.to_thread(self.cloud.put, key, content)
        self.recording_svc.fake.add(recording_id, self.cloud.recordings, key, version)
        await self.bus.publish(heard.RecordingDiscovered(recording_id=recording_id))

    async def transcript(self, recording_id: str) -> Transcript:
        """The recording's transcript, that has to be there."""
        found = await self.transcripts.of_recording(recording_id)
        assert found is not None
        return found

    async def completed(self, recording_ids: list[str], within: float = 60) -> None:
        """Return once all of them are transcribed."""

        async def look() -> bool:
            found = [await self.transcripts.of_recording(recording_id) for recording_id in recording_ids]
            return all(transcript and transcript.status is Status.COMPLETED for transcript in found)

        await eventually(look, within=within, every=0.2)

    async def scratch_empty(self) -> None:
        """Return once nothing lies in anybody's scratch, and recording_svc knows it."""

        async def look() -> bool:
            return not self.left_in_scratch() and not self.recording_svc.fake.scratch()

        await eventually(look)

    def scratch(self, instance: str) -> Path:
        """Where that instance's audio may lie."""
        return self.folder / "scratch" / instance

    def left_in_scratch(self, instance: str = "*") -> list[Path]:
        """Whatever lies in the scratch of one, or of all."""
        return list((self.folder / "scratch").glob(f"{instance}/**/*")) if self.folder.exists() else []

    def said(self, what: str) -> int:
        """How often the processes have logged that."""
        logs = self.folder.glob("*.log")
        return sum(log.read_text(errors="replace").count(f'"{what}"') for log in logs)

    def _log(self, instance: str) -> Path:
        return self.folder / f"{instance}.log"
