"""Turns a recording's file into what we need of its audio: a wav to recognise, an mp3 to play, a waveform to draw."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from transcript_svc.speakers import NOBODY, Voices
from transcript_svc.workers import Message, Worker, WorkerDied, WorkRefused

PEAK_COUNT = 1000
HOUR = 3600

Progress = Callable[[int, int], Awaitable[None]]
"""Told how many milliseconds of how many are done; the total is 0 while it is not known."""


class BrokenMedia(Exception):
    """Nothing in this file can be decoded, or it costs more than its size warrants; trying again will not help."""


class TookTooLong(Exception):
    """The decoder was given up on. Perhaps the machine is to blame, so it is tried again, but not for ever."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding one file may cost. A small file must not fill the disk or keep a core busy for days."""

    audio_seconds: int
    cpu_seconds: int
    # Generous, since others may be at work on the machine; what a file costs is counted by its CPU.
    wall_seconds: float

    @classmethod
    def of(cls, size_bytes: int) -> "Limits":
        """For a file of this size: no codec in use takes less than 100 bytes for a second, over an hour."""
        audio = min(HOUR + size_bytes // 100, 24 * HOUR)
        # Ten times as fast as it is heard is slow: mp4 takes a twentieth of that here, 96 kHz of six channels half.
        cpu = min(60 + audio // 10, HOUR)
        return cls(audio, cpu, wall_seconds=4.0 * cpu)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file says of itself. The duration is a claim, not yet a measurement."""

    has_audio: bool
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decode found. Where nothing is to be heard there are no peaks, and the files are of no use."""

    # Also False where the track holds nothing at all.
    has_audio: bool
    duration_ms: int
    peaks: tuple[float, ...]
    # Parts that could not be decoded and were left out: a truncated upload has some.
    damaged: int
    # Who speaks, where there are several tracks.
    voices: Voices = NOBODY


async def probe(source: Path, limits: Limits | None = None) -> Probe:
    """Look at the file's head. Raises BrokenMedia and TookTooLong."""
    limits = limits or Limits.of(0)
    request = {"probe": str(source), "cpu_seconds": limits.cpu_seconds}
    async with _decoder(limits) as worker:
        return Probe(**await worker.answer(request))


async def decode(
    source: Path, wav: Path, mp3: Path | None, on_progress: Progress, limits: Limits | None = None
) -> Decoded:
    """Decode once into a 16 kHz mono wav, an mp3 (where wanted) and the waveform's peaks.

    Several audio tracks are mixed into one, so that nobody's words are lost, and it is noted who speaks when. Memory
    stays flat with length, but for 72 kB an hour of those notes; an mp4's own index, up to 9 MiB an hour of each track,
    comes on top. The limits follow from the file's size unless they are given.

    Raises BrokenMedia where it is the file's fault, TookTooLong where it may be, and OSError and WorkerDied where the
    machine is to blame: a full disk, for one.
    """
    limits = limits or Limits.of((await asyncio.to_thread(source.stat)).st_size)
    request = {
        "decode": str(source), "wav": str(wav), "mp3": str(mp3) if mp3 else None, "peaks": PEAK_COUNT,
        "audio_seconds": limits.audio_seconds, "cpu_seconds": limits.cpu_seconds,
    }  # fmt: skip
    async with _decoder(limits) as worker, aclosing(worker.ask(request)) as replies:
        async for reply in replies:
            if "decoded" in reply:
                return _decoded(reply["decoded"])
            await on_progress(reply["done_ms"], reply["total_ms"])
    raise BrokenMedia("the decoder ended without a result")


def _decoded(found: Message) -> Decoded:
    return Decoded(
        found["has_audio"],
        found["duration_ms"],
        tuple(found["peaks"]),
        found["damaged"],
        Voices.from_json(found["voices"]),
    )


@asynccontextmanager
async def _decoder(limits: Limits) -> AsyncIterator[Worker]:
    # A child of its own for every file: a hostile one may bring it down, and takes nothing with it.
    worker = Worker("transcript_svc.decoding")
    try:
        async with asyncio.timeout(limits.wall_seconds) as limit:
            yield worker
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TookTooLong(f"decoding was given up after {limits.wall_seconds:g} s") from error
    except WorkRefused as error:
        raise BrokenMedia(str(error)) if error.kind == "Undecodable" else OSError(str(error)) from error
    except WorkerDied as error:
        if -error.exit_code == signal.SIGXCPU:
            raise BrokenMedia(f"decoding takes more than {limits.cpu_seconds} s of computing for its size") from error
        if not error.crashed:
            raise
        raise BrokenMedia("this file brings the decoder down") from error
    finally:
        await worker.kill()
