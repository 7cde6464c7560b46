"""A process that is asked to end (SIGTERM) gives the work in its hands to the others at once, and leaves nothing."""

import signal
import time
from pathlib import Path

from tests.eventually import eventually
from tests.transcript.crew import Crew
from transcript_svc.domain import Status

HOLD = 150.0
"""Seconds: who had to wait until it runs out would begin far too late."""
SOON = 45.0
"""Seconds in which the process ends, and in which another one begins, however busy the machine is."""


async def test_work_that_is_stopped_is_begun_elsewhere_at_once_and_nothing_is_left(crew: Crew, spoken: Path) -> None:
    crew.hold, crew.piece, sound = HOLD, 1.0, spoken.read_bytes()  # noqa: ASYNC240
    first = await crew.begin("one")
    await crew.arrive("r1", sound)

    async def recognising() -> bool:
        return any(path.name == "audio.mp3" for path in crew.left_in_scratch("one"))

    await eventually(recognising)
    await crew.begin("two")
    asked = time.monotonic()
    first.send(signal.SIGTERM)
    assert await first.ended() == 0
    ended = time.monotonic() - asked
    assert crew.left_in_scratch("one") == []
    assert {place[1] for _, place in crew.recording_svc.fake.present if "one" in place} == set()

    async def begun_again() -> bool:
        return (await crew.transcript("r1")).attempt == 2

    await eventually(begun_again)
    begun = time.monotonic() - asked
    await crew.completed(["r1"])
    transcript = await crew.transcript("r1")
    assert (transcript.status, transcript.tries) == (Status.COMPLETED, 1), "being stopped is not the recording's fault"
    assert ended < SOON, f"it took {ended:.1f} s to end"
    assert begun < SOON, f"it took {begun:.1f} s until another began"
