"""Kills a part of the stack with everything that it started, again and again while clients press."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local import Stack
from tests.chaos.clients import Clients

COMES_BACK = 15.0
"""Seconds after which answers are acknowledged again at the latest, once what was killed runs."""
_ANYWHERE = 0.02  # seconds: within a commit, or between two of them


@dataclass(frozen=True)
class Crash:
    """When it happened, in seconds on the monotonic clock, and to how many presses that were under way."""

    under_way: int
    killed: float
    # When the part was there again, as far as it says so itself.
    returned: float
    # When the first answer after that was acknowledged.
    served: float


async def crash_under_load(stack: Stack, part: str, clients: Clients, kills: int, answers: int) -> list[Crash]:
    """Kill and start the part so often, and between two kills take an equal share of the answers.

    Raises AssertionError when the part had died by itself, and where answers are not acknowledged again in time.
    """
    crashes = []
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.run())
        for _ in range(kills):
            await clients.acknowledged(clients.tally.acknowledged + answers // (kills + 1))
            await asyncio.sleep(random.uniform(0, _ANYWHERE))
            crashes.append(await _crash(stack, part, clients))
        await clients.acknowledged(answers)
        clients.stop()
    return crashes


async def _crash(stack: Stack, part: str, clients: Clients) -> Crash:
    under_way, killed = clients.tally.under_way, time.monotonic()
    await asyncio.to_thread(_kill, stack, part)
    await asyncio.to_thread(stack.start, part)
    returned = time.monotonic()
    try:
        async with asyncio.timeout(COMES_BACK):
            await clients.acknowledged(clients.tally.acknowledged + 1)
    except TimeoutError:
        raise AssertionError(f"{part} runs again, but for {COMES_BACK:.0f} s nothing was acknowledged") from None
    return Crash(under_way, killed, returned, time.monotonic())


def _kill(stack: Stack, part: str) -> None:
    pid = stack.pid(part)
    assert pid is not None, f"{part} had died by itself"
    # The parent first: it must not see a child die, and put things in order.
    for one in [pid, *_children(pid)]:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    stack.kill(part)  # and wait until it is gone


def _children(pid: int) -> list[int]:
    """Those that run now: Postgres gives each a process group of its own, so a signal to the group misses them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            # The name in parentheses may hold spaces: fields are counted from behind it.
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
    return found
