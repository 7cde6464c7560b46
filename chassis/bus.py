"""Events over NATS JetStream, typed by their protobuf message.

A subject is the message's full name, its stream the second part of that name in capitals
(`assent.consent.v1.AnswerSubmitted` lies in `CONSENT`). Events are hints: whoever publishes one keeps the
truth elsewhere, whoever consumes one asks the owner before acting. So nothing here stops a service from
starting or answering while NATS is away.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

import nats.errors
import structlog
from google.protobuf.message import DecodeError, Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import Error as JetStreamError
from nats.js.errors import FetchTimeoutError, NoStreamResponseError, NotFoundError

from chassis.errors import InvalidArgument, ServiceError, Unavailable
from chassis.telemetry import headers, span

log = structlog.get_logger()
M = TypeVar("M", bound=Message)
_Take = Callable[[JetStreamContext.PullSubscription], Awaitable[None]]

ACK_WAIT = 15.0
"""Seconds after which an event goes to another consumer, unless its own says that it is still at work."""
_LONGEST_DELAY = 30.0
_PULL = 3.0
_PULL_WAITING = 0.1
_NOTEWORTHY = 3
_KEEP = 14 * 24 * 3600.0
_DUPLICATES = 2 * 3600.0


class Delivery(Generic[M]):
    """One event as it was handed to a consumer; `attempt` counts its deliveries from 1."""

    def __init__(self, message: M, attempt: int) -> None:
        self.message = message
        self.attempt = attempt


class Bus:
    """A connection to NATS that comes and goes by itself. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._nats = Client()
        self._connected = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._unfinished: list[Msg] = []

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._connect(), name="bus connect"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Python 3.11's wait_for, inside nats-py, can swallow a cancellation: loops look at the flag as well.
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Whoever shares our names need not wait for our silence. Only now: before, our own requests got them again.
        for one in self._unfinished:
            await _answer(one.nak)
        if self._nats.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self._nats.drain()
        elif self._connected.is_set():
            await self._nats.close()

    @property
    def is_connected(self) -> bool:
        """Whether NATS can be reached at this moment."""
        return bool(self._nats.is_connected)

    async def connected(self) -> None:
        """Return once NATS was reached for the first time."""
        await self._connected.wait()

    async def publish(self, message: Message, *, message_id: str | None = None) -> None:
        """Store one event in its stream. JetStream drops a `message_id` that it had within the last two hours.

        Raises Unavailable (BUS_UNAVAILABLE) when it is not known to be stored.
        """
        await self.publish_raw(
            message.DESCRIPTOR.full_name, message.SerializeToString(), message_id or str(uuid.uuid4()), headers()
        )

    async def publish_raw(self, subject: str, payload: bytes, message_id: str, trace_headers: dict[str, str]) -> None:
        """As `publish`, for an event that is serialised already."""
        if not self._nats.is_connected:
            raise _unavailable()
        sent = {**trace_headers, "Nats-Msg-Id": message_id}
        try:
            try:
                await self._nats.jetstream().publish(subject, payload, timeout=3, headers=sent)
            # A missing stream answers so, or, where somebody listens to the subject, not at all.
            except (NoStreamResponseError, nats.errors.TimeoutError):
                await self._ensure_stream(subject)
                await self._nats.jetstream().publish(subject, payload, timeout=3, headers=sent)
        except (nats.errors.Error, JetStreamError, TimeoutError, OSError) as error:
            raise _unavailable() from error

    def consume(
        self,
        kind: type[M],
        *,
        consumer: str,
        handle: Callable[[Delivery[M]], Awaitable[None]],
        at_once: int = 8,
    ) -> None:
        """Hand every event of one kind to `handle`, under the durable name `<consumer>-<Message>`.

        An event is acknowledged when `handle` returns and comes again, ever later up to 30 s, when it raises.
        Processes that use the same name share the events.
        """
        durable = f"{consumer}-{kind.DESCRIPTOR.name}"

        async def take(events: JetStreamContext.PullSubscription) -> None:
            for received in await _fetch(events):
                await self._handle(kind, durable, received, handle)

        self._start(kind, durable, take, at_once)

    def consume_together(
        self, kind: type[M], *, consumer: str, handle: Callable[[Sequence[M]], Awaitable[None]], most: int = 200
    ) -> None:
        """Hand the events of one kind that wait at the same time to `handle` at once, at most so many.

        For a handler to whom a hundred events may mean one piece of work. Where it raises, each of them goes its own
        way as under `consume`, so that one that fails does not hold up the others.
        """
        durable = f"{consumer}-{kind.DESCRIPTOR.name}"

        async def take(events: JetStreamContext.PullSubscription) -> None:
            if received := await _fetch_waiting(events, most):
                await self._handle_together(kind, durable, received, handle)

        self._start(kind, durable, take, at_once=1)

    def listen(self, kind: type[M], handle: Callable[[M], Awaitable[None]]) -> None:
        """Hand to `handle` what is published from now on: no replay, no acknowledgement, every process its own."""

        async def on_message(received: Msg) -> None:
            try:
                await handle(_parse(kind, received))
            except Exception as error:
                log.error("event_failed", subject=received.subject, exc_info=error)

        async def subscribe() -> None:
            await self._connected.wait()
            await self._nats.subscribe(kind.DESCRIPTOR.full_name, cb=on_message)
            # A missing stream is told from the lack of a responder. We are one now: no publisher would notice.
            await self._ensure_stream_at_last(kind.DESCRIPTOR.full_name)

        self._tasks.append(asyncio.create_task(subscribe(), name=f"bus listen {kind.DESCRIPTOR.name}"))

    async def _connect(self) -> None:
        async def on_error(error: Exception) -> None:
            log.warning("nats_error", error=str(error) or type(error).__name__)

        while True:
            try:
                await self._nats.connect(
                    self._url, error_cb=on_error, max_reconnect_attempts=-1, reconnect_time_wait=1, connect_timeout=3
                )
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.warning("nats_unreachable", error=str(error) or type(error).__name__)
                self._nats = Client()
                await asyncio.sleep(0.5)
            else:
                log.info("nats_connected")
                self._connected.set()
                return

    async def _ensure_stream(self, subject: str) -> str:
        package = subject.rsplit(".", 1)[0]
        name = package.split(".")[1].upper()
        js = self._nats.jetstream()
        try:
            await js.stream_info(name)
        except NotFoundError:
            await js.add_stream(
                StreamConfig(name=name, subjects=[f"{package}.>"], max_age=_KEEP, duplicate_window=_DUPLICATES)
            )
        return name

    async def _ensure_stream_at_last(self, subject: str) -> None:
        while True:
            try:
                await self._ensure_stream(subject)
                return
            except (nats.errors.Error, JetStreamError, OSError, TimeoutError) as error:
                log.warning("stream_not_ensured", subject=subject, error=_brief(error))
                await asyncio.sleep(0.5)

    def _start(self, kind: type[M], durable: str, take: _Take, at_once: int) -> None:
        work = self._consume(kind, durable, take, at_once)
        self._tasks.append(asyncio.create_task(work, name=f"bus {durable}"))

    async def _consume(self, kind: type[M], durable: str, take: _Take, at_once: int) -> None:
        await self._connected.wait()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._work(kind, durable, take))

    async def _work(self, kind: type[M], durable: str, take: _Take) -> None:
        while not self._closing:
            try:
                events = await self._subscribe(kind, durable)
                try:
                    while not self._closing:
                        await take(events)
                finally:
                    await _answer(events.unsubscribe)
            except (nats.errors.Error, JetStreamError, OSError, TimeoutError) as error:
                log.warning("consumer_interrupted", durable=durable, error=_brief(error))
                await asyncio.sleep(0.5)

    async def _subscribe(self, kind: type[M], durable: str) -> JetStreamContext.PullSubscription:
        subject = kind.DESCRIPTOR.full_name
        stream = await self._ensure_stream(subject)
        config = ConsumerConfig(
            durable_name=durable,
            filter_subject=subject,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_deliver=-1,
            max_ack_pending=1000,
        )
        return await self._nats.jetstream().pull_subscribe(subject, durable=durable, stream=stream, config=config)

    async def _handle(
        self, kind: type[M], durable: str, received: Msg, handle: Callable[[Delivery[M]], Awaitable[None]]
    ) -> None:
        attempt = received.metadata.num_delivered or 1
        message = await _read(kind, durable, received)
        if message is None:
            return
        still_working = asyncio.create_task(_keep_alive(received))
        try:
            with span(f"consume {durable}", received.headers):
                await handle(Delivery(message, attempt))
        except InvalidArgument as error:
            # It would fail the same way for ever.
            log.error("event_refused", durable=durable, attempt=attempt, error=_brief(error))
            await _answer(received.term)
        except Exception as error:
            delay = min(0.25 * 2 ** min(attempt, 10), _LONGEST_DELAY)
            # Once or twice is the ordinary course: the owner was busy with the same thing.
            level = logging.INFO if attempt < _NOTEWORTHY and isinstance(error, ServiceError) else logging.WARNING
            log.log(level, "event_deferred", durable=durable, attempt=attempt, seconds=delay, error=_brief(error))
            await _answer(lambda: received.nak(delay=delay))
        except asyncio.CancelledError:
            self._unfinished.append(received)
            raise
        else:
            await _answer(received.ack)
        finally:
            still_working.cancel()

    async def _handle_together(
        self, kind: type[M], durable: str, received: list[Msg], handle: Callable[[Sequence[M]], Awaitable[None]]
    ) -> None:
        still_working = asyncio.create_task(_keep_alive(*received))
        read = [(one, message) for one in received if (message := await _read(kind, durable, one)) is not None]
        try:
            with span(f"consume {durable}", received[0].headers if len(received) == 1 else None):
                await handle([message for _, message in read])
        except Exception as error:
            still_working.cancel()  # each is kept alive by itself from here on
            log.info("events_separated", durable=durable, count=len(read), error=_brief(error))
            for one, _ in read:
                await self._handle(kind, durable, one, lambda delivery: handle([delivery.message]))
        except asyncio.CancelledError:
            self._unfinished += received
            raise
        else:
            for one, _ in read:
                await _answer(one.ack)
        finally:
            still_working.cancel()


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
            await _answer(one.in_progress)


async def _answer(send: Callable[[], Awaitable[object]]) -> None:
    # Lost answers are harmless: the event comes again and its handler may run twice.
    try:
        await send()
    except (nats.errors.Error, OSError) as error:
        log.warning("nats_send_lost", error=_brief(error))


async def _read(kind: type[M], durable: str, received: Msg) -> M | None:
    """The event in a message; None, and never sent again, where it cannot be read."""
    try:
        return _parse(kind, received)
    except DecodeError as error:
        log.error("event_unreadable", durable=durable, error=str(error))
        await _answer(received.term)
        return None


def _parse(kind: type[M], received: Msg) -> M:
    return kind.FromString(received.data)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unavailable() -> Unavailable:
    return Unavailable("the event bus cannot be reached: try again in a moment", reason="BUS_UNAVAILABLE")
