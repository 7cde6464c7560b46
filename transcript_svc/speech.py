"""Reads stretches of the wav that a recording was decoded into: 16 kHz, one channel, 16 bits."""

import wave
from pathlib import Path

from transcript_svc.cutting import Span

RATE = 16_000
"""Samples a second."""


def samples(wav: Path | str, span: Span) -> bytes:
    """What is to be heard there, without the header. Shorter where the audio ends earlier."""
    with wave.open(str(wav)) as audio:
        audio.setpos(min(span.start_ms * RATE // 1000, audio.getnframes()))
        content: bytes = audio.readframes((span.end_ms - span.start_ms) * RATE // 1000)
    return content
