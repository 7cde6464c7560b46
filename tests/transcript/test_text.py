"""Transcripts as text that other programs can read."""

import json

from transcript_svc import text
from transcript_svc.domain import Segment, Word

HELLO = Segment(0, 1_250, "hello there", (Word("hello", 0, 600), Word("there", 650, 1_250)))
LATE = Segment(3_600_000, 3_601_001, "we are done")


def test_plain_text_has_one_line_for_each_segment() -> None:
    assert text.plain([HELLO, LATE]) == "hello there\nwe are done\n"


def test_vtt_begins_with_its_name_and_has_times_with_a_point() -> None:
    assert text.vtt([HELLO, LATE]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nhello there\n\n01:00:00.000 --> 01:00:01.001\nwe are done\n"
    )


def test_srt_numbers_its_cues_and_has_times_with_a_comma() -> None:
    assert text.srt([HELLO, LATE]) == (
        "1\n00:00:00,000 --> 00:00:01,250\nhello there\n\n2\n01:00:00,000 --> 01:00:01,001\nwe are done\n"
    )


def test_vtt_escapes_what_would_be_read_as_markup() -> None:
    rendered = text.vtt([Segment(0, 10, "a <b> & c --> d")])
    assert "a &lt;b&gt; &amp; c --&gt; d" in rendered
    assert rendered.count("-->") == 1


def test_an_arrow_in_the_words_is_not_taken_for_times_in_srt() -> None:
    assert text.srt([Segment(0, 10, "a --> b")]).count("-->") == 1


def test_blank_lines_in_the_words_do_not_end_a_cue() -> None:
    for render in (text.vtt, text.srt, text.plain):
        assert "one two" in render([Segment(0, 10, "one\n\ntwo")])


def test_a_cue_ends_after_it_begins_even_if_the_word_took_no_time() -> None:
    assert "00:00:00.005 --> 00:00:00.006" in text.vtt([Segment(5, 5, "a")])


def test_segments_without_words_make_no_cues() -> None:
    assert text.srt([Segment(0, 10, " "), HELLO]).startswith("1\n00:00:00,000 --> 00:00:01,250\nhello")


def test_every_format_says_who_speaks_where_that_is_known() -> None:
    spoken = [Segment(0, 900, "is it done", speaker="Ana"), Segment(1_000, 1_400, "yes", speaker="2"), LATE]
    assert text.plain(spoken) == "Ana: is it done\n2: yes\nwe are done\n"
    assert [line for line in text.vtt(spoken).splitlines() if "<v" in line] == ["<v Ana>is it done", "<v 2>yes"]
    assert "Ana: is it done\n" in text.srt(spoken)
    told = json.loads(text.as_json(spoken))["segments"]
    assert [segment.get("speaker") for segment in told] == ["Ana", "2", None]


def test_a_name_can_neither_end_its_cue_nor_pass_for_markup_or_times() -> None:
    spoken = [Segment(0, 900, "a & b", speaker="<b>R&D\n\n--> you")]
    assert "<v &lt;b&gt;R&amp;D --&gt; you>a &amp; b\n" in text.vtt(spoken)
    for render in (text.vtt, text.srt):
        assert render(spoken).count("-->") == 1
        assert "\n\n--" not in render(spoken)


def test_an_empty_transcript_is_still_a_valid_file() -> None:
    assert [text.plain([]), text.vtt([]), text.srt([])] == ["", "WEBVTT\n", ""]
    assert json.loads(text.as_json([])) == {"segments": []}


def test_json_keeps_every_word_with_its_times() -> None:
    (segment,) = json.loads(text.as_json([HELLO]))["segments"]
    assert segment["words"][1] == {"text": "there", "start_ms": 650, "end_ms": 1_250}


def test_hours_beyond_a_hundred_are_written_out() -> None:
    assert text.timestamp(360_000_001, ".") == "100:00:00.001"
