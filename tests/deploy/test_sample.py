"""The recorded meeting is what the other tests take it for: two voices that the recogniser understands."""

import re

import av
import numpy as np
from pocketsphinx import Decoder

from deploy.local.sample import MEETING, WORDS


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def heard() -> list[str]:
    decoder = Decoder(samprate=16000, loglevel="FATAL")
    resampler = av.AudioResampler("s16", "mono", 16000)
    with av.open(str(MEETING)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    return [re.sub(r"\(\d+\)", "", word.word) for word in decoder.seg() if word.word[0] not in "<["]


def edits(reference: list[str], found: list[str]) -> int:
    """How many words to put in, take out or replace (Levenshtein)."""
    row = list(range(len(found) + 1))
    for line, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], line
        for column, word in enumerate(found, 1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (wanted != word))
    return row[-1]


def test_it_is_half_a_minute_of_mp4_with_sound_and_a_picture() -> None:
    with av.open(str(MEETING)) as container:
        assert {(stream.type, stream.codec_context.name) for stream in container.streams} == {
            ("audio", "aac"),
            ("video", "h264"),
        }
        assert container.duration is not None
        assert 30 < container.duration / av.time_base < 40


def test_the_recogniser_hears_it_with_less_than_15_percent_wrong() -> None:
    reference = words(WORDS.read_text())
    assert len(reference) > 80
    assert edits(reference, heard()) / len(reference) < 0.15
