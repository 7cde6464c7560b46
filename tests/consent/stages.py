"""The stages that histories are played on: data that stays, and a service of two replicas that starts and ends."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import text

from chassis.database import Database
from chassis.errors import ServiceError
from consent_svc.domain.answers import Answers, Submission
from deploy.local import Postgres
from tests.consent.conftest import ROLE, Store, store_in_memory, store_in_postgres
from tests.consent.ledger import Outcome
from tests.consent.memory import Memory
from tests.eventually import eventually

T = TypeVar("T")
MakeStore = Callable[[Memory], Store]

_LOCK = text("SELECT FROM meetings WHERE meeting_id = :meeting_id FOR UPDATE")
_KILL_WAITING = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


class Stage(Protocol):
    """Where a history is played."""

    replicas: tuple[Store, Store]

    def run(self, play: Coroutine[Any, Any, T]) -> T:
        """Play until the end, on the stage's own event loop. Raises AssertionError where that does not come."""

    async def clear(self) -> None:
        """Make ready for a new history, whose meetings have ids of their own."""

    async def restart(self) -> None:
        """End the service and start it anew over the same data."""

    async def dies_before_commit(self, submission: Submission, now: datetime) -> Outcome | None:
        """Let an answer come in whose transaction ends before its commit. None where nobody was told anything."""

    async def settle(self) -> None:
        """Wait for what still runs though nobody waits for it any more."""


async def submit(answers: Answers, submission: Submission, now: datetime) -> Outcome:
    """Submit an answer and tell how that ended."""
    try:
        return Outcome(submission, now, await answers.submit(submission, now))
    except ServiceError as error:
        return Outcome(submission, now, refusal=error.reason)


async def _in_time(play: Coroutine[Any, Any, T]) -> T:
    try:
        async with asyncio.timeout(60):
            return await play
    except TimeoutError as error:
        raise AssertionError("C1: no reply within a minute") from error


class _OwnLoop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, play: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(_in_time(play))

    async def settle(self) -> None:
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.close()


class MemoryStage(_OwnLoop):
    """Data in memory. `make` starts the service on it."""

    def __init__(self, make: MakeStore = store_in_memory) -> None:
        super().__init__()
        self._make = make
        self._memory = Memory()
        self.replicas = self._start()

    async def clear(self) -> None:
        self._memory = Memory()
        await self.restart()

    async def restart(self) -> None:
        self.replicas = self._start()

    def _start(self) -> tuple[Store, Store]:
        return self._make(self._memory), self._make(self._memory)

    async def dies_before_commit(self, submission: Submission, now: datetime) -> Outcome | None:
        answering = asyncio.create_task(submit(self.replicas[0].answers, submission, now))
        answering.cancel()  # before it began: what is done here is done at once
        await asyncio.wait([answering])
        await self.restart()
        return None


class PostgresStage(_OwnLoop):
    """One database for many histories, with connections of its own."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        super().__init__()
        self._connections = AsyncExitStack()
        self.run(self._connect(postgres, name))
        self.replicas = self._start()

    async def _connect(self, postgres: Postgres, name: str) -> None:
        # Made on the loop that they are used on.
        self._database = await self._connections.enter_async_context(Database(postgres.url(name, role=ROLE)))
        self._owner = await self._connections.enter_async_context(Database(postgres.url(name), pool_size=2))

    async def clear(self) -> None:
        async with self._owner.begin() as connection:
            await connection.execute(text("TRUNCATE outbox"))
        await self.restart()

    async def restart(self) -> None:
        self.replicas = self._start()

    def _start(self) -> tuple[Store, Store]:
        return store_in_postgres(self._database), store_in_postgres(self._database)

    async def dies_before_commit(self, submission: Submission, now: datetime) -> Outcome | None:
        """Hold the meeting's row, so that nobody commits, and end the connections that wait for it."""
        async with self._owner.begin() as holding:
            await holding.execute(_LOCK, {"meeting_id": submission.meeting_id})
            answering = asyncio.create_task(submit(self.replicas[0].answers, submission, now))

            async def ended() -> bool:
                async with self._owner.begin() as killing:
                    await killing.execute(_KILL_WAITING)
                return answering.done()

            await eventually(ended, every=0.002)
        await self.restart()
        outcome = answering.result()
        return None if outcome.refusal == "DATABASE_UNAVAILABLE" else outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._disconnect())
        super().__exit__(kind, error, trace)

    async def _disconnect(self) -> None:
        await self.settle()
        await self._connections.aclose()
