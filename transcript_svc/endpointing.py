"""Finds where somebody speaks in a wav, in a child process of its own, and cuts it there."""

import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pocketsphinx import Endpointer

from transcript_svc.cutting import FRAME_MS, Span, chunks_of
from transcript_svc.speech import RATE
from transcript_svc.workers import Message, Worker, serve

FRAME_SAMPLES = RATE * FRAME_MS // 1000


async def chunks_in(wav: Path) -> list[Span]:
    """Where somebody speaks, in pieces fit to be recognised one by one. Raises WorkerDied."""
    worker = Worker("transcript_svc.endpointing")
    try:
        answer = await worker.answer({"cut": str(wav)})
    finally:
        await worker.kill()
    return [Span(start_ms, end_ms) for start_ms, end_ms in answer["chunks"]]


def do(request: Message) -> Iterator[Message]:
    """The one request there is."""
    yield {"chunks": [[chunk.start_ms, chunk.end_ms] for chunk in cut(request["cut"])]}


def cut(path: str) -> list[Span]:
    """As `chunks_in`, here and now."""
    voiced: list[Span] = []
    loudness = array("f")
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


def _span(start_seconds: float, end_seconds: float) -> Span:
    return Span(round(start_seconds * 1000), round(end_seconds * 1000))


if __name__ == "__main__":
    serve(do)
