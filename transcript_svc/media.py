"""Turns a recording's file into what we need of its audio: a wav to recognise, an mp3 to play, a waveform to draw."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from transcript_svc.workers import Worker, WorkerDied, WorkRefused

PEAK_COUNT = 1000

Progress = Callable[[int, int], Awaitable[None]]
"""Told how many milliseconds of how many are done; the total is 0 while it is not known."""


class BrokenMedia(Exception):
    """Nothing in this file can be decoded; trying again will not help."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file says of itself. The duration is a claim, not yet a measurement."""

    has_audio: bool
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decode found. Without an audio track there are no peaks, and no files were written."""

    has_audio: bool
    duration_ms: int
    peaks: tuple[float, ...]
    # Parts that could not be decoded and were left out: a truncated upload has some.
    damaged: int


async def probe(source: Path, seconds: float = 30) -> Probe:
    """Look at the file's head. Raises BrokenMedia."""
    async with _decoder(seconds) as worker:
        return Probe(**await worker.answer({"probe": str(source)}))


async def decode(source: Path, wav: Path, mp3: Path | None, on_progress: Progress, seconds: float = 3600) -> Decoded:
    """Decode once into a 16 kHz mono wav, an mp3 (where wanted) and the waveform's peaks.

    Memory stays flat with length. Raises BrokenMedia, also when it takes longer than `seconds`, and OSError and
    WorkerDied where the machine is to blame.
    """
    request = {"decode": str(source), "wav": str(wav), "mp3": str(mp3) if mp3 else None, "peaks": PEAK_COUNT}
    async with _decoder(seconds) as worker, aclosing(worker.ask(request)) as replies:
        async for reply in replies:
            if "decoded" in reply:
                found = reply["decoded"]
                return Decoded(found["has_audio"], found["duration_ms"], tuple(found["peaks"]), found["damaged"])
            await on_progress(reply["done_ms"], reply["total_ms"])
    raise BrokenMedia("the decoder ended without a result")


@asynccontextmanager
async def _decoder(seconds: float) -> AsyncIterator[Worker]:
    # A child of its own for every file: a hostile one may bring it down, and takes nothing with it.
    worker = Worker("transcript_svc.decoding")
    try:
        async with asyncio.timeout(seconds) as limit:
            yield worker
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise BrokenMedia(f"decoding took longer than {seconds:g} s") from error
    except WorkRefused as error:
        raise BrokenMedia(str(error)) if error.kind == "Undecodable" else OSError(str(error)) from error
    except WorkerDied as error:
        if not error.crashed:
            raise
        raise BrokenMedia("this file brings the decoder down") from error
    finally:
        await worker.kill()
