"""Events over NATS JetStream, typed by their protobuf message.

A subject is the message's full name, its stream the second part of that name in capitals
(`assent.consent.v1.AnswerSubmitted` lies in `CONSENT`). Events are hints: whoever publishes one keeps the
truth elsewhere, whoever consumes one asks the owner before acting. So nothing here stops a service from
starting or answering while NATS is away.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import nats.errors
import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NoStreamResponseError, NotFoundError

from chassis.bus.consuming import ACK_WAIT, Consumer, Delivery, M, answer, brief, parse
from chassis.errors import Unavailable
from chassis.tasks import end
from chassis.telemetry import headers

__all__ = ["ACK_WAIT", "Bus", "Delivery"]

log = structlog.get_logger()
_Take = Callable[[JetStreamContext.PullSubscription], Awaitable[None]]

_KEEP = 14 * 24 * 3600.0
_DUPLICATES = 2 * 3600.0


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
        await end(*self._tasks)
        # Whoever shares our names need not wait for our silence. Only now: before, our own requests got them again.
        for one in self._unfinished:
            await answer(one.nak)
        if self._nats.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self._nats.drain()
        elif self._connected.is_set():
            await self._nats.close()

    @property
    def is_connected(self) -> bool:
        """Whether NATS can be reached at this moment."""
        return bool(self._nats.is_connected)

    @property
    def largest(self) -> int:
        """How many bytes an event may have, together with its headers."""
        return self._nats.max_payload

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
        named = self._consumer(kind, consumer)
        self._start(named, lambda events: named.take(events, handle), at_once)

    def consume_together(
        self, kind: type[M], *, consumer: str, handle: Callable[[Sequence[M]], Awaitable[None]], most: int = 200
    ) -> None:
        """Hand the events of one kind that wait at the same time to `handle` at once, at most so many.

        For a handler to whom a hundred events may mean one piece of work. Where it raises, each of them goes its own
        way as under `consume`, so that one that fails does not hold up the others.
        """
        named = self._consumer(kind, consumer)
        self._start(named, lambda events: named.take_together(events, most, handle), at_once=1)

    def listen(self, kind: type[M], handle: Callable[[M], Awaitable[None]]) -> None:
        """Hand to `handle` what is published from now on: no replay, no acknowledgement, every process its own."""

        async def on_message(received: Msg) -> None:
            try:
                await handle(parse(kind, received))
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
                log.warning("stream_not_ensured", subject=subject, error=brief(error))
                await asyncio.sleep(0.5)

    def _consumer(self, kind: type[M], name: str) -> Consumer[M]:
        return Consumer(kind, f"{name}-{kind.DESCRIPTOR.name}", self._unfinished, lambda: self._closing)

    def _start(self, consumer: Consumer[M], take: _Take, at_once: int) -> None:
        work = self._consume(consumer, take, at_once)
        self._tasks.append(asyncio.create_task(work, name=f"bus {consumer.durable}"))

    async def _consume(self, consumer: Consumer[M], take: _Take, at_once: int) -> None:
        await self._connected.wait()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._work(consumer, take))

    async def _work(self, consumer: Consumer[M], take: _Take) -> None:
        while not self._closing:
            try:
                events = await self._subscribe(consumer)
                try:
                    while not self._closing:
                        await take(events)
                finally:
                    await answer(events.unsubscribe)
            except (nats.errors.Error, JetStreamError, OSError, TimeoutError) as error:
                log.warning("consumer_interrupted", durable=consumer.durable, error=brief(error))
                await asyncio.sleep(0.5)

    async def _subscribe(self, consumer: Consumer[M]) -> JetStreamContext.PullSubscription:
        stream = await self._ensure_stream(consumer.subject)
        return await self._nats.jetstream().pull_subscribe(
            consumer.subject, durable=consumer.durable, stream=stream, config=consumer.config()
        )


def _unavailable() -> Unavailable:
    return Unavailable("the event bus cannot be reached: try again in a moment", reason="BUS_UNAVAILABLE")
