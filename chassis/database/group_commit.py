"""Commits what waits at the same time together: one transaction, one wait for the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 2
"""Groups in flight: while one waits for the disk, the next one is made ready."""

MOST = 32
"""In one group: a larger one saves little more, and makes the first of it wait for the last."""

ALONE_AT_ONCE = 2
"""Keys in flight that somebody else holds; each waits in a transaction, and a connection, of its own."""

LONGEST = 20.0
"""Seconds for one group. The database's own limits are below this; only a connection that died silently is above."""


class Busy(Exception):
    """Somebody else holds this key for now: its items are committed apart, where their wait holds up nobody else."""


Commit = Callable[[Sequence[T], bool], Awaitable[Sequence[R | Exception]]]
"""Commits items; with False it must not wait for a key that somebody else holds, and returns Busy for its items.

What it returns belongs to the items in their order. What it raises ends all of them.
"""


@dataclass(eq=False)
class _Waiting(Generic[T, R]):
    key: str
    item: T
    done: "asyncio.Future[R]"


class GroupCommit(Generic[T, R]):
    """Items of one key are committed in the order in which they came, and never by two groups at once."""

    def __init__(self, commit: Commit[T, R]) -> None:
        self._commit = commit
        self._waiting: dict[str, list[_Waiting[T, R]]] = {}
        self._taken: set[str] = set()
        self._groups: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(ALONE_AT_ONCE)
        self._starting = False

    async def submit(self, key: str, item: T) -> R:
        """Wait until the item is committed. Raises what the commit said of this item."""
        waiting = _Waiting[T, R](key, item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, []).append(waiting)
        self._start_soon()
        return await waiting.done

    def _start_soon(self) -> None:
        # Not at once: what comes together, as one message brings it, goes together.
        if not self._starting:
            self._starting = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._starting = False
        while len(self._groups) < AT_ONCE and (group := self._take()):
            task = asyncio.create_task(self._run(group))
            self._groups.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._groups.discard(task)
        self._alone.discard(task)
        self._start_soon()

    def _take(self) -> dict[str, list[_Waiting[T, R]]]:
        group: dict[str, list[_Waiting[T, R]]] = {}
        count = 0
        for key in [key for key in self._waiting if key not in self._taken]:
            # Who has given up meanwhile is not committed any more.
            group[key] = [waiting for waiting in self._waiting.pop(key) if not waiting.done.done()]
            count += len(group[key])
            if count >= MOST:
                break
        group = {key: items for key, items in group.items() if items}
        self._taken |= group.keys()
        return group

    async def _run(self, group: dict[str, list[_Waiting[T, R]]]) -> None:
        busy = await self._finish([waiting for items in group.values() for waiting in items], wait=False)
        held = {key: items for key, items in group.items() if busy.intersection(items)}
        for key, items in held.items():
            task = asyncio.create_task(self._run_alone(key, items))
            self._alone.add(task)
            task.add_done_callback(self._ended)
        self._taken -= group.keys() - held.keys()

    async def _run_alone(self, key: str, items: list[_Waiting[T, R]]) -> None:
        async with self._turn:
            await self._finish([waiting for waiting in items if not waiting.done.done()], wait=True)
        self._taken.discard(key)

    async def _finish(self, group: list[_Waiting[T, R]], *, wait: bool) -> set[_Waiting[T, R]]:
        """Commit, tell everyone how it went, and return those that are busy."""
        results = await self._results(group, wait)
        busy = set()
        for waiting, result in zip(group, results, strict=True):
            if isinstance(result, Busy):
                busy.add(waiting)
            elif waiting.done.done():
                continue
            elif isinstance(result, Exception):
                waiting.done.set_exception(result)
            else:
                waiting.done.set_result(result)
        return busy

    async def _results(self, group: list[_Waiting[T, R]], wait: bool) -> Sequence[R | Exception]:
        try:
            async with asyncio.timeout(LONGEST):
                return await self._commit([waiting.item for waiting in group], wait)
        except TimeoutError:
            error: Exception = Unavailable("the database does not answer: try again", reason="DATABASE_UNAVAILABLE")
        except Unavailable as unavailable:
            error = unavailable
        except Exception as unforeseen:
            if len(group) > 1:
                return await self._one_by_one(group, wait)
            error = unforeseen
        return [error for _ in group]

    async def _one_by_one(self, group: list[_Waiting[T, R]], wait: bool) -> list[R | Exception]:
        """One of them spoiled it for all: each for itself, so that the error stays with the one who caused it."""
        results: list[R | Exception] = []
        busy: set[str] = set()
        for waiting in group:
            # Once one of a key has to wait, so do those behind it.
            [result] = [Busy()] if waiting.key in busy else await self._results([waiting], wait)
            if isinstance(result, Busy):
                busy.add(waiting.key)
            results.append(result)
        return results
