"""The recognisers there are, and which of them is used: a setting says."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from transcript_svc.cutting import Span
from transcript_svc.domain import Word, segments_of
from transcript_svc.endpointing import chunks_in
from transcript_svc.openai import OpenAI, key_in
from transcript_svc.recognition import Heard, Recogniser, Unfit, ensure_sayable, side_by_side, speakable
from transcript_svc.settings import RecogniserSettings
from transcript_svc.workers import Message, WorkerDied, Workers, WorkRefused

# For every child process: one chunk in work, and others ready for when it is done before its neighbours.
CHUNKS_AHEAD = 3

# A chunk is 30 s long at most; whoever takes this long for it hangs.
CHUNK_SECONDS = 900.0


class Stuck(Exception):
    """A child took so long that it will never end. Perhaps it is the audio: such a try counts."""


class InChildren:
    """Hears with a module of ours that runs in child processes, each of which loads the model once."""

    def __init__(
        self,
        module: str,
        processes: int,
        language: str,
        model: Message | None = None,
        chunk_seconds: float = CHUNK_SECONDS,
    ) -> None:
        self.language = language
        self._chunk_seconds = chunk_seconds
        self._processes = processes
        self._model = model or {}
        self._workers = Workers(module, processes)

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Chunks are heard side by side and handed on in order. Raises WorkerDied, Stuck and Garbled."""
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
            try:
                async with asyncio.timeout(self._chunk_seconds):
                    answer = await worker.answer(request)
            except TimeoutError:
                raise Stuck(f"{self._chunk_seconds:g} s were not enough to hear from {chunk.start_ms} ms") from None
        told = answer["words"]
        ensure_sayable([text for text, _, _ in told])
        words = (Word(speakable(text), start_ms, end_ms) for text, start_ms, end_ms in told)
        return Heard(chunk.end_ms, tuple(segments_of(word for word in words if word.text)), answer["language"])


class PocketSphinx(InChildren):
    """US English, offline, with the model that its wheel carries. One child process for every core."""

    def __init__(self, processes: int = 0) -> None:
        super().__init__("transcript_svc.sphinx", processes or cores(), "en")


class FasterWhisper(InChildren):
    """Whisper on this machine, with a model that lies here already."""

    def __init__(self, settings: RecogniserSettings) -> None:
        processes = settings.recogniser_processes or 1
        self._kind = {
            "name": settings.whisper_model,
            "folder": str(settings.whisper_cache) if settings.whisper_cache else None,
            "device": settings.whisper_device,
            "compute_type": settings.whisper_compute_type,
            "threads": max(cores() // processes, 1),
        }
        request = {"model": self._kind, "language": settings.recogniser_language}
        super().__init__("transcript_svc.whisper", processes, settings.recogniser_language, request)

    async def load(self) -> None:
        """Have one child load the model. Raises Unfit where there is none, or where it does not run here."""
        if find_spec("faster_whisper") is None:
            raise Unfit(
                "faster-whisper is not installed: pip install 'assent[faster-whisper]', "
                "or, in a clone, uv sync --extra faster-whisper"
            )
        try:
            async with self._workers.one() as worker:
                await worker.answer({"model": self._kind})
        except (WorkRefused, WorkerDied) as error:
            await self.aclose()
            raise Unfit(
                f"the model {self._kind['name']!r} does not load, and none is downloaded: put one on this machine and "
                f"name its folder in ASSENT_WHISPER_MODEL ({error})"
            ) from error


async def recogniser(settings: RecogniserSettings) -> Recogniser:
    """The recogniser that is set, ready to hear. Raises Unfit."""
    if settings.recogniser == "faster-whisper":
        whisper = FasterWhisper(settings)
        await whisper.load()
        return whisper
    if settings.recogniser == "openai":
        client = OpenAI(settings, key_in(settings.openai_key_file))
        await client.look()
        return client
    return PocketSphinx(settings.recogniser_processes)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
