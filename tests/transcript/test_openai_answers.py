"""What a server that speaks as OpenAI's does answers for one chunk becomes segments, or is no answer."""

from itertools import pairwise

import pytest

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment
from transcript_svc.openai_answers import Answer, Garbled, language_in, read, segments_in

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


def test_only_a_language_code_is_believed() -> None:
    assert language_in(Answer(text="", language="de")) == "de"
    assert language_in(Answer(text="", language="german")) == ""


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b'{"text": null}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_answer_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises(Garbled):
        read(content)
