"""Words misheard, and how fast words are heard: cut at silences against the whole file at once, all cores against one.

Twelve minutes of two voices (`bench/speech`), as PocketSphinx hears them in transcript_svc's own child processes.
"""

import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Usage, usage
from bench.speech import TALK, WORDS
from tests.transcript.words import plain_words, word_error_rate
from transcript_svc import media
from transcript_svc.recognisers import PocketSphinx, cores
from transcript_svc.workers import Worker

WORSE_BY = 0.01
"""The most that cutting may add to the rate of words misheard."""

FASTER = 1.7
"""Two cores must be that many times as fast as one."""


@dataclass(frozen=True)
class Run:
    """One way of hearing the talk, and what came of it."""

    name: str
    error_rate: float
    spent: Usage

    @property
    def others(self) -> float:
        """What everybody else used of the machine meanwhile, as a part of it."""
        spent = self.spent
        return max(0.0, spent.machine - spent.groups["bench"]) / (spent.wall * (os.cpu_count() or 1))


async def measure() -> int:
    """Print rates and times. Returns 1 where cutting costs more words than it may."""
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        wav = Path(folder) / "talk.wav"
        decoded = await media.decode(TALK, wav, None, _ignore)
        by_all = await _run(f"cut at silences, {cores()} processes", lambda: _cut(wav, cores()))
        whole = await _run("whole file, 1 process", lambda: _whole(wav, decoded.duration_ms))
        by_one = await _run("cut at silences, 1 process", lambda: _cut(wav, 1))
    _print([by_all, whole, by_one], decoded.duration_ms)
    _print_aims(by_all, whole, by_one)
    return int(by_all.error_rate > whole.error_rate + WORSE_BY)


async def _run(name: str, hear: Callable[[], Awaitable[str]]) -> Run:
    before = usage({"bench": os.getpid()})
    heard = await hear()
    spent = usage({"bench": os.getpid()}) - before
    return Run(name, word_error_rate(plain_words(WORDS.read_text()), plain_words(heard)), spent)


async def _cut(wav: Path, processes: int) -> str:
    async with aclosing(PocketSphinx(processes)) as sphinx:
        heard = [segment.text async for piece in sphinx.hear(wav) for segment in piece.segments]
    return " ".join(heard)


async def _whole(wav: Path, duration_ms: int) -> str:
    worker = Worker("transcript_svc.sphinx")
    answer = await worker.answer({"recognise": str(wav), "start_ms": 0, "end_ms": duration_ms})
    await worker.kill()
    return " ".join(word for word, _, _ in answer["words"])


async def _ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches the decoder."""


def _print(runs: list[Run], duration_ms: int) -> None:
    print(f"\nWords heard by PocketSphinx in {duration_ms / 60_000:.1f} min of two voices")
    print("| way | words misheard | wall s | CPU s | CPU of others |\n|---|---|---|---|---|")
    for run in runs:
        rate, spent = f"{run.error_rate:.1%}", run.spent
        print(f"| {run.name} | {rate} | {spent.wall:.0f} | {spent.groups['bench']:.0f} | {run.others:.0%} |")


def _print_aims(by_all: Run, whole: Run, by_one: Run) -> None:
    worse = (by_all.error_rate - whole.error_rate) * 100
    print(f"cut against whole: {worse:+.1f} points (aim: at most +{WORSE_BY * 100:.0f})", end=", ")
    print(f"{whole.spent.wall / by_all.spent.wall:.2f} times as fast (aim: more than 1)")
    print(f"{cores()} processes against 1: {by_one.spent.wall / by_all.spent.wall:.2f} times as fast", end=" ")
    print(f"(aim: {FASTER} on 2 cores)")
