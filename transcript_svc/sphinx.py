"""Hears words with PocketSphinx, in a child process that loads the model once."""

import re
import wave
from collections.abc import Iterator
from functools import cache

import numpy as np
from pocketsphinx import Decoder, Endpointer

from transcript_svc.cutting import FRAME_MS, Span, chunks_of
from transcript_svc.workers import Message, serve

RATE = 16_000
FRAME_SAMPLES = RATE * FRAME_MS // 1000
DECODER_FRAME_MS = 10
# <s>, <sil>, [NOISE], ++uh++: what was heard that is not a word.
NOT_A_WORD = re.compile(r"^[<\[+]")
# "read(2)" is the second pronunciation of "read".
PRONUNCIATION = re.compile(r"\(\d+\)$")


def do(request: Message) -> Iterator[Message]:
    """One request of `transcript_svc.recognition`."""
    if "cut" in request:
        yield {"chunks": [[chunk.start_ms, chunk.end_ms] for chunk in cut(request["cut"])]}
    else:
        yield {"words": recognise(request["recognise"], request["start_ms"], request["end_ms"])}


def cut(path: str) -> list[Span]:
    """Where somebody speaks, in pieces fit for `recognise`."""
    voiced: list[Span] = []
    loudness: list[float] = []
    # The loose mode: a word taken for silence is lost, a noise taken for a word is not.
    endpointer = Endpointer(vad_mode=0, sample_rate=RATE, frame_length=FRAME_MS / 1000)
    with wave.open(path) as audio:
        while frame := audio.readframes(FRAME_SAMPLES):
            loudness.append(float(np.abs(np.frombuffer(frame, np.int16).astype(np.float32)).mean()))
            whole = len(frame) == endpointer.frame_bytes
            speaking = endpointer.in_speech
            heard = endpointer.process(frame) if whole else endpointer.end_stream(frame)
            if (speaking or heard is not None) and not endpointer.in_speech:
                voiced.append(_span(endpointer.speech_start, endpointer.speech_end))
        duration_ms = audio.getnframes() * 1000 // RATE
    if endpointer.in_speech:  # the audio ended on a whole frame, in the middle of a word
        voiced.append(_span(endpointer.speech_start, duration_ms / 1000))
    return chunks_of(voiced, loudness, duration_ms)


def recognise(path: str, start_ms: int, end_ms: int) -> list[list[str | int]]:
    """The words between two moments, each with its times in the whole audio."""
    with wave.open(path) as audio:
        audio.setpos(start_ms * RATE // 1000)
        samples = audio.readframes((end_ms - start_ms) * RATE // 1000)
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    return [
        [PRONUNCIATION.sub("", heard.word), *_times(start_ms, end_ms, heard.start_frame, heard.end_frame)]
        for heard in decoder.seg() or ()
        if not NOT_A_WORD.match(heard.word)
    ]


def _times(start_ms: int, end_ms: int, first_frame: int, last_frame: int) -> tuple[int, int]:
    begins = start_ms + first_frame * DECODER_FRAME_MS
    return min(begins, end_ms), min(start_ms + (last_frame + 1) * DECODER_FRAME_MS, end_ms)


def _span(start_seconds: float, end_seconds: float) -> Span:
    return Span(round(start_seconds * 1000), round(end_seconds * 1000))


@cache
def _decoder() -> Decoder:
    return Decoder(samprate=RATE, loglevel="FATAL")


if __name__ == "__main__":
    serve(do)
