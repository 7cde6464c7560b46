"""Several real transcript_svc on one queue of work, that can be killed, paused and begun again."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from assent.recording.v1 import recording_events_pb2 as heard

from chassis.bus import Bus
from tests.eventually import eventually
from tests.transcript.forked import Life
from tests.transcript.surroundings import Cloud, RecordingSvc
from transcript_svc.domain import Status, Transcript
from transcript_svc.store import PostgresTranscripts


class Process:
    """One transcript_svc."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, status: int) -> None:
        """It has ended; negative is the signal by which."""
        self._ended.set_result(status)

    async def ended(self) -> int:
        """Return, once it has ended, how."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        if not self._ended.done():
            os.kill(self.pid, number)


class Crew:
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
        self.folder = folder
        self._environ = environ
        self._unborn: deque[asyncio.Future[Process]] = deque()
        self._processes: dict[int, Process] = {}
        self.nats_url = environ["ASSENT_NATS_URL"]
        self.cloud, self.recording_svc, self.transcripts, self.bus = cloud, recording_svc, transcripts, bus
        self.hold = 3.0
        self.piece = 0.25

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.transcript.forked"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=pipe,
            stdout=pipe,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._nursery.stdin
        self._nursery.stdin.close()  # it kills those that are left
        await self._nursery.wait()
        await self._listening

    async def begin(self, instance: str) -> Process:
        """A process of that instance."""
        assert self._nursery.stdin
        environ = {
            "ASSENT_INSTANCE": instance,
            "ASSENT_SCRATCH_DIR": str(self.scratch(instance)),
            "TMPDIR": str(self.folder),  # whatever a library lays down for a moment can be found there
        }
        life = Life({**self._environ, **environ}, str(self._log(instance)), self.hold, self.piece)
        born: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._unborn.append(born)
        self._nursery.stdin.write(f"{life.to_json()}\n".encode())
        return await born

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

    async def _listen(self) -> None:
        assert self._nursery.stdout
        async for line in self._nursery.stdout:
            said = json.loads(line)
            if "status" in said:
                self._processes.pop(said["pid"]).end(said["status"])
            else:
                self._processes[said["pid"]] = Process(said["pid"])
                self._unborn.popleft().set_result(self._processes[said["pid"]])
