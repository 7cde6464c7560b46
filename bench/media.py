"""Decoding into wav, mp3 and waveform beside one `ffmpeg` command that writes wav and mp3; and memory by length.

Half an hour of speech in an mp4 is made at run time. Both are whole processes, started and ended for the one file.
"""

import asyncio
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.lengthened import lengthened, short
from bench.processes import of_every_process, usage
from transcript_svc import media
from transcript_svc.audio_files import MP3_QUALITY, MP3_RATES

OURS = "transcript_svc, with waveform"
MINUTES = (3, 30, 180)
CPU, WALL, MEMORY = 1.0, 0.6, 1.1
"""Aims: of ffmpeg's CPU and wall time, and of the peak memory at the shortest length."""
_TOLERANCE = 0.001
"""Of the length: what an encoder leads in with is there as often as the beginning is repeated."""
PEERS: dict[str, tuple[str, ...]] = {
    "one ffmpeg command": (),
    "the same, told to make the mp3 like ours": ("-ar", str(max(MP3_RATES)), "-compression_level", str(MP3_QUALITY)),
}


@dataclass(frozen=True)
class Round:
    """What one decode took, in seconds; `others` is what everybody else used of the machine meanwhile."""

    wall: float
    cpu: float
    others: float


async def measure(rounds: int) -> int:
    """Print times and memory. Returns 1 where a decode does not give the whole file."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as name:
        folder = Path(name)
        beginning = await asyncio.to_thread(short, folder / "short.mp4", MINUTES[0])
        failed = await _speed(folder, lengthened(beginning, folder / "long.mp4", 10), rounds)
        failed |= await _memory(folder, beginning)
    return failed


async def _speed(folder: Path, source: Path, rounds: int) -> int:
    ffmpeg = shutil.which("ffmpeg")
    ends: list[media.Decoded] = []

    async def decode() -> None:
        ends.append(await media.decode(source, folder / "out.wav", folder / "out.mp3", _ignore))

    ways: dict[str, Callable[[], Awaitable[None]]] = {OURS: decode}
    if ffmpeg:
        ways |= {name: partial(_ffmpeg, ffmpeg, source, folder, options) for name, options in PEERS.items()}
    played: dict[str, list[Round]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            played[name].append(await _round(work))
    _print_speed({name: rounds[1:] or rounds for name, rounds in played.items()})
    return int(any(_is_short(end, MINUTES[1]) for end in ends))


async def _ffmpeg(ffmpeg: str, source: Path, folder: Path, options: tuple[str, ...]) -> None:
    wav, mp3 = str(folder / "peer.wav"), str(folder / "peer.mp3")
    command = ["-i", str(source), "-ac", "1", "-ar", "16000", wav, *options, "-b:a", "128k", mp3]
    process = await asyncio.create_subprocess_exec(ffmpeg, "-v", "error", "-nostdin", "-y", *command)
    if await process.wait():
        raise RuntimeError("ffmpeg could not decode what was made for it")


def _is_short(found: media.Decoded, minutes: int) -> bool:
    wanted = minutes * 60_000
    return abs(found.duration_ms - wanted) > _TOLERANCE * wanted


async def _round(work: Callable[[], Awaitable[None]]) -> Round:
    began, before, machine = time.perf_counter(), _children(), usage({}).machine
    await work()
    wall, cpu = time.perf_counter() - began, _children() - before
    return Round(wall, cpu, max(0.0, usage({}).machine - machine - cpu) / (wall * (os.cpu_count() or 1)))


def _children() -> float:
    """CPU seconds of our ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print_speed(played: dict[str, list[Round]]) -> None:
    print(f"\nDecoding {MINUTES[1]} min of speech (mp4, AAC, stereo, 48 kHz) into wav and mp3")
    print("| way | wall s | CPU s | ours, of its wall | ours, of its CPU | CPU of others |\n|---|---|---|---|---|---|")
    for name, rounds in played.items():
        wall, cpu, others = (statistics.median(getattr(one, of) for one in rounds) for of in ("wall", "cpu", "others"))
        ratios = f"{_ratio(played[OURS], rounds, 'wall'):.2f} | {_ratio(played[OURS], rounds, 'cpu'):.2f}"
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {ratios} | {others:.0%} |")
    print(f"aims beside one ffmpeg command: {WALL} of its wall time, {CPU} of its CPU")
    if len(played) == 1:
        print("ffmpeg is not installed, so there is nothing to compare with: apt-get install ffmpeg")


def _ratio(ours: list[Round], theirs: list[Round], figure: str) -> float:
    pairs = zip(ours, theirs, strict=True)
    return float(statistics.median(getattr(one, figure) / getattr(peer, figure) for one, peer in pairs))


async def _memory(folder: Path, beginning: Path) -> int:
    print(
        "\nPeak memory of the decoding process, MiB\n| file | " + " | ".join(f"{minutes} min" for minutes in MINUTES),
        end="",
    )
    print(f" | most of least (aim {MEMORY}) |\n" + "|---" * (len(MINUTES) + 2) + "|")
    failed = 0
    for ending in ("mkv", "mp4"):
        peaks = []
        for minutes in MINUTES:
            source = lengthened(beginning, folder / f"long.{ending}", minutes // MINUTES[0])
            watch = _Peak()
            found = await media.decode(source, folder / "out.wav", folder / "out.mp3", watch)
            failed |= _is_short(found, minutes)
            peaks.append(watch.mebibytes)
        shown = " | ".join(f"{peak:.0f}" for peak in peaks)
        print(f"| {ending} | {shown} | {max(peaks) / min(peaks):.2f} |")
    return int(failed)


class _Peak:
    """Looks, whenever progress is told, at the most memory that the decoder ever held."""

    mebibytes = 0.0

    async def __call__(self, done_ms: int, total_ms: int) -> None:
        self.mebibytes = max(self.mebibytes, *of_every_process(_decoders_peak))


def _decoders_peak(folder: Path) -> float:
    """In mebibytes; 0 for a process that is no decoder of ours."""
    command, status = (folder / "cmdline").read_bytes(), (folder / "status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    is_ours = b"transcript_svc.decoding" in command and int(fields["PPid"]) == os.getpid()
    return int(fields["VmHWM"].split()[0]) / 1024 if is_ours else 0.0


async def _ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches the decoder."""
