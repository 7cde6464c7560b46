"""Events that are committed with the change they tell of, and published after it (transactional outbox).

`put` writes an event in the caller's transaction; a relay publishes what is committed, in order, and deletes
a row only once JetStream has it. So an event is published at least once, and never for a change that was
rolled back.
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import asyncpg
import structlog
from google.protobuf.message import Message
from sqlalchemy import JSON, BigInteger, Column, DateTime, Identity, LargeBinary, Text, func, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.bus import Bus
from chassis.database import Database
from chassis.errors import ServiceError
from chassis.tasks import end, set_within
from chassis.telemetry import headers

log = structlog.get_logger()

_BATCH = 500
_POLL = 1.0
# Between two batches: the first event goes out at once, and those that follow it closely gather.
_GATHER = 0.05
_CHANNEL = "outbox"

Folding = Mapping[type[Message], Callable[[Any], str]]
"""By the kind of event, what an event of this kind is about."""

# With its headers as they are sent, and 32 bytes around them. What is larger than $2 is not even read.
_OLDEST = """
SELECT id, subject, message_id, headers, size, CASE WHEN size <= $2 THEN payload END AS payload
FROM (
    SELECT id, subject, message_id, payload, headers::text AS headers,
           octet_length(payload) + octet_length(headers::text) + octet_length(message_id) + 32 AS size
    FROM outbox ORDER BY id LIMIT $1
) AS oldest
ORDER BY id
"""


def create_table(role: str | None) -> None:
    """Inside a service's migration: the table that `put` and the relay use."""
    from alembic import op

    op.create_table(
        "outbox",
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("subject", Text, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    if role:
        op.execute(f'GRANT SELECT, INSERT, DELETE ON outbox TO "{role}"')


def putting(first: int, condition: str = "true") -> str:
    """A statement, or a part of a larger one, that puts the events of `values_of` where the condition holds.

    Their values are its parameters from number `first` on.
    """
    subjects, message_ids, payloads, traces = (f"${first + place}" for place in range(4))
    return f"""
    INSERT INTO outbox (subject, message_id, payload, headers)
    SELECT subject, message_id, payload, headers::json
    FROM unnest({subjects}::text[], {message_ids}::text[], {payloads}::bytea[], {traces}::text[])
         WITH ORDINALITY AS event (subject, message_id, payload, headers, place)
    WHERE {condition}
    ORDER BY place
    RETURNING pg_notify('{_CHANNEL}', '')
    """  # noqa: S608  # numbers of parameters, and a condition of ours


_PUT = putting(1)


async def put(connection: AsyncConnection, *messages: Message) -> None:
    """Publish these events once the connection's transaction is committed."""
    if messages:
        trace = headers()
        await connection.exec_driver_sql(_PUT, values_of([(message, trace) for message in messages]))


def values_of(events: Iterable[tuple[Message, Mapping[str, str]]]) -> tuple[list[Any], ...]:
    """What `putting` takes, of events and of the headers of the work that each comes from."""
    events = list(events)
    return (
        [message.DESCRIPTOR.full_name for message, _ in events],
        [str(uuid.uuid4()) for _ in events],
        [message.SerializeToString() for message, _ in events],
        [json.dumps(dict(trace)) for _, trace in events],
    )


class OutboxRelay:
    """Publishes a database's outbox for as long as it is entered. Of several replicas one works at a time.

    `folding` tells for a kind of event what it is about: of those that wait at the same time and are about the same,
    only the last is published. For events that say no more than "look again".

    An event larger than the bus takes is deleted and told in the log: it would hold up all others for ever, while
    its consumers find out by themselves.
    """

    def __init__(self, database: Database, bus: Bus, folding: Folding | None = None) -> None:
        self._database = database
        self._bus = bus
        self._folding = {kind.DESCRIPTOR.full_name: (kind, about) for kind, about in (folding or {}).items()}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="outbox relay")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            await end(self._task)

    async def _run(self) -> None:
        await self._bus.connected()
        while True:
            try:
                async with self._database.engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await self._relay_while_leader(connection)
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ServiceError) as error:
                log.warning("outbox_interrupted", error=f"{type(error).__name__}: {error}")
            except Exception as error:  # a relay that has ended would let every event wait for ever
                log.error("outbox_failed", exc_info=error)
            await asyncio.sleep(_POLL)

    async def _relay_while_leader(self, connection: AsyncConnection) -> None:
        # Only one relay at a time, or events of one meeting could overtake each other.
        if not await connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('outbox'))")):
            return
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(_CHANNEL, lambda *_: self._wake.set())
        try:
            while True:
                self._wake.clear()
                published = await self._publish_batch(driver)
                if published == 0:
                    await set_within(self._wake, _POLL)
                elif published < _BATCH:
                    await asyncio.sleep(_GATHER)
        finally:
            # Ends the session, and with it the lock and the listener: the pool must not hand them to others.
            await connection.invalidate()

    async def _publish_batch(self, driver: "asyncpg.Connection[asyncpg.Record]") -> int:
        rows = await driver.fetch(_OLDEST, _BATCH, self._bus.largest)
        groups: dict[object, list[asyncpg.Record]] = {}
        for row in rows:
            groups.setdefault(self._about(row), []).append(row)
        # In the order of the last of each: a folded event must not be overtaken by one that came before it.
        waiting = sorted(groups.values(), key=lambda group: group[-1]["id"])
        results = await asyncio.gather(*(self._publish(group[-1]) for group in waiting), return_exceptions=True)
        stored = [row["id"] for group, result in zip(waiting, results, strict=True) if result is None for row in group]
        if stored:
            await driver.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", stored)
        for result in results:
            if isinstance(result, asyncio.CancelledError):
                raise ConnectionError("publishing was broken off")
            if isinstance(result, BaseException):
                raise result
        return len(rows)

    def _about(self, row: asyncpg.Record) -> object:
        if row["subject"] not in self._folding or row["payload"] is None:
            return row["id"]
        kind, about = self._folding[row["subject"]]
        return row["subject"], about(kind.FromString(row["payload"]))

    async def _publish(self, row: asyncpg.Record) -> None:
        if row["payload"] is None:
            log.error(
                "event_set_aside", subject=row["subject"], id=row["id"], size=row["size"], largest=self._bus.largest
            )
            return
        await self._bus.publish_raw(row["subject"], row["payload"], row["message_id"], json.loads(row["headers"]))
