"""The recognisers there are, and which of them is used: a setting says."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from transcript_svc.cutting import Span
from transcript_svc.domain import Word, segments_of
from transcript_svc.endpointing import chunks_in
from transcript_svc.recognition import Heard, Recogniser, side_by_side
from transcript_svc.settings import RecogniserSettings
from transcript_svc.workers import Message, Workers

# For every child process: one chunk in work, and others ready for when it is done before its neighbours.
CHUNKS_AHEAD = 3


class InChildren:
    """Hears with a module of ours that runs in child processes, each of which loads the model once."""

    def __init__(self, module: str, processes: int, language: str, model: Message | None = None) -> None:
        self.language = language
        self._processes = processes
        self._model = model or {}
        self._workers = Workers(module, processes)

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Chunks are heard side by side and handed on in order. Raises WorkerDied."""
        chunks = await chunks_in(wav)
        at_once = self._processes * CHUNKS_AHEAD
        async with aclosing(side_by_side(chunks, partial(self._heard, wav), at_once)) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """End the child processes."""
        await self._workers.close()

    async def _heard(self, wav: Path, chunk: Span) -> Heard:
        request = {"recognise": str(wav), "start_ms": chunk.start_ms, "end_ms": chunk.end_ms, **self._model}
        async with self._workers.one() as worker:
            answer = await worker.answer(request)
        words = [Word(text, start_ms, end_ms) for text, start_ms, end_ms in answer["words"]]
        return Heard(chunk.end_ms, tuple(segments_of(words)), answer["language"])


class PocketSphinx(InChildren):
    """US English, offline, with the model that its wheel carries. One child process for every core."""

    def __init__(self, processes: int = 0) -> None:
        super().__init__("transcript_svc.sphinx", processes or cores(), "en")


async def recogniser(settings: RecogniserSettings) -> Recogniser:
    """The recogniser that is set, ready to hear. Raises Unfit."""
    return PocketSphinx(settings.recogniser_processes)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
