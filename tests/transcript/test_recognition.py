"""Words are heard as they were said, in order, with their times in the whole recording."""

import asyncio
import wave
from collections.abc import Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from deploy.local.sample import MEETING, WORDS
from tests.transcript.words import plain_words, word_error_rate
from transcript_svc import media
from transcript_svc.domain import Segment
from transcript_svc.endpointing import cut
from transcript_svc.recognisers import InChildren, PocketSphinx, Stuck
from transcript_svc.recognition import Garbled, Heard


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
async def meeting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample meeting's audio."""
    wav = tmp_path_factory.mktemp("sample") / "meeting.wav"
    await media.decode(MEETING, wav, None, ignore)
    return wav


@pytest.fixture(scope="module")
async def heard(meeting: Path) -> list[Heard]:
    """What the recogniser hears in it."""
    sphinx = PocketSphinx()
    try:
        return [heard async for heard in sphinx.hear(meeting)]
    finally:
        await sphinx.aclose()


def segments_in(heard: Sequence[Heard]) -> list[Segment]:
    return [segment for piece in heard for segment in piece.segments]


def test_fewer_than_fifteen_words_in_a_hundred_are_misheard(heard: list[Heard]) -> None:
    said = plain_words(WORDS.read_text())
    words = plain_words(" ".join(segment.text for segment in segments_in(heard)))
    assert word_error_rate(said, words) < 0.15


def test_words_come_in_order_with_times_in_the_whole_recording(heard: list[Heard]) -> None:
    words = [word for segment in segments_in(heard) for word in segment.words]
    assert all(word.start_ms < word.end_ms for word in words)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(words))
    assert words[0].start_ms < 2_000
    assert words[-1].end_ms > 25_000


def test_only_words_are_kept(heard: list[Heard]) -> None:
    text = " ".join(segment.text for segment in segments_in(heard))
    assert not set("<>[]()+") & set(text)


def test_pieces_come_while_the_rest_is_still_unheard(heard: list[Heard]) -> None:
    assert len(heard) > 1
    assert all(one.until_ms < two.until_ms for one, two in pairwise(heard))
    for piece in heard:
        assert all(segment.end_ms <= piece.until_ms for segment in piece.segments)


def test_a_meeting_is_cut_only_where_nobody_speaks(meeting: Path) -> None:
    chunks = cut(str(meeting))
    with wave.open(str(meeting)) as audio:
        samples = np.frombuffer(audio.readframes(audio.getnframes()), np.int16)
    for chunk in chunks[1:]:
        around = samples[(chunk.start_ms - 20) * 16 : (chunk.start_ms + 20) * 16]
        assert np.abs(around.astype(np.int32)).max() < 1_000


@pytest.mark.parametrize("seconds", [0.0, 0.02, 3.0])
async def test_silence_is_heard_as_nothing(tmp_path: Path, seconds: float) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as audio:
        audio.setparams((1, 2, 16_000, 0, "NONE", ""))
        audio.writeframes(bytes(int(seconds * 16_000) * 2))
    sphinx = PocketSphinx(processes=1)
    assert segments_in([heard async for heard in sphinx.hear(tmp_path / "silence.wav")]) == []
    await sphinx.aclose()


async def test_leaving_early_stops_the_work_and_the_next_one_is_heard(meeting: Path) -> None:
    sphinx = PocketSphinx()
    async with aclosing(sphinx.hear(meeting)) as pieces:
        first = await anext(pieces)
    assert not any(task.get_name().startswith("hear ") for task in asyncio.all_tasks())
    async with aclosing(sphinx.hear(meeting)) as pieces:
        assert await anext(pieces) == first
    await sphinx.aclose()


async def test_a_child_that_hangs_is_ended_and_the_next_recording_gets_another(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deaf_at_first.py").write_text(DEAF_AT_FIRST.format(mark=str(tmp_path / "mark")))
    monkeypatch.syspath_prepend(tmp_path)
    async with aclosing(InChildren("deaf_at_first", 1, "en", chunk_seconds=5)) as ears:
        with pytest.raises(Stuck, match="5 s were not enough"):
            await anext(ears.hear(meeting))
        async with aclosing(ears.hear(meeting)) as pieces:
            assert (await anext(pieces)).segments == ()


@pytest.mark.parametrize("word", ["blah " * 1_200, ""], ids=["one long word", "many words"])
async def test_a_child_that_tells_more_than_anybody_can_say_is_not_believed(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    (tmp_path / "babbling.py").write_text(SAYING.format(words=[[word, 0, 1]] * 6_000))
    monkeypatch.syspath_prepend(tmp_path)
    async with aclosing(InChildren("babbling", 1, "en")) as ears:
        with pytest.raises(Garbled, match="more than 5000"):
            await anext(ears.hear(meeting))


async def test_a_childs_words_are_told_without_control_characters(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ringing.py").write_text(SAYING.format(words=[["\0well\a", 0, 1], ["\ud800", 1, 2]]))
    monkeypatch.syspath_prepend(tmp_path)
    async with aclosing(InChildren("ringing", 1, "en")) as ears, aclosing(ears.hear(meeting)) as pieces:
        assert [segment.text for segment in (await anext(pieces)).segments] == ["well"]


SAYING = """
from transcript_svc.workers import serve

serve(lambda request: iter([{{"words": {words}, "language": "en"}}]))
"""

DEAF_AT_FIRST = """
import pathlib, time
from transcript_svc.workers import serve

def do(request):
    mark = pathlib.Path("{mark}")
    if not mark.exists():
        mark.touch()
        time.sleep(600)
    yield {{"words": [], "language": "en"}}

serve(do)
"""
