"""Long audio is cut where nobody speaks."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from transcript_svc.cutting import CHUNK_MS, FRAME_MS, LONGEST_MS, PADDING_MS, SHORTEST_MS, Span, chunks_of


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
    loudness[quiet - 3 : quiet + 4] = [0.1] * 7
    first, second = chunks_of([Span(0, 40_000)], loudness, 40_000)
    assert first.end_ms == second.start_ms == quiet * FRAME_MS + FRAME_MS // 2


def test_a_held_breath_within_a_word_is_not_taken_for_the_gap_between_two() -> None:
    loudness = [1.0] * (40_000 // FRAME_MS)
    gap, breath = 18_000 // FRAME_MS, 22_020 // FRAME_MS
    loudness[gap - 2 : gap + 3] = [0.2] * 5
    loudness[breath] = 0.0
    first, _ = chunks_of([Span(0, 40_000)], loudness, 40_000)
    assert abs(first.end_ms - gap * FRAME_MS) <= 2 * FRAME_MS


def test_a_forced_cut_leaves_no_scrap() -> None:
    loudness = [1.0] * (LONGEST_MS // FRAME_MS)
    loudness[-5:] = [0.0] * 5
    first, second = chunks_of([Span(0, LONGEST_MS + 1)], loudness, LONGEST_MS + 1)
    assert first.end_ms - first.start_ms >= CHUNK_MS
    assert second.end_ms - second.start_ms >= SHORTEST_MS


def test_silence_leaves_nothing_to_hear() -> None:
    assert chunks_of([], [0.0] * 100, 3_000) == []


@settings(deadline=None)  # a busy machine is no fault of the rule
@given(
    st.lists(st.integers(0, 90_000), max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_voiced_moment_is_heard_exactly_once(lengths: list[int], draw: random.Random, measured: float) -> None:
    moments = [0]
    for length in lengths:
        moments.append(moments[-1] + length)
    voiced = [Span(start, end) for start, end in list(pairwise(moments))[::2] if start < end]
    duration_ms = moments[-1]
    # Also where fewer moments were measured than there are: nothing may be lost for that.
    loudness = [draw.random() for _ in range(int(duration_ms * measured) // FRAME_MS)]
    chunks = chunks_of(voiced, loudness, duration_ms)
    assert all(0 <= chunk.start_ms < chunk.end_ms <= duration_ms for chunk in chunks)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(chunks))
    assert all(chunk.end_ms - chunk.start_ms <= LONGEST_MS for chunk in chunks)
    for span in voiced:
        heard = sum(max(min(span.end_ms, c.end_ms) - max(span.start_ms, c.start_ms), 0) for c in chunks)
        assert heard == span.end_ms - span.start_ms


@settings(deadline=None)  # a busy machine is no fault of the rule
@given(st.lists(st.integers(1, 20_000), min_size=2, max_size=40))
def test_chunks_are_no_smaller_than_they_need_be(lengths: list[int]) -> None:
    moments = [0]
    for length in lengths:
        moments.append(moments[-1] + length)
    voiced = [Span(start, end) for start, end in list(pairwise(moments))[::2]]
    chunks = chunks_of(voiced, [1.0] * (moments[-1] // FRAME_MS + 1), moments[-1])
    assert all(two.end_ms - one.start_ms > CHUNK_MS for one, two in pairwise(chunks))
