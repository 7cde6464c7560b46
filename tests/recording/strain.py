"""What stands in the way of intake where a test says so, and many messages at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from chassis.errors import Unavailable
from recording_svc.domain.recordings import Arrival
from recording_svc.intake import Intake, Pace
from recording_svc.store import Recordings

KEYS = [f"room-{number:02}-2026-11-22T11:20:00Z.mp4" for number in range(10)]
BRISK = Pace(first_pause=0.05, longest_pause=0.1)


class Watched:
    """A store that passes everything on, and lets a test stand in the way of `take_in`."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refused = ""
        self.away = False
        self.in_work = self.most_in_work = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recordings, name)

    async def of_versions(self, bucket: str, keys: Any) -> Any:
        if self.away:
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        return await self._recordings.of_versions(bucket, keys)

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> Any:
        if self.away:
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        if any(one.key == self.refused for one in arrivals):
            raise ValueError(f"{self.refused} fits in no row")
        self.in_work += 1
        self.most_in_work = max(self.most_in_work, self.in_work)
        self.asked.set()
        await self.gate.wait()
        self.in_work -= 1
        return await self._recordings.take_in(arrivals, now)


class CountingSqs:
    """Passes every call on, and remembers it."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.handed_out: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)

        async def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            reply = await real(**arguments)
            if name == "receive_message":
                self.handed_out += [one["MessageId"] for one in reply.get("Messages", [])]
            return reply

        return call

    def of(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


@asynccontextmanager
async def running(taking: Intake) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(taking.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
