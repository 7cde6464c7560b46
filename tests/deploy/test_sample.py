"""The recorded meeting is what other tests take it for. That it can be understood, the recogniser's tests say."""

import av

from deploy.local.sample import MEETING, WORDS


def test_it_is_half_a_minute_of_mp4_with_sound_and_a_picture() -> None:
    with av.open(str(MEETING)) as container:
        assert {(stream.type, stream.codec_context.name) for stream in container.streams} == {
            ("audio", "aac"),
            ("video", "h264"),
        }
        assert container.duration is not None
        assert 30 < container.duration / av.time_base < 40


def test_it_has_enough_words_to_count_errors_in() -> None:
    assert len(WORDS.read_text().split()) > 90
