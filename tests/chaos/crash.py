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
        for number in range(kills):
            await clients.acknowledged(clients.tally.acknowledged + answers // (kills + 1))
            # By turns when somebody was just told 200, and at any moment.
            later = random.uniform(0, _ANYWHERE) if number % 2 else 0
            crashes.append(await _crash(stack, part, clients, later))
        await clients.acknowledged(answers)
        clients.stop()
    return crashes


async def _crash(stack: Stack, part: str, clients: Clients, later: float) -> Crash:
    pids = _family(stack, part)
    await clients.acknowledged(clients.tally.acknowledged + 1)
    await asyncio.sleep(later)
    under_way, killed = clients.tally.under_way, time.monotonic()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(stack.kill, part)  # and wait until it is gone
    await asyncio.to_thread(stack.start, part)
    returned = time.monotonic()
    try:
        async with asyncio.timeout(COMES_BACK):
            await clients.acknowledged(clients.tally.acknowledged + 1)
    except TimeoutError:
        raise AssertionError(f"{part} runs again, but for {COMES_BACK:.0f} s nothing was acknowledged") from None
    return Crash(under_way, killed, returned, time.monotonic())


def _family(stack: Stack, part: str) -> list[int]:
    """The part and its children, the parent first: it must not see a child die, and put things in order.

    Postgres gives each child a process group of its own, so a signal to the group would miss them.
    """
    root = stack.pid(part)
    assert root is not None, f"{part} had died by itself"
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            # The name in parentheses may hold spaces: fields are counted from behind it.
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == root:
                children.append(int(folder.name))
    return [root, *children]
