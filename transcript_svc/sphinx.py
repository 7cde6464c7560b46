"""Hears words with PocketSphinx, in a child process that loads the model once."""

import re
from collections.abc import Iterator
from functools import cache

from pocketsphinx import Decoder

from transcript_svc.cutting import Span
from transcript_svc.speech import RATE, samples
from transcript_svc.workers import Message, serve

DECODER_FRAME_MS = 10
# <s>, <sil>, [NOISE], ++uh++: what was heard that is not a word.
NOT_A_WORD = re.compile(r"^[<\[+]")
# "read(2)" is the second pronunciation of "read".
PRONUNCIATION = re.compile(r"\(\d+\)$")


def do(request: Message) -> Iterator[Message]:
    """One request of `transcript_svc.recognisers`."""
    yield {"words": recognise(request["recognise"], Span(request["start_ms"], request["end_ms"])), "language": "en"}


def recognise(path: str, chunk: Span) -> list[list[str | int]]:
    """The words of one chunk, each with its times in the whole audio."""
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(samples(path, chunk), full_utt=True)
    decoder.end_utt()
    return [
        [PRONUNCIATION.sub("", heard.word), *_times(chunk, heard.start_frame, heard.end_frame)]
        for heard in decoder.seg() or ()
        if not NOT_A_WORD.match(heard.word)
    ]


def _times(chunk: Span, first_frame: int, last_frame: int) -> tuple[int, int]:
    begins = chunk.start_ms + first_frame * DECODER_FRAME_MS
    return min(begins, chunk.end_ms), min(chunk.start_ms + (last_frame + 1) * DECODER_FRAME_MS, chunk.end_ms)


@cache
def _decoder() -> Decoder:
    return Decoder(samprate=RATE, loglevel="FATAL")


if __name__ == "__main__":
    serve(do)
