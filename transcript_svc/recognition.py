"""Turns speech into words behind one small interface."""

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment, Word, segments_of
from transcript_svc.workers import Workers


@dataclass(frozen=True, slots=True)
class Heard:
    """The next segments, in order; everything before `until_ms` has now been heard."""

    until_ms: int
    segments: tuple[Segment, ...]


class Recogniser(Protocol):
    """Whatever can hear words. Close the iterator to stop the work."""

    language: str

    def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Segments of a 16 kHz mono wav as they are ready, in the order of time."""
        ...

    async def aclose(self) -> None:
        """Let go of models and processes."""
        ...


class PocketSphinx:
    """US English, offline, with the model that its wheel carries. One child process for every core."""

    language = "en"

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or len(os.sched_getaffinity(0))
        self._workers = Workers("transcript_svc.sphinx", self._processes)

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Chunks are heard side by side and handed on in order. Raises WorkerDied."""
        async with self._workers.one() as worker:
            cut = await worker.answer({"cut": str(wav)})
        chunks = [Span(start_ms, end_ms) for start_ms, end_ms in cut["chunks"]]
        tasks = [asyncio.create_task(self._words(wav, chunk)) for chunk in chunks]
        try:
            for chunk, task in zip(chunks, tasks, strict=True):
                yield Heard(chunk.end_ms, tuple(segments_of(await task)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """End the child processes."""
        await self._workers.close()

    async def _words(self, wav: Path, chunk: Span) -> list[Word]:
        request = {"recognise": str(wav), "start_ms": chunk.start_ms, "end_ms": chunk.end_ms}
        async with self._workers.one() as worker:
            answer = await worker.answer(request)
        return [Word(text, start_ms, end_ms) for text, start_ms, end_ms in answer["words"]]


def recogniser(name: str) -> Recogniser:
    """The recogniser of that name. Raises ValueError, saying which there are."""
    if name == "pocketsphinx":
        return PocketSphinx()
    raise ValueError(f"no recogniser {name!r}: set ASSENT_RECOGNISER to pocketsphinx")
