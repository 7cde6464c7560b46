"""One worker with all its surroundings, and a recogniser that does as it is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from assent.transcript.v1 import transcript_events_pb2 as news

from tests.transcript.surroundings import Cloud, RecordingSvc, Store
from transcript_svc.buckets import Buckets
from transcript_svc.domain import Segment, Transcript
from transcript_svc.recognition import Heard, Recogniser
from transcript_svc.scratch import Scratch
from transcript_svc.transcription import Transcription

HELLO = Segment(0, 900, "hello there")


@dataclass
class Parrot:
    """Hears the same in everything, as soon as it may; looks around before it does.

    It can be made to sleep before it speaks or after.
    """

    language: str = "en"
    may_speak: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    asleep: asyncio.Event = field(default_factory=asyncio.Event)
    look: Callable[[Path], None] = lambda wav: None

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        self.look(wav)
        await self._sleep(self.may_speak)
        yield Heard(1_000, (HELLO,))
        await self._sleep(self.may_end)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def _sleep(self, until: asyncio.Event) -> None:
        if not until.is_set():
            self.asleep.set()
        await until.wait()


@dataclass
class Workshop:
    """One worker with all its surroundings."""

    store: Store
    recording_svc: RecordingSvc
    cloud: Cloud
    buckets: Buckets
    folder: Path
    stack: AsyncExitStack
    parrot: Parrot = field(default_factory=Parrot)

    def arrive(self, file: Path, recording_id: str = "r1") -> None:
        """A recording has come in and its row is committed."""
        key = f"room-{recording_id}.mp4"
        version = self.cloud.put(key, file.read_bytes())
        self.recording_svc.fake.add(recording_id, self.cloud.recordings, key, version)

    async def worker(self, instance: str = "one", recogniser: Recogniser | None = None) -> Transcription:
        """A worker that is ready."""
        scratch = Scratch(self.scratch(instance), instance, self.recording_svc.stub)
        await self.stack.enter_async_context(scratch)
        return Transcription(
            self.store.transcripts,
            self.recording_svc.stub,
            self.buckets,
            scratch,
            recogniser or self.parrot,
            instance,
        )

    def scratch(self, instance: str = "one") -> Path:
        """Where that worker's audio may lie."""
        return self.folder / "scratch" / instance

    def left_in_scratch(self) -> list[Path]:
        """Files that lie in anybody's scratch."""
        return [path for path in (self.folder / "scratch").rglob("*") if path.parent.parent.name != self.folder.name]

    async def transcript(self, recording_id: str = "r1") -> Transcript:
        """The recording's only transcript."""
        found = await self.store.transcripts.of_recording(recording_id)
        assert found is not None
        return found

    async def completions(self) -> int:
        """How often the completion was told."""
        return len(await self.store.news_of(news.TranscriptCompleted))
