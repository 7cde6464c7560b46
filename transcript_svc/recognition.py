"""What every recogniser is: something that turns speech into words, chunk by chunk."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment, Word

# Far more than anybody says in one chunk; it keeps every event well below what NATS takes.
MOST_CHARACTERS = 5_000

# Control characters and halves of characters: Postgres takes no NUL, protobuf no half, and nobody says them.
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Heard:
    """The next segments, in order; everything before `until_ms` has now been heard."""

    until_ms: int
    segments: tuple[Segment, ...]
    # Of what was heard, as ISO 639 has it; empty where the recogniser does not say.
    language: str = ""


class Recogniser(Protocol):
    """Whatever can hear words. Close the iterator to stop the work."""

    language: str

    def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Segments of a 16 kHz mono wav as they are ready, in the order of time.

        Raises Unrecognisable, and whatever else where the recogniser is to blame.
        """
        ...

    async def aclose(self) -> None:
        """Let go of models, processes and connections."""
        ...


class Unfit(Exception):
    """A recogniser cannot work as it is set up. Says what to do."""


class Unrecognisable(Exception):
    """This audio is refused, and would be refused again."""


class Garbled(Exception):
    """This is no answer."""


async def side_by_side(
    chunks: Iterable[Span], hear: Callable[[Span], Awaitable[Heard]], at_once: int
) -> AsyncGenerator[Heard, None]:
    """What is heard in the chunks, in their order, while up to `at_once` of them are in work or waiting their turn.

    No more of them, so that the next recording's first chunk need not wait for this one's last.
    """
    begun: deque[asyncio.Task[Heard]] = deque()
    try:
        for chunk in chunks:
            begun.append(asyncio.create_task(_heard(hear, chunk), name=f"hear {chunk.start_ms} ms"))
            if len(begun) >= at_once:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


def ensure_sayable(texts: Collection[str]) -> None:
    """Raises Garbled where these are more than one chunk can hold. Each counts as one character more than it has."""
    length = len(texts) + sum(map(len, texts))
    if length > MOST_CHARACTERS:
        raise Garbled(f"an answer of {length} characters for one chunk, more than {MOST_CHARACTERS}")


def speakable(text: str) -> str:
    """The text without what cannot be said, nor written down."""
    return _UNSPEAKABLE.sub(" ", text).strip()


def placed(words: Iterable[tuple[str, float, float]], chunk: Span) -> list[Word]:
    """Words with times in seconds from the chunk's beginning, as words of the whole audio.

    A model's times can lie beyond the chunk, overlap or run backwards; those of a transcript never do.
    """
    found: list[Word] = []
    earliest = chunk.start_ms
    for said, start, end in words:
        text = speakable(said)
        start_ms = min(max(earliest, chunk.start_ms + round(start * 1000)), chunk.end_ms)
        end_ms = min(max(start_ms, chunk.start_ms + round(end * 1000)), chunk.end_ms)
        if text:
            found.append(Word(text, start_ms, end_ms))
            earliest = end_ms
    return found


def main_language(heard: Sequence[Heard]) -> str:
    """The language of most of what was heard; empty where no recogniser said."""
    lengths: dict[str, int] = {}
    for piece in heard:
        if piece.language:
            spoken_ms = sum(segment.end_ms - segment.start_ms for segment in piece.segments)
            lengths[piece.language] = lengths.get(piece.language, 0) + spoken_ms
    return max(lengths, key=lambda language: lengths[language], default="")


async def _heard(hear: Callable[[Span], Awaitable[Heard]], chunk: Span) -> Heard:
    return await hear(chunk)
