"""Brings answers to consent_svc: those that arrive together travel together, over one stream."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc

from chassis.errors import DeadlineExceeded, of_code
from chassis.telemetry import headers

if TYPE_CHECKING:
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

log = structlog.get_logger()

ANSWER_SECONDS = 1.8
"""Of the two seconds within which whoever answers learns how it went."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
_IN_FLIGHT = 2
_GATHER = 0.02
"""Seconds for which answers gather while so many messages wait for a first outcome: a lone one never waits."""


@dataclass(eq=False)
class _Open:
    pending: rpc.PendingAnswer
    done: "asyncio.Future[consent_pb2.RecordedAnswer]"


class Answering:
    """One stream to consent_svc for as long as it is entered, opened again whenever it ends.

    What had no outcome when it ended is sent again: the request id makes that harmless.
    """

    def __init__(self, stub: "ConsentServiceAsyncStub") -> None:
        self._stub = stub
        self._numbers = itertools.count(1)
        self._open: dict[int, _Open] = {}
        self._unsent: list[int] = []
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        self._in_flight = 0
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="answers")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def submit(self, request: rpc.SubmitAnswerRequest, traceparent: str = "") -> consent_pb2.RecordedAnswer:
        """Commit one answer; it belongs to the trace given (W3C Trace Context), or else to the current one.

        Raises what consent_svc said of it, or DeadlineExceeded when it said nothing in time.

        Then it may still be committed later; sent again with the same request id, it is committed once.
        """
        number = next(self._numbers)
        trace = traceparent or headers().get("traceparent", "")
        pending = rpc.PendingAnswer(number=number, answer=request, traceparent=trace)
        done: asyncio.Future[consent_pb2.RecordedAnswer] = asyncio.get_running_loop().create_future()
        self._open[number] = _Open(pending, done)
        self._unsent.append(number)
        self._wake.set()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await done
        except TimeoutError:
            raise DeadlineExceeded(
                "it is not known yet whether the answer is stored: send it again with the same Idempotency-Key",
                reason="ANSWER_UNCONFIRMED",
            ) from None
        finally:
            del self._open[number]

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._wake.wait()
            try:
                async for response in self._stub.SubmitAnswers(self._requests()):
                    pause = _FIRST_PAUSE
                    self._tell(response)
            except grpc.aio.AioRpcError as error:
                log.warning(
                    "answers_interrupted", status=error.code().name, error=error.details(), open=len(self._open)
                )
            self._begin_again()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _begin_again(self) -> None:
        self._unsent = list(self._open)
        self._in_flight = 0
        ended, self._wake = self._wake, asyncio.Event()
        ended.set()  # the stream that ended looks for more no longer
        if self._unsent:
            self._wake.set()

    async def _requests(self) -> AsyncIterator[rpc.SubmitAnswersRequest]:
        mine = self._wake
        while True:
            await mine.wait()
            if mine is not self._wake:
                return
            mine.clear()
            # Whoever has given up meanwhile is left out.
            answers = [self._open[number].pending for number in self._unsent if number in self._open]
            self._unsent.clear()
            if answers:
                self._in_flight += 1
                yield rpc.SubmitAnswersRequest(answers=answers)
                await self._gather()

    async def _gather(self) -> None:
        if self._in_flight >= _IN_FLIGHT:
            self._told.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _GATHER)

    def _tell(self, response: rpc.SubmitAnswersResponse) -> None:
        self._in_flight = max(0, self._in_flight - 1)
        self._told.set()
        for outcome in response.outcomes:
            one = self._open.get(outcome.number)
            if one is None or one.done.done():
                continue
            if outcome.HasField("recorded"):
                one.done.set_result(outcome.recorded)
            else:
                refusal = outcome.refusal
                one.done.set_exception(of_code(refusal.code, refusal.message, refusal.reason))
