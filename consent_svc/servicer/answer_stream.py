"""One caller's stream of answers: takes them in as they come, and tells each outcome as soon as it is known."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from assent.consent.v1 import consent_service_pb2 as rpc

MOST_OPEN = 2000
"""Answers on one stream whose outcome is not told yet; more are read once some of them are."""

Settle = Callable[[rpc.PendingAnswer], Coroutine[Any, Any, rpc.AnswerOutcome]]
"""Commits one answer; it must not raise."""


class AnswerStream:
    """The outcomes of a stream's answers, to be iterated: those that are known at the same time come together."""

    def __init__(self, requests: AsyncIterator[rpc.SubmitAnswersRequest], settle: Settle) -> None:
        self._requests = requests
        self._settle = settle
        self._open: set[asyncio.Task[rpc.AnswerOutcome]] = set()
        self._outcomes: list[rpc.AnswerOutcome] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._reading = True

    async def responses(self, ending: asyncio.Event) -> AsyncIterator[rpc.SubmitAnswersResponse]:
        """What to tell the caller. Ends after the last outcome, once the caller is done or we are asked to end."""
        reading = asyncio.create_task(self._read())
        told_to_end = asyncio.create_task(ending.wait())
        told_to_end.add_done_callback(lambda _: reading.cancel())
        reading.add_done_callback(self._read_all)
        try:
            while self._reading or self._open or self._outcomes:
                await self._changed.wait()
                self._changed.clear()
                if self._outcomes:
                    response = rpc.SubmitAnswersResponse(outcomes=self._outcomes)
                    self._outcomes = []
                    self._room.set()
                    yield response
        finally:
            reading.cancel()
            told_to_end.cancel()
            # Only a caller who is gone leaves any behind. They are told nothing, and may have said something else
            # elsewhere: what waits for its turn is not committed any more.
            for task in self._open:
                task.cancel()

    async def _read(self) -> None:
        async for request in self._requests:
            for pending in request.answers:
                while len(self._open) + len(self._outcomes) >= MOST_OPEN:
                    self._room.clear()
                    await self._room.wait()
                task = asyncio.create_task(self._settle(pending))
                self._open.add(task)
                task.add_done_callback(self._settled)

    def _read_all(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # a caller who is gone is told by the stream itself
        self._reading = False
        self._changed.set()

    def _settled(self, task: "asyncio.Task[rpc.AnswerOutcome]") -> None:
        self._open.discard(task)
        if not task.cancelled():
            self._outcomes.append(task.result())
        self._changed.set()
