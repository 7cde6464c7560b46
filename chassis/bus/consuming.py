"""What a consumer does with the events in its hands: it reads them, hands them over, keeps them alive, answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import nats.errors
import structlog
from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import FetchTimeoutError

from chassis.errors import InvalidArgument, ServiceError
from chassis.telemetry import span

log = structlog.get_logger()
M = TypeVar("M", bound=Message)

ACK_WAIT = 15.0
"""Seconds after which an event goes to another consumer, unless its own says that it is still at work."""
_LONGEST_DELAY = 30.0
_PULL = 3.0
_PULL_WAITING = 0.1
_NOTEWORTHY = 3


class Delivery(Generic[M]):
    """One event as it was handed to a consumer; `attempt` counts its deliveries from 1."""

    def __init__(self, message: M, attempt: int) -> None:
        self.message = message
        self.attempt = attempt


class Consumer(Generic[M]):
    """Takes the events of one kind under one durable name. Those in hand when it ends go to `unfinished`."""

    def __init__(
        self, kind: type[M], durable: str, unfinished: list[Msg], is_closing: Callable[[], bool] = lambda: False
    ) -> None:
        self.subject: str = kind.DESCRIPTOR.full_name
        self.durable = durable
        self._kind = kind
        self._unfinished = unfinished
        # A cancellation that comes with an event can be swallowed by the fetch: nobody would end the handler then.
        self._is_closing = is_closing

    def config(self) -> ConsumerConfig:
        """How JetStream shall keep it."""
        return ConsumerConfig(
            durable_name=self.durable,
            filter_subject=self.subject,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_deliver=-1,
            max_ack_pending=1000,
        )

    async def take(
        self, events: JetStreamContext.PullSubscription, handle: Callable[[Delivery[M]], Awaitable[None]]
    ) -> None:
        """Hand over the next event; without one, come back after a few seconds."""
        for received in await _fetch(events):
            if self._is_closing():
                self._unfinished.append(received)
            else:
                await self._handle(received, handle)

    async def take_together(
        self, events: JetStreamContext.PullSubscription, most: int, handle: Callable[[Sequence[M]], Awaitable[None]]
    ) -> None:
        """Hand over the next event with those that wait behind it; where that fails, each by itself."""
        received = await _fetch_waiting(events, most)
        if received and self._is_closing():
            self._unfinished += received
        elif received:
            await self._handle_together(received, handle)

    async def _handle(self, received: Msg, handle: Callable[[Delivery[M]], Awaitable[None]]) -> None:
        attempt = received.metadata.num_delivered or 1
        message = await self._read(received)
        if message is None:
            return
        still_working = asyncio.create_task(_keep_alive(received))
        try:
            with span(f"consume {self.durable}", received.headers):
                await handle(Delivery(message, attempt))
        except InvalidArgument as error:
            # It would fail the same way for ever.
            log.error("event_refused", durable=self.durable, attempt=attempt, error=brief(error))
            await answer(received.term)
        except Exception as error:
            delay = min(0.25 * 2 ** min(attempt, 10), _LONGEST_DELAY)
            # Once or twice is the ordinary course: the owner was busy with the same thing.
            level = logging.INFO if attempt < _NOTEWORTHY and isinstance(error, ServiceError) else logging.WARNING
            log.log(level, "event_deferred", durable=self.durable, attempt=attempt, seconds=delay, error=brief(error))
            await answer(lambda: received.nak(delay=delay))
        except asyncio.CancelledError:
            self._unfinished.append(received)
            raise
        else:
            await answer(received.ack)
        finally:
            still_working.cancel()

    async def _handle_together(self, received: list[Msg], handle: Callable[[Sequence[M]], Awaitable[None]]) -> None:
        still_working = asyncio.create_task(_keep_alive(*received))
        read = [(one, message) for one in received if (message := await self._read(one)) is not None]
        try:
            with span(f"consume {self.durable}", received[0].headers if len(received) == 1 else None):
                await handle([message for _, message in read])
        except Exception as error:
            still_working.cancel()  # each is kept alive by itself from here on
            log.info("events_separated", durable=self.durable, count=len(read), error=brief(error))
            for one, _ in read:
                await self._handle(one, lambda delivery: handle([delivery.message]))
        except asyncio.CancelledError:
            self._unfinished += received
            raise
        else:
            for one, _ in read:
                await answer(one.ack)
        finally:
            still_working.cancel()

    async def _read(self, received: Msg) -> M | None:
        """The event in a message; None, and never sent again, where it cannot be read."""
        try:
            return parse(self._kind, received)
        except DecodeError as error:
            log.error("event_unreadable", durable=self.durable, error=str(error))
            await answer(received.term)
            return None


async def answer(send: Callable[[], Awaitable[object]]) -> None:
    """Tell NATS what became of an event. Lost answers are harmless: it comes again, and its handler may run twice."""
    try:
        await send()
    except (nats.errors.Error, OSError) as error:
        log.warning("nats_send_lost", error=brief(error))


def parse(kind: type[M], received: Msg) -> M:
    """The event in a message. Raises DecodeError."""
    return kind.FromString(received.data)


def brief(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}"


async def _fetch(events: JetStreamContext.PullSubscription) -> list[Msg]:
    # The server's heartbeats tell a quiet subject (nothing to do) from a consumer that is gone (subscribe again).
    try:
        return await events.fetch(1, timeout=_PULL, heartbeat=_PULL / 3)
    except FetchTimeoutError:
        return []


async def _fetch_waiting(events: JetStreamContext.PullSubscription, most: int) -> list[Msg]:
    """One event as soon as there is one, and with it those that wait behind it."""
    received = await _fetch(events)
    waiting = min(received[0].metadata.num_pending, most - 1) if received else 0
    if waiting:
        with suppress(FetchTimeoutError):  # somebody else of our name took them
            received += await events.fetch(waiting, timeout=_PULL_WAITING)
    return received


async def _keep_alive(*received: Msg) -> None:
    while True:
        await asyncio.sleep(ACK_WAIT / 3)
        for one in received:
            await answer(one.in_progress)
