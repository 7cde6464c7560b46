"""Lets contenders play in turn, each on a machine at rest, and notes what every round cost."""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg

from bench.contenders import Contender, Outcome, Scale
from bench.processes import Usage, usage
from deploy.local import Stack

REST_SECONDS = 30.0
"""How long the stack may take to come to rest after a round."""

_RESTING = 0.25  # CPU seconds a second that the whole stack, idle, may use


@dataclass(frozen=True)
class Played:
    """One round: what came of it and what it cost until nothing was left to do."""

    outcome: Outcome
    spent: Usage
    # Seconds from the last reply until the stack was at rest.
    rest: float

    def cpu(self, group: str) -> float:
        """CPU seconds an answer."""
        spent = self.outcome.asking if group == "asking" else self.spent.groups.get(group, 0.0)
        return spent / max(1, self.outcome.answers)

    @property
    def others(self) -> float:
        """What processes that have nothing to do with this used of the machine, as a part of it."""
        return self.spent.others


@dataclass(frozen=True)
class Series:
    """The rounds of one contender with so many clients. The first warms up: only its errors count."""

    name: str
    clients: int
    rounds: list[Played]

    @property
    def timed(self) -> list[Played]:
        """All but the first, unless there is no other."""
        return self.rounds[1:] or self.rounds

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.median(lambda played: played.outcome.rate)

    def latency(self, part: float) -> float:
        """The latency in seconds that this part of the answers stays below; 0 where none was measured."""
        times = sorted(latency for played in self.timed for latency in played.outcome.latencies)
        return times[int(len(times) * part)] if times else 0.0

    def median(self, figure: Callable[[Played], float]) -> float:
        """Of a figure of each round."""
        return statistics.median(figure(played) for played in self.timed)

    @property
    def errors(self) -> Counter[str]:
        """What went wrong, in the first round too."""
        return sum((Counter(played.outcome.errors) for played in self.rounds), Counter())


class Field:
    """The stack and the other processes that are measured, and the outbox that shows whether work is left."""

    def __init__(self, stack: Stack, more: dict[str, int | None], connection: asyncpg.Connection) -> None:
        self._groups = {name: stack.pid(name) for name in stack.parts} | more | {"bench": os.getpid()}
        self._parts = [name for name in self._groups if name != "bench"]
        self._connection = connection

    async def play(self, contenders: Sequence[Contender], clients: int, scale: Scale) -> list[Series]:
        """All rounds with so many clients, one contender after the other."""
        played: dict[str, list[Played]] = {contender.name: [] for contender in contenders}
        for _ in range(scale.rounds):
            for contender in contenders:
                played[contender.name].append(await self._round(contender, clients, scale.seconds))
        return [Series(name, clients, rounds) for name, rounds in played.items()]

    async def _round(self, contender: Contender, clients: int, seconds: float) -> Played:
        before = usage(self._groups)
        outcome = await contender.play(clients, seconds)
        ended = time.perf_counter()
        await self._rest()
        return Played(outcome, usage(self._groups) - before, time.perf_counter() - ended)

    async def _rest(self) -> None:
        """Wait until nothing waits to be published and the parts are idle, but not for ever."""
        deadline = time.perf_counter() + REST_SECONDS
        last = usage(self._groups)
        while time.perf_counter() < deadline:
            await asyncio.sleep(0.2)
            now = usage(self._groups)
            spent, last = now - last, now
            is_idle = sum(spent.groups.get(name, 0.0) for name in self._parts) <= _RESTING * spent.wall
            if is_idle and await self._connection.fetchval("SELECT count(*) FROM outbox") == 0:
                return
