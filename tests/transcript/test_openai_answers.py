"""What a server that speaks as OpenAI's does answers for one chunk becomes segments, or is no answer."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment
from transcript_svc.openai_answers import Answer, language_in, read, segments_in
from transcript_svc.recognition import MOST_CHARACTERS, Garbled

CHUNK = Span(60_000, 75_000)


@pytest.mark.parametrize(
    ("answer", "segments"),
    [
        (Answer(text=""), []),
        (Answer(text="  \n", segments=[], words=[]), []),
        (Answer(text="All of it."), [Segment(60_000, 75_000, "All of it.")]),
    ],
)
def test_an_answer_without_times_is_one_segment_or_none(answer: Answer, segments: list[Segment]) -> None:
    assert list(segments_in(answer, CHUNK)) == segments


def test_sentences_without_words_keep_their_times() -> None:
    answer = read(
        b'{"text": "", "segments": [{"text": " One.", "start": 0, "end": 2}, {"text": "", "start": 2, "end": 3}]}'
    )
    assert list(segments_in(answer, CHUNK)) == [Segment(60_000, 62_000, "One.")]


def test_words_without_sentences_become_segments_at_their_pauses() -> None:
    answer = read(
        b'{"text": "one two", "words": [{"word": "one", "start": 0, "end": 1}, {"word": "two", "start": 5, "end": 6}]}'
    )
    assert [segment.text for segment in segments_in(answer, CHUNK)] == ["one", "two"]


def test_every_word_is_in_the_sentence_that_it_was_said_in() -> None:
    answer = read(
        b"""{"text": "", "segments": [
            {"text": "Yes.", "start": 0, "end": 1}, {"text": "(laughs)", "start": 1, "end": 2},
            {"text": "I do.", "start": 2, "end": 3}],
        "words": [{"word": "Yes", "start": 0.2, "end": 1.1}, {"word": "I", "start": 2.0, "end": 2.2},
            {"word": "do", "start": 2.2, "end": 3.4}]}"""
    )
    segments = segments_in(answer, CHUNK)
    assert [(one.text, [word.text for word in one.words]) for one in segments] == [
        ("Yes.", ["Yes"]),
        ("(laughs)", []),
        ("I do.", ["I", "do"]),
    ]
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(segments))


LATE = st.floats(-1, 20, allow_nan=False)
SAID = st.fixed_dictionaries({"start": LATE, "end": LATE})


@given(st.lists(SAID, max_size=6), st.lists(SAID, max_size=12))
def test_whatever_times_a_server_gives_segments_are_in_order_and_hold_their_words(
    sentences: list[dict[str, float]], words: list[dict[str, float]]
) -> None:
    answer = Answer.model_validate(
        {
            "text": "",
            "segments": [{"text": "s", **times} for times in sentences],
            "words": [{"word": str(number), **times} for number, times in enumerate(words)],
        }
    )
    segments = segments_in(answer, CHUNK)
    assert all(CHUNK.start_ms <= one.start_ms <= one.end_ms <= CHUNK.end_ms for one in segments)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(segments))
    for one in segments:
        assert all(one.start_ms <= word.start_ms <= word.end_ms <= one.end_ms for word in one.words)
    assert [word.text for one in segments for word in one.words] == [str(number) for number in range(len(words))]


def test_a_word_that_outlasts_its_sentence_does_not_turn_time_back() -> None:
    answer = read(
        b"""{"text": "", "segments": [{"text": "a", "start": 5, "end": 6}, {"text": "b", "start": 6, "end": 15}],
        "words": [{"word": "w", "start": 0, "end": 15}]}"""
    )
    assert [(one.start_ms, one.end_ms) for one in segments_in(answer, CHUNK)] == [(65_000, 66_000), (66_000, 75_000)]


@pytest.mark.parametrize(
    "answer",
    [
        rb'{"text": "a\u0000\u0007b\u009f"}',
        rb'{"text": "", "segments": [{"text": "\na\r\nb\u0000", "start": 0, "end": 1}]}',
        rb'{"text": "", "words": [{"word": "a\u001bb", "start": 0, "end": 1}]}',
        rb'{"text": "", "words": [{"word": "a b", "start": 0, "end": 1}, {"word": "\u0000", "start": 1, "end": 2}]}',
    ],
)
def test_control_characters_are_no_part_of_what_was_said(answer: bytes) -> None:
    assert [segment.text for segment in segments_in(read(answer), CHUNK)] == ["a b"]


@pytest.mark.parametrize("language", ["de", "yue", "EN", "en-US", "es-419"])
def test_a_language_code_is_believed(language: str) -> None:
    assert language_in(Answer(text="", language=language)) == language


@pytest.mark.parametrize("language", [None, "", "german", "\0", "d\0", "de\n", "\u00e9t", "12", "e", "en-", "en-U\0"])
def test_what_is_no_language_code_is_not_believed(language: str | None) -> None:
    assert language_in(Answer(text="", language=language)) == ""


def test_as_much_as_anybody_can_say_is_an_answer_and_more_is_none() -> None:
    most = "x" * (MOST_CHARACTERS - 1)
    assert read(f'{{"text": "{most}"}}'.encode()).text == most
    for more in (
        {"text": f"{most}x"},
        {"text": "", "segments": [{"text": most, "start": 0, "end": 1}, {"text": "", "start": 1, "end": 2}]},
        {"text": "", "words": [{"word": "", "start": 0, "end": 1}] * (MOST_CHARACTERS + 1)},
    ):
        with pytest.raises(Garbled, match="more than"):
            read(json.dumps(more).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{}",
        b'{"text": null}',
        b"\xff\xfe",
        b"[" * 100_000,
        rb'{"text": "\ud800"}',
        b'{"text": "x", "words": [{"word": "x", "start": 0, "end": 1e306}]}',
        b'{"text": "x", "segments": [{"text": "x", "start": -1e306, "end": 0}]}',
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises(Garbled):
        read(content)
