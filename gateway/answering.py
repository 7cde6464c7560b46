"""Brings answers to consent_svc: those that arrive together travel together, over one stream."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc

from chassis.errors import DeadlineExceeded, of_code
from chassis.tasks import end, set_within
from chassis.telemetry import headers

if TYPE_CHECKING:
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

log = structlog.get_logger()

ANSWER_SECONDS = 1.8
"""Of the two seconds within which whoever answers learns how it went."""

CLOCKS_APART = 1.0
"""Seconds that the clocks here and there may differ by: later than both together, an answer is not committed."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
_LOOK_SECONDS = 0.05
"""Between two looks at who has waited too long: a timer for each of them would cost more than its answer."""
# Answers gather while so many messages have had no outcome yet, but no longer than this: a lone one never waits.
_IN_FLIGHT, _LONGEST_GATHERING = 2, 0.02


@dataclass(eq=False)
class _Open:
    pending: rpc.PendingAnswer
    done: "asyncio.Future[consent_pb2.RecordedAnswer]"
    until: float
    left_at: float = 0.0
    # The message that it left with; several share one.
    message: "_Message | None" = None


@dataclass(eq=False)
class _Message:
    open: int


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
        self._call: grpc.aio.StreamStreamCall[rpc.SubmitAnswersRequest, rpc.SubmitAnswersResponse] | None = None
        self._told_at = 0.0
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run(), name="answers"), asyncio.create_task(self._give_up_late())]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        await end(*self._tasks)

    async def submit(self, request: rpc.SubmitAnswerRequest, traceparent: str = "") -> consent_pb2.RecordedAnswer:
        """Commit one answer; it belongs to the trace given (W3C Trace Context), or else to the current one.

        Raises what consent_svc said of it, or DeadlineExceeded when it said nothing in time.

        Then it may still be committed later; sent again with the same request id, it is committed once.
        """
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        trace = traceparent or headers().get("traceparent", "")
        pending = rpc.PendingAnswer(number=number, answer=request, traceparent=trace)
        pending.not_after.FromNanoseconds(int((time.time() + ANSWER_SECONDS + CLOCKS_APART) * 1e9))
        one = self._open[number] = _Open(pending, loop.create_future(), loop.time() + ANSWER_SECONDS)
        self._unsent.append(number)
        self._wake.set()
        try:
            return await one.done
        finally:
            del self._open[number]
            self._left(one)

    async def _give_up_late(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for one in list(self._open.values()):  # the oldest first
                if one.until > loop.time():
                    break
                if not one.done.done():
                    one.done.set_exception(_unconfirmed())
                    self._leave_the_silent(one)

    def _leave_the_silent(self, one: _Open) -> None:
        """Whoever has told nothing since this answer left may be wedged: the next stream goes to another replica."""
        if self._call and one.left_at > self._told_at:
            self._call.cancel()
            self._call = None

    def _left(self, one: _Open) -> None:
        if one.message is None:
            return
        one.message.open -= 1
        if one.message.open == 0:
            self._in_flight -= 1
            self._told.set()

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._wake.wait()
            try:
                self._call = self._stub.SubmitAnswers(self._requests())
                async for response in self._call:
                    pause = _FIRST_PAUSE
                    self._tell(response)
            except asyncio.CancelledError:
                if self._closing:
                    raise
                log.warning("answers_interrupted", status="CANCELLED", open=len(self._open))
            except grpc.aio.AioRpcError as error:
                log.warning("answers_interrupted", status=error.code().name, open=len(self._open))
            except Exception as error:
                log.error("answers_failed", open=len(self._open), exc_info=error)
            self._begin_again()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _begin_again(self) -> None:
        self._unsent = [number for number, one in self._open.items() if not one.done.done()]
        self._in_flight = 0
        for one in self._open.values():
            one.message = None
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
            leaving = [self._open[number] for number in self._unsent if number in self._open]
            self._unsent.clear()
            if leaving:
                message = _Message(len(leaving))
                now = asyncio.get_running_loop().time()
                for one in leaving:
                    one.message, one.left_at = message, now
                self._in_flight += 1
                yield rpc.SubmitAnswersRequest(answers=[one.pending for one in leaving])
                await self._gather()

    async def _gather(self) -> None:
        if self._in_flight >= _IN_FLIGHT:
            self._told.clear()
            await set_within(self._told, _LONGEST_GATHERING)

    def _tell(self, response: rpc.SubmitAnswersResponse) -> None:
        self._told_at = asyncio.get_running_loop().time()
        for outcome in response.outcomes:
            one = self._open.get(outcome.number)
            if one is None or one.done.done():
                continue
            if outcome.HasField("recorded"):
                one.done.set_result(outcome.recorded)
            else:
                refusal = outcome.refusal
                one.done.set_exception(of_code(refusal.code, refusal.message, refusal.reason))


def _unconfirmed() -> DeadlineExceeded:
    return DeadlineExceeded(
        "it is not known yet whether the answer is stored: send it again with the same Idempotency-Key",
        reason="ANSWER_UNCONFIRMED",
    )
