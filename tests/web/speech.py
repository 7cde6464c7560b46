"""A transcript and its audio, as the services would have left them."""

from typing import Any

import lameenc
import numpy as np

WORDS = (
    (0, 4200, "good morning everybody and welcome to the weekly meeting"),
    (4200, 9100, "today we talk about the new kitchen and who waters the plants"),
    (9100, 15300, "the plants have been fine but the one beside the window needs more light"),
)


def segments() -> list[dict[str, Any]]:
    """Three sentences with their times in milliseconds."""
    return [{"start_ms": start, "end_ms": end, "text": text, "words": []} for start, end, text in WORDS]


def stored(heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Segments as they are shown once the transcript is complete."""
    shown = {"edited": False, "original_text": None, "speaker": ""}
    return [{**shown, "index": index, **segment} for index, segment in enumerate(heard)]


def transcript(transcript_id: str, status: str, **changed: Any) -> dict[str, Any]:
    """A transcript in a given state, with its words only where it is complete."""
    return {
        "id": transcript_id,
        "recording_id": "recording-1",
        "meeting_id": "meeting-1",
        "status": status,
        "duration_ms": 15300 if status == "completed" else 0,
        "language": "en-US",
        "title": "",
        "reviewed": False,
        "locked": False,
        "audio_deleted": False,
        "segments": stored(segments()) if status == "completed" else [],
        "created_at": "2026-11-22T10:31:00Z",
        "finished_at": "2026-11-22T10:33:00Z" if status in ("completed", "failed", "no_audio") else None,
        **changed,
    }


def mp3(seconds: float = 15.3) -> bytes:
    """A quiet tone of this length."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    samples = (np.sin(2 * np.pi * 220 * time) * 3000).astype(np.int16)
    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(16_000)
    encoder.set_bit_rate(32)
    return bytes(encoder.encode(samples.tobytes()) + encoder.flush())
