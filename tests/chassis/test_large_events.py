"""An event that is larger than the bus takes holds up no other."""

import uuid
from typing import Any

import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis import outbox
from chassis.bus import Bus, Delivery
from chassis.database import Database
from chassis.outbox import Folding, OutboxRelay
from tests.eventually import eventually

KIND = AnswerSubmitted.DESCRIPTOR.full_name
# What a NATS server takes in one message, headers and all, unless it is told otherwise.
MOST = 2**20
TRACE = {"traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"}

# As `outbox.put` would, without carrying them all here.
PUT = """
    INSERT INTO outbox (subject, message_id, payload, headers)
    SELECT :subject, gen_random_uuid()::text, convert_to(repeat('y', :size), 'UTF8'), '{}'
    FROM generate_series(1, :count)
"""


class Published:
    """How large the events were that went out: one by one, those of one meeting."""

    def __init__(self, bus: Bus) -> None:
        self.sizes: list[int] = []
        self.revision = uuid.uuid4().int % 2**60
        bus.consume(AnswerSubmitted, consumer=f"test{uuid.uuid4().hex[:8]}", handle=self._hear)

    async def _hear(self, delivery: Delivery[AnswerSubmitted]) -> None:
        if delivery.message.revision == self.revision:
            self.sizes.append(delivery.message.ByteSize())

    def event(self, size: int) -> AnswerSubmitted:
        """One of ours, of exactly that many bytes."""
        event = AnswerSubmitted(revision=self.revision, meeting_id="y" * size)
        event.meeting_id = "y" * (2 * size - event.ByteSize())
        assert event.ByteSize() == size
        return event


@pytest.fixture
async def published(bus: Bus) -> Published:
    return Published(bus)


async def commit(database: Database, *events: AnswerSubmitted) -> None:
    values = outbox.values_of([(event, TRACE) for event in events])
    async with database.begin() as connection:
        await connection.exec_driver_sql(outbox.putting(1), values)


async def relayed(database: Database, bus: Bus, folding: Folding | None = None) -> list[Any]:
    """What was logged until nothing was left to publish."""

    async def nothing_left() -> bool:
        async with database.begin() as connection:
            return not await connection.scalar(text("SELECT count(*) FROM outbox"))

    with capture_logs() as logs:
        async with OutboxRelay(database, bus, folding):
            await eventually(nothing_left)
    return logs


@pytest.mark.parametrize("folding", [None, {AnswerSubmitted: lambda event: event.meeting_id}], ids=["", "folding"])
async def test_an_event_too_large_for_the_bus_is_set_aside_and_told_and_the_others_go_out(
    bus: Bus, database: Database, published: Published, folding: Folding | None
) -> None:
    await commit(database, published.event(100), published.event(MOST + 1), published.event(200))
    (line,) = await relayed(database, bus, folding)
    assert (line["event"], line["log_level"], line["subject"]) == ("event_set_aside", "error", KIND)
    assert line["id"] == 2
    assert MOST < line["size"] < MOST + 1000

    async def both() -> bool:
        return sorted(published.sizes) == [100, 200]

    assert await eventually(both)


async def test_an_event_that_its_headers_make_too_large_is_set_aside_and_the_largest_goes_out(
    bus: Bus, database: Database, published: Published
) -> None:
    await commit(database, published.event(MOST), published.event(MOST - 50), published.event(MOST - 256))
    logs = await relayed(database, bus)
    assert [(line["event"], line["id"]) for line in logs] == [("event_set_aside", 1), ("event_set_aside", 2)]

    async def the_largest() -> bool:
        return published.sizes == [MOST - 256]

    assert await eventually(the_largest)


async def test_any_number_of_events_too_large_holds_up_no_other(
    bus: Bus, database: Database, published: Published
) -> None:
    async with database.begin() as connection:
        await connection.execute(text(PUT), {"subject": KIND, "size": MOST, "count": 501})
    await commit(database, published.event(100))
    assert len(await relayed(database, bus)) == 501

    async def the_other() -> bool:
        return published.sizes == [100]

    assert await eventually(the_other)
