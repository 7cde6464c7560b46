"""Cuts long audio into chunks at its silences, so that chunks can be recognised side by side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# Long enough to give the language model its context, short enough to share out and to show progress.
CHUNK_MS = 15_000
# Speech without any pause is cut all the same, at its quietest moment between the two.
LONGEST_MS = 30_000
# What a forced cut leaves on either side must still be enough to make sense of.
SHORTEST_MS = 5_000
# Between two words it is quiet for longer than within one, where a "t" or a "k" holds back the breath for a moment.
AROUND_MS = 90
# A voice is noticed a little late and missed a little early.
PADDING_MS = 150
FRAME_MS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audio, in milliseconds from its beginning."""

    start_ms: int
    end_ms: int


def chunks_of(voiced: Sequence[Span], loudness: Sequence[float], duration_ms: int) -> list[Span]:
    """What to recognise: voiced stretches, padded, joined up to CHUNK_MS and cut beyond LONGEST_MS.

    `loudness` has one value for every FRAME_MS.
    """
    padded = _padded(voiced, duration_ms)
    return list(_joined(piece for span in padded for piece in _short(span, loudness)))


def _padded(voiced: Sequence[Span], duration_ms: int) -> Iterator[Span]:
    for index, span in enumerate(voiced):
        # Never beyond the middle of the pause: no moment may be heard twice.
        earliest = (voiced[index - 1].end_ms + span.start_ms) // 2 if index else 0
        latest = (span.end_ms + voiced[index + 1].start_ms) // 2 if index + 1 < len(voiced) else duration_ms
        yield Span(max(span.start_ms - PADDING_MS, earliest), min(span.end_ms + PADDING_MS, latest))


def _short(span: Span, loudness: Sequence[float]) -> Iterator[Span]:
    start_ms = span.start_ms
    while span.end_ms - start_ms > LONGEST_MS:
        latest_ms = min(start_ms + LONGEST_MS, span.end_ms - SHORTEST_MS)
        cut_ms = _quietest(start_ms + CHUNK_MS, latest_ms, loudness)
        yield Span(start_ms, cut_ms)
        start_ms = cut_ms
    yield Span(start_ms, span.end_ms)


def _quietest(earliest_ms: int, latest_ms: int, loudness: Sequence[float]) -> int:
    around = AROUND_MS // FRAME_MS

    def heard(frame: int) -> float:
        return sum(loudness[max(frame - around, 0) : frame + around + 1])

    frames = range(earliest_ms // FRAME_MS + 1, min(latest_ms // FRAME_MS, len(loudness) - around))
    return min(frames, key=heard) * FRAME_MS + FRAME_MS // 2 if frames else latest_ms


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    waiting: Span | None = None
    for span in spans:
        if waiting and span.end_ms - waiting.start_ms <= CHUNK_MS:
            waiting = Span(waiting.start_ms, span.end_ms)
        else:
            if waiting:
                yield waiting
            waiting = span
    if waiting:
        yield waiting
