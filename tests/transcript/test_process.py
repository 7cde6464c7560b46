"""The service as a process: it starts in any order, is killed in the middle of the work, and ends it all the same."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from assent.recording.v1 import recording_events_pb2 as heard
from assent.transcript.v1 import transcript_events_pb2 as news

from chassis.bus import Bus, Delivery
from chassis.channel import Tls
from chassis.database import Database, migrate
from deploy.local import Nats, Postgres
from tests.eventually import eventually
from tests.transcript.begun import DONE, begin
from tests.transcript.conftest import MIGRATIONS, ROLE
from tests.transcript.surroundings import Cloud, RecordingSvc
from transcript_svc.domain import Status
from transcript_svc.store import PostgresTranscripts


@dataclass
class Surroundings:
    """All that the process needs, and what it left behind."""

    env: dict[str, str]
    scratch: Path
    cloud: Cloud
    recording_svc: RecordingSvc
    transcripts: PostgresTranscripts
    bus: Bus

    async def arrive(self, recording_id: str, file: Path) -> None:
        """A recording comes in and is announced."""
        version = self.cloud.put("room.mp4", await asyncio.to_thread(file.read_bytes))
        self.recording_svc.fake.add(recording_id, self.cloud.recordings, "room.mp4", version)
        await self.bus.publish(heard.RecordingDiscovered(recording_id=recording_id))

    @asynccontextmanager
    async def process(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """`python -m transcript_svc …`, ended with the block."""
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "transcript_svc", *arguments, env=self.env)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 30)

    async def status(self, recording_id: str) -> Status | None:
        """How far the recording's transcript is."""
        transcript = await self.transcripts.of_recording(recording_id)
        return transcript.status if transcript else None

    async def completed(self, recording_id: str) -> None:
        """Return once the transcript is made."""

        async def look() -> bool:
            return await self.status(recording_id) is Status.COMPLETED

        await eventually(look, within=120)

    def holds_audio(self) -> list[Path]:
        """Files in scratch."""
        return [path for path in self.scratch.rglob("*") if path.is_file()] if self.scratch.exists() else []


@pytest.fixture
async def around(
    postgres: Postgres, nats: Nats, cloud: Cloud, recording_svc: RecordingSvc, tls: Tls, tmp_path: Path
) -> AsyncIterator[Surroundings]:
    name = postgres.fresh_database(role=ROLE)
    scratch = tmp_path / "scratch"
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ASSENT_"))},
        **cloud.env,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ASSENT_NATS_URL": nats.url,
        "ASSENT_TLS_CA": str(tls.ca),
        "ASSENT_TLS_CERT": str(tls.cert),
        "ASSENT_TLS_KEY": str(tls.key),
        "ASSENT_TRANSCRIPT_DATABASE_URL": postgres.url(name, role=ROLE),
        "ASSENT_TRANSCRIPT_MIGRATION_DATABASE_URL": postgres.url(name),
        "ASSENT_TRANSCRIPT_LISTEN": "127.0.0.1:0",
        "ASSENT_TRANSCRIPT_HEALTH_LISTEN": "127.0.0.1:0",
        "ASSENT_RECORDING_ADDRESS": recording_svc.address,
        "ASSENT_AUDIO_BUCKET": cloud.audio,
        "ASSENT_SCRATCH_DIR": str(scratch),
        "ASSENT_INSTANCE": "one",
    }
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(postgres.url(name, role=ROLE)))
        bus = await stack.enter_async_context(Bus(nats.url))
        await bus.connected()
        yield Surroundings(env, scratch, cloud, recording_svc, PostgresTranscripts(database), bus)
    postgres.drop_database(name)


async def test_a_process_killed_in_the_middle_of_the_work_ends_it_after_its_restart(
    around: Surroundings, beginning: Path
) -> None:
    told: list[str] = []

    async def remember(delivery: Delivery[news.TranscriptCompleted]) -> None:
        told.append(delivery.message.recording_id)

    around.bus.consume(news.TranscriptCompleted, consumer="test_process", handle=remember)
    async with around.process("migrate") as migrating:
        assert await migrating.wait() == 0
    # Announced before anybody listens: the event waits.
    await around.arrive("killed", beginning)

    async def recognising() -> bool:
        return any(path.name == "audio.mp3" for path in around.holds_audio())

    async with around.process("serve") as process:
        await eventually(recognising, within=60)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert around.holds_audio()
    assert around.recording_svc.fake.scratch() == {"killed"}
    assert await around.status("killed") is Status.PROCESSING

    async with around.process("serve") as process:
        await around.completed("killed")

        async def announced() -> bool:
            return "killed" in told

        await eventually(announced)
        assert around.holds_audio() == []
        assert around.recording_svc.fake.scratch() == set()
        process.terminate()
        assert await process.wait() == 0
    assert told.count("killed") == 1
    transcript = await around.transcripts.of_recording("killed")
    assert transcript is not None
    assert transcript.attempt == 2
    assert len(around.cloud.audio_versions()) == 1


async def test_a_match_whose_event_was_lost_is_found_by_the_process_itself(around: Surroundings) -> None:
    owner_url, service_url = (around.env[f"ASSENT_TRANSCRIPT_{kind}DATABASE_URL"] for kind in ("MIGRATION_", ""))
    await migrate(owner_url, MIGRATIONS, service_url=service_url)
    job = await begin(around.transcripts)
    await around.transcripts.complete(job, DONE)
    around.recording_svc.fake.add("r1", "recordings", "room.mp4", "v1").owner_id = "ben"
    around.env["ASSENT_SWEEP_SECONDS"] = "0.2"

    async def owner_is(owner: str) -> bool:
        transcript = await around.transcripts.get(job.transcript_id)
        return transcript is not None and transcript.owner_id == owner

    async with around.process("serve") as process:
        assert await eventually(lambda: owner_is("ben"))
        around.recording_svc.fake.recordings["r1"].owner_id = "cleo"
        assert await eventually(lambda: owner_is("cleo"))
        process.terminate()
        assert await process.wait() == 0


async def test_settings_that_are_missing_are_named(around: Surroundings) -> None:
    del around.env["ASSENT_RECORDING_ADDRESS"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transcript_svc", "serve"), env=around.env, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"ASSENT_RECORDING_ADDRESS" in said


async def test_a_recogniser_that_cannot_work_ends_the_process_before_it_serves(around: Surroundings) -> None:
    around.env |= {"ASSENT_RECOGNISER": "faster-whisper", "ASSENT_WHISPER_MODEL": "/nowhere/at/all"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transcript_svc", "serve"), env=around.env, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.startswith(b"ASSENT_RECOGNISER: ")
    assert b"Traceback" not in said
