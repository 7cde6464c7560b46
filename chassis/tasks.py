"""Waiting for events, and ending tasks, such that no cancellation is lost.

`asyncio.wait_for` of Python 3.11 swallows a cancellation that comes in the same moment as what it waits for, and
libraries use it: a task that was cancelled once may go on as if nothing had been said.
"""

import asyncio
from contextlib import suppress
from typing import Any

_PATIENCE = 10.0
"""Seconds after which a task that has not ended is told again: what it has to put away takes less."""


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, though no longer than so many seconds; whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended, whatever they raise."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PATIENCE)
    await asyncio.gather(*tasks, return_exceptions=True)
