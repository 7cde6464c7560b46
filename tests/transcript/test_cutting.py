"""Long audio is cut where nobody speaks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transcript_svc.cutting import CHUNK_MS, FRAME_MS, LONGEST_MS, PADDING_MS, Span, chunks_of


def test_utterances_close_together_are_heard_together() -> None:
    assert chunks_of([Span(1_000, 3_000), Span(3_500, 6_000)], [], 10_000) == [
        Span(1_000 - PADDING_MS, 6_000 + PADDING_MS)
    ]


def test_a_chunk_ends_at_a_silence_before_it_grows_too_long() -> None:
    voiced = [Span(0, CHUNK_MS - 1_000), Span(CHUNK_MS, CHUNK_MS + 4_000)]
    assert len(chunks_of(voiced, [], 60_000)) == 2


def test_padding_stays_within_the_audio_and_within_the_pause() -> None:
    chunks = chunks_of([Span(0, 14_000), Span(14_100, 28_000)], [], 28_000)
    assert chunks == [Span(0, 14_050), Span(14_050, 28_000)]


def test_speech_without_any_pause_is_cut_at_its_quietest_moment() -> None:
    loudness = [1.0] * (40_000 // FRAME_MS)
    quiet = 20_010 // FRAME_MS
    loudness[quiet] = 0.1
    assert chunks_of([Span(0, 40_000)], loudness, 40_000)[0] == Span(0, quiet * FRAME_MS)


def test_silence_leaves_nothing_to_hear() -> None:
    assert chunks_of([], [0.0] * 100, 3_000) == []


@given(st.lists(st.integers(30, 90_000), max_size=40))
def test_every_voiced_moment_is_heard_exactly_once(lengths: list[int]) -> None:
    moments = [0]
    for length in lengths:
        moments.append(moments[-1] + length)
    voiced = [Span(start, end) for start, end in list(pairwise(moments))[::2]]
    duration_ms = moments[-1]
    chunks = chunks_of(voiced, [1.0] * (duration_ms // FRAME_MS + 1), duration_ms)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(chunks))
    assert all(chunk.end_ms - chunk.start_ms <= LONGEST_MS for chunk in chunks)
    for span in voiced:
        heard = sum(max(min(span.end_ms, c.end_ms) - max(span.start_ms, c.start_ms), 0) for c in chunks)
        assert heard == span.end_ms - span.start_ms
