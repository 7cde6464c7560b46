"""Waiting for something that no event announces."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, within: float = 60.0, every: float = 0.05) -> T:
    """What `look` returns once it is truthy. Raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not (seen := await look()):  # noqa: ASYNC110  nothing announces it
            await asyncio.sleep(every)
        return seen
