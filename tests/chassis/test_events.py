"""Events: published once committed, delivered at least once, and never a reason to stand still."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import nats as nats_client
import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from sqlalchemy import BigInteger, Text, TextClause, bindparam, text

from chassis import outbox
from chassis.bus import ACK_WAIT, Bus, Delivery
from chassis.database import Database
from chassis.errors import InvalidArgument, Unavailable
from chassis.outbox import OutboxRelay
from deploy.local import Nats
from tests.eventually import eventually


class Heard:
    """Collects what was delivered; `until` waits for it."""

    def __init__(self) -> None:
        self.events: list[AnswerSubmitted] = []
        self.attempts: dict[str, list[int]] = defaultdict(list)
        self.failures_left: dict[str, int] = {}
        self.refused: str | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery[AnswerSubmitted]) -> None:
        meeting = delivery.message.meeting_id
        self.attempts[meeting].append(delivery.attempt)
        if meeting == self.refused:
            raise InvalidArgument("it can never be", reason="VALUE_INVALID")
        if self.failures_left.get(meeting):
            self.failures_left[meeting] -= 1
            raise RuntimeError("not yet")
        await self.hear(delivery.message)

    async def hear(self, message: AnswerSubmitted) -> None:
        async with self._changed:
            self.events.append(message)
            self._changed.notify_all()

    async def until(self, ready: Callable[[list[AnswerSubmitted]], bool]) -> None:
        # An event handed to a worker that just gave up comes again after ACK_WAIT.
        async with asyncio.timeout(3 * ACK_WAIT), self._changed:
            await self._changed.wait_for(lambda: ready(self.events))


def durable() -> str:
    return f"test{uuid.uuid4().hex[:8]}"


async def test_an_event_reaches_each_consumer_and_is_not_repeated_after_success(bus: Bus) -> None:
    meeting = uuid.uuid4().hex
    first, second = Heard(), Heard()
    bus.consume(AnswerSubmitted, consumer=durable(), handle=first)
    bus.consume(AnswerSubmitted, consumer=durable(), handle=second)
    await bus.publish(AnswerSubmitted(meeting_id=meeting, revision=1))
    await bus.publish(AnswerSubmitted(meeting_id=meeting, revision=2))
    for heard in (first, second):
        await heard.until(lambda events: sum(e.meeting_id == meeting for e in events) == 2)
        assert sorted(e.revision for e in heard.events if e.meeting_id == meeting) == [1, 2]


async def test_an_event_comes_again_until_its_handler_succeeds(bus: Bus) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    await bus.publish(AnswerSubmitted(meeting_id=meeting))
    heard.failures_left[meeting] = 2
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)
    await heard.until(lambda events: any(e.meeting_id == meeting for e in events))
    assert heard.attempts[meeting] == [1, 2, 3]


async def test_the_same_message_id_is_stored_once(bus: Bus) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    for _ in range(3):
        await bus.publish(AnswerSubmitted(meeting_id=meeting, revision=1), message_id=meeting)
    await bus.publish(AnswerSubmitted(meeting_id=meeting, revision=2))
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)
    await heard.until(lambda events: any(e.revision == 2 and e.meeting_id == meeting for e in events))
    assert [e.revision for e in heard.events if e.meeting_id == meeting] == [1, 2]


async def test_an_unreadable_event_does_not_hold_up_the_next(bus: Bus, nats: Nats) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    await bus.publish(AnswerSubmitted(meeting_id="first"))
    raw = await nats_client.connect(nats.url)
    await raw.jetstream().publish(AnswerSubmitted.DESCRIPTOR.full_name, b"\xff\xff not protobuf")
    await raw.close()
    await bus.publish(AnswerSubmitted(meeting_id=meeting))
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)
    await heard.until(lambda events: any(e.meeting_id == meeting for e in events))


async def test_an_event_that_can_never_succeed_is_given_up(bus: Bus) -> None:
    refused, meeting = uuid.uuid4().hex, uuid.uuid4().hex
    heard = Heard()
    heard.refused = refused
    await bus.publish(AnswerSubmitted(meeting_id=refused))
    await bus.publish(AnswerSubmitted(meeting_id=meeting))
    heard.failures_left[meeting] = 3  # it outlasts what would be the other's retries
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)
    await heard.until(lambda events: any(e.meeting_id == meeting for e in events))
    assert (heard.attempts[refused], heard.attempts[meeting]) == ([1], [1, 2, 3, 4])


async def test_events_that_wait_together_are_handled_together_and_once(bus: Bus) -> None:
    meetings = [f"{uuid.uuid4().hex}" for _ in range(50)]
    for meeting in meetings:
        await bus.publish(AnswerSubmitted(meeting_id=meeting))
    groups: list[list[str]] = []
    heard = Heard()

    async def handle(events: Sequence[AnswerSubmitted]) -> None:
        groups.append([one.meeting_id for one in events])
        for one in events:
            await heard.hear(one)

    bus.consume_together(AnswerSubmitted, consumer=durable(), handle=handle)
    await heard.until(lambda events: {*meetings} <= {one.meeting_id for one in events})
    assert max(len(group) for group in groups) >= 50
    assert sorted(one for group in groups for one in group if one in meetings) == sorted(meetings)
    alone = uuid.uuid4().hex
    await bus.publish(AnswerSubmitted(meeting_id=alone))
    await heard.until(lambda events: events[-1].meeting_id == alone)
    assert groups[-1] == [alone]


async def test_one_event_that_fails_holds_up_none_that_waited_with_it(bus: Bus) -> None:
    meetings = [f"{uuid.uuid4().hex}" for _ in range(20)]
    for meeting in meetings:
        await bus.publish(AnswerSubmitted(meeting_id=meeting))
    heard = Heard()
    failed: list[int] = []

    async def handle(events: Sequence[AnswerSubmitted]) -> None:
        if any(one.meeting_id == meetings[7] for one in events) and len(failed) < 3:
            failed.append(len(events))
            raise RuntimeError("not yet")
        for one in events:
            await heard.hear(one)

    bus.consume_together(AnswerSubmitted, consumer=durable(), handle=handle)
    await heard.until(lambda events: {*meetings} <= {one.meeting_id for one in events})
    assert failed[0] >= 20
    assert failed[1:] == [1, 1], "by itself, until it succeeds"


async def test_a_listener_hears_what_is_published_while_it_listens(bus: Bus) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    bus.listen(AnswerSubmitted, heard.hear)
    async with asyncio.timeout(10):
        while not heard.events:
            await bus.publish(AnswerSubmitted(meeting_id=meeting))
    await heard.until(lambda events: events[0].meeting_id == meeting)


async def test_without_nats_publishing_says_so_and_starting_does_not_wait(unused_address: str) -> None:
    async with Bus(f"nats://{unused_address}") as bus:
        assert not bus.is_connected
        with pytest.raises(Unavailable) as raised:
            await bus.publish(AnswerSubmitted())
    assert raised.value.reason == "BUS_UNAVAILABLE"


async def test_consumers_and_publishers_survive_nats_losing_everything(tmp_path: Path) -> None:
    heard = Heard()
    with Nats(tmp_path / "first", fsync=False) as server:
        async with Bus(server.url) as bus:
            bus.consume(AnswerSubmitted, consumer="survivor", handle=heard)
            await bus.connected()
            await bus.publish(AnswerSubmitted(revision=1))
            await heard.until(lambda events: len(events) == 1)
            raw = await nats_client.connect(server.url)
            await raw.jetstream().delete_stream("CONSENT")
            await raw.close()
            await bus.publish(AnswerSubmitted(revision=2))
            await heard.until(lambda events: len(events) == 2)


async def test_the_outbox_publishes_what_was_committed_in_order_and_nothing_else(bus: Bus, database: Database) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)
    with pytest.raises(ZeroDivisionError):
        await _rolled_back(database, AnswerSubmitted(meeting_id=meeting, revision=99))
    async with database.begin() as connection:
        await outbox.put(connection, *(AnswerSubmitted(meeting_id=meeting, revision=n) for n in range(1, 601)))
    async with OutboxRelay(database, bus):
        await heard.until(lambda events: sum(e.meeting_id == meeting for e in events) == 600)
        async with database.begin() as connection:
            await outbox.put(connection, AnswerSubmitted(meeting_id=meeting, revision=601))
        await heard.until(lambda events: events[-1].revision == 601)
        await eventually(lambda: _is_empty(database))
    assert [e.revision for e in heard.events if e.meeting_id == meeting] == list(range(1, 602))


async def _rolled_back(database: Database, event: AnswerSubmitted) -> None:
    async with database.begin() as connection:
        await outbox.put(connection, event)
        raise ZeroDivisionError


async def _is_empty(database: Database) -> bool:
    async with database.begin() as connection:
        return bool(await connection.scalar(text("SELECT count(*) FROM outbox")) == 0)


async def test_the_outbox_keeps_events_while_nats_is_away_and_sends_them_on_its_return(
    database: Database, tmp_path: Path
) -> None:
    heard = Heard()
    server = Nats(tmp_path, fsync=False)
    server.start()
    async with Bus(server.url) as bus, OutboxRelay(database, bus):
        await bus.connected()
        bus.consume(AnswerSubmitted, consumer="away", handle=heard)
        server.kill()
        async with database.begin() as connection:
            await outbox.put(connection, AnswerSubmitted(revision=7))
        server.start()
        await heard.until(lambda events: [e.revision for e in events] == [7])
    server.stop()


async def test_of_two_relays_the_second_takes_over_when_the_first_ends(bus: Bus, database: Database) -> None:
    meeting = uuid.uuid4().hex
    heard = Heard()
    bus.consume(AnswerSubmitted, consumer=durable(), handle=heard, at_once=1)

    @asynccontextmanager
    async def relays() -> AsyncIterator[OutboxRelay]:
        async with OutboxRelay(database, bus) as first, OutboxRelay(database, bus):
            yield first

    async with relays() as first:
        await first.__aexit__(None, None, None)
        async with database.begin() as connection:
            await outbox.put(connection, AnswerSubmitted(meeting_id=meeting))
        await heard.until(lambda events: any(e.meeting_id == meeting for e in events))


@pytest.mark.parametrize(
    ("kind", "value"), [(Text(), "a\0b"), (Text(), "\ud800"), (BigInteger(), 10**30)], ids=["NUL", "surrogate", "large"]
)
async def test_a_value_that_no_column_can_hold_is_the_callers_fault(
    database: Database, kind: Text | BigInteger, value: object
) -> None:
    query = text("SELECT :value").bindparams(bindparam("value", type_=kind))
    with pytest.raises(InvalidArgument) as raised:
        await _asked(database, query, value)
    assert raised.value.reason == "VALUE_INVALID"


async def _asked(database: Database, query: TextClause, value: object) -> None:
    async with database.begin() as connection:
        await connection.execute(query, {"value": value})


async def test_a_database_that_is_away_is_unavailable(unused_address: str) -> None:
    async with Database(f"postgresql+asyncpg://nobody@{unused_address}/nothing") as database:
        with pytest.raises(Unavailable) as raised:
            await database.begin().__aenter__()
    assert raised.value.reason == "DATABASE_UNAVAILABLE"
