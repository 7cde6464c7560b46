"""A recording whose transcript is begun, and all that comes of it."""

from datetime import timedelta

from transcript_svc.domain import (
    Audio,
    Job,
    Outcome,
    Recording,
    Segment,
    Status,
    Word,
)
from transcript_svc.store import Transcripts

RECORDING = Recording("r1", "recordings", "room-2026.mp4", "v1", ("m1",), "ana")
SEGMENTS = (
    Segment(0, 900, "hello there", (Word("hello", 0, 400), Word("there", 450, 900))),
    Segment(2_000, 2_500, "yes", speaker="Ben"),
)
AUDIO = Audio("audio", "r1.mp3", "v7", 1_234, "abc")
DONE = Outcome(Status.COMPLETED, 3_000, "en", SEGMENTS, (0.0, 0.5, 1.0), AUDIO)
LONG = timedelta(minutes=1)
OVER = timedelta(seconds=-1)


async def begin(transcripts: Transcripts, instance: str = "one", hold: timedelta = LONG) -> Job:
    job = await transcripts.begin(RECORDING, instance, hold)
    assert job is not None
    return job
