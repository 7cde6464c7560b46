"""The rules of a transcript."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from transcript_svc.domain import (
    MOST_TRIES,
    SEGMENT_LIMIT_MS,
    SEGMENT_PAUSE_MS,
    Job,
    Occupied,
    Status,
    Transcript,
    Word,
    begun,
    may_write,
    segments_of,
)

QUEUED = Transcript("t", "r", ("m",), "ana", Status.QUEUED, datetime(2026, 11, 22, tzinfo=UTC))


def begun_again(transcript: Transcript) -> Transcript:
    again = begun(transcript, occupied=False)
    assert again is not None
    return again


def test_beginning_counts_the_attempt() -> None:
    first = begun_again(QUEUED)
    assert (first.status, first.attempt, first.tries) == (Status.PROCESSING, 1, 1)


def test_beginning_again_overtakes_a_worker_that_was_paused() -> None:
    first = begun_again(QUEUED)
    second = begun_again(first)
    assert not may_write(second, first.attempt)
    assert may_write(second, second.attempt)


def test_what_another_worker_is_at_is_not_begun() -> None:
    with pytest.raises(Occupied):
        begun(begun_again(QUEUED), occupied=True)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.NO_AUDIO])
def test_what_has_ended_is_not_begun_again(status: Status) -> None:
    assert begun(replace(QUEUED, status=status, attempt=1), occupied=False) is None


def test_nobody_writes_to_what_has_ended() -> None:
    assert not may_write(replace(QUEUED, status=Status.COMPLETED, attempt=1), 1)


def test_a_job_is_hopeless_only_after_many_tries() -> None:
    assert not Job("t", "r", attempt=99, tries=MOST_TRIES).is_hopeless
    assert Job("t", "r", attempt=99, tries=MOST_TRIES + 1).is_hopeless


def test_a_pause_begins_a_new_segment() -> None:
    words = [Word("one", 0, 300), Word("two", 400, 700), Word("three", 700 + SEGMENT_PAUSE_MS, 1_600)]
    assert [segment.text for segment in segments_of(words)] == ["one two", "three"]


def test_a_segment_has_the_times_of_its_words() -> None:
    (segment,) = segments_of([Word("one", 10, 300), Word("two", 400, 700)])
    assert (segment.start_ms, segment.end_ms) == (10, 700)


def test_speech_without_a_pause_is_cut_before_it_grows_too_long() -> None:
    words = [Word("word", second * 1000, second * 1000 + 900) for second in range(60)]
    segments = segments_of(words)
    assert all(segment.end_ms - segment.start_ms <= SEGMENT_LIMIT_MS for segment in segments)
    assert [word for segment in segments for word in segment.words] == words


def test_no_words_make_no_segments() -> None:
    assert segments_of([]) == []
