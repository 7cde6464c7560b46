"""Chunks are heard side by side, told in order, and never all at once."""

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment, Word
from transcript_svc.recognition import Heard, main_language, placed, side_by_side

CHUNKS = [Span(start, start + 900) for start in range(0, 10_000, 1_000)]


class Ears:
    """Hears a chunk once it is told to, and knows which were begun."""

    def __init__(self) -> None:
        self.begun: list[Span] = []
        self.ended: dict[int, asyncio.Event] = {chunk.start_ms: asyncio.Event() for chunk in CHUNKS}

    async def hear(self, chunk: Span) -> Heard:
        self.begun.append(chunk)
        await self.ended[chunk.start_ms].wait()
        return Heard(chunk.end_ms, ())


async def test_chunks_that_end_out_of_order_are_told_in_order() -> None:
    ears = Ears()
    async with aclosing(side_by_side(CHUNKS, ears.hear, len(CHUNKS))) as pieces:
        for chunk in reversed(CHUNKS):
            ears.ended[chunk.start_ms].set()
        assert [piece.until_ms async for piece in pieces] == [chunk.end_ms for chunk in CHUNKS]


async def test_only_so_many_are_begun_before_the_first_is_told() -> None:
    ears = Ears()
    async with aclosing(side_by_side(CHUNKS, ears.hear, 3)) as pieces:
        for event in list(ears.ended.values())[1:]:
            event.set()
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ears.begun == CHUNKS[:3]
        ears.ended[0].set()
        assert (await first).until_ms == 900


async def test_leaving_early_ends_what_was_begun() -> None:
    ears = Ears()
    ears.ended[0].set()
    async with aclosing(side_by_side(CHUNKS, ears.hear, 3)) as pieces:
        await anext(pieces)
    assert not any(task.get_name().startswith("hear ") for task in asyncio.all_tasks())


async def test_a_chunk_that_fails_ends_the_rest_and_is_told_as_it_is() -> None:
    async def hear(chunk: Span) -> Heard:
        if chunk == CHUNKS[1]:
            raise OSError("no such chunk")
        return Heard(chunk.end_ms, ())

    pieces = side_by_side(CHUNKS, hear, 4)
    assert (await anext(pieces)).until_ms == CHUNKS[0].end_ms
    with pytest.raises(OSError, match="no such chunk"):
        await anext(pieces)
    assert not any(task.get_name().startswith("hear ") for task in asyncio.all_tasks())


TIMES = st.floats(-5, 40, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(["one", " two", "", " "]), TIMES, TIMES), max_size=20))
def test_whatever_times_a_model_gives_words_lie_in_order_within_their_chunk(
    words: list[tuple[str, float, float]],
) -> None:
    found = placed(words, Span(60_000, 75_000))
    assert [word.text for word in found] == [text.strip() for text, _, _ in words if text.strip()]
    assert all(60_000 <= word.start_ms <= word.end_ms <= 75_000 for word in found)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(found))


def test_times_that_are_right_stay_as_they_are() -> None:
    words = [(" Good", 0.5, 0.75), (" morning.", 0.75, 1.25)]
    assert placed(words, Span(60_000, 75_000)) == [Word("Good", 60_500, 60_750), Word("morning.", 60_750, 61_250)]


def test_the_language_is_that_of_most_of_what_was_said() -> None:
    english = Heard(2_000, (Segment(0, 2_000, "good morning"),), "en")
    german = Heard(9_000, (Segment(2_000, 9_000, "guten Morgen"),), "de")
    silent = Heard(99_000, (), "fr")
    assert main_language([english, german, silent]) == "de"
    assert main_language([Heard(900, (Segment(0, 900, "hm"),))]) == ""
