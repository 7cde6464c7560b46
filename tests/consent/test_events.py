"""Webhooks come in over NATS and what came of them goes out, over real JetStream and Postgres."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
import structlog
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.meeting.v1.meeting_events_pb2 import (
    Client,
    ClientJoined,
    ClientLeft,
    EvidenceRecorded,
    PresenceChanged,
    RecordingFinished,
    SessionEnded,
    SessionStarted,
)

from chassis.bus import Bus, Delivery
from chassis.database import Database
from chassis.outbox import OutboxRelay
from consent_svc.__main__ import utc_now
from consent_svc.domain.presence import ClientEvent, Evidence, FinishedEvent, SessionEvent
from consent_svc.domain.verdict import Answer
from consent_svc.events import WebhookEvents, to_domain
from consent_svc.servicer.messages import timestamp
from deploy.local import Nats
from tests.consent.cases import ANA, MINUTE, NINE, TEN, WHEREBY_ROOM, joined, left, meeting, room, says, session
from tests.consent.conftest import Store
from tests.eventually import eventually


def joining(at: datetime, who: str = ANA) -> ClientJoined:
    return ClientJoined(
        webhook_id="w-1",
        meeting_id="m-1",
        whereby_room_name=WHEREBY_ROOM,
        room_session_id="s-1",
        client=Client(client_id="c-1", external_id=who, role_name="visitor"),
        num_clients=1,
        occurred_at=timestamp(at),
    )


def leaving(at: datetime) -> ClientLeft:
    return ClientLeft(
        meeting_id="m-1",
        whereby_room_name=WHEREBY_ROOM,
        room_session_id="s-1",
        client=Client(client_id="c-1", external_id=ANA, role_name="visitor"),
        occurred_at=timestamp(at),
    )


def test_webhooks_are_read_as_they_are() -> None:
    assert to_domain(joining(NINE)) == joined(NINE, session="s-1")
    assert to_domain(leaving(TEN)) == left(TEN, session="s-1")
    about = {"meeting_id": "m-1", "whereby_room_name": WHEREBY_ROOM, "room_session_id": "s-1"}
    assert to_domain(SessionStarted(**about, occurred_at=timestamp(NINE))) == session(NINE, started=True)
    assert to_domain(SessionEnded(**about, occurred_at=timestamp(TEN))) == session(TEN, started=False)
    finished = RecordingFinished(meeting_id="m-1", whereby_room_name=WHEREBY_ROOM[1:], filename="a/folder/x.mp4")
    assert to_domain(finished) == FinishedEvent("m-1", WHEREBY_ROOM, "x.mp4")


@pytest.fixture
async def bus(nats: Nats) -> AsyncIterator[Bus]:
    async with Bus(nats.url) as bus:
        await bus.connected()
        yield bus


async def seen(store: Store) -> Evidence | None:
    found = await store.presence.evidence(WHEREBY_ROOM, "x.mp4")
    return found[0] if found else None


async def test_webhooks_become_presence_and_their_news_go_out(
    bus: Bus, database: Database, postgres_store: Store
) -> None:
    told: list[str] = []

    async def hear(message: PresenceChanged | EvidenceRecorded | AnswerSubmitted) -> None:
        told.append(message.DESCRIPTOR.name)

    bus.listen(PresenceChanged, hear)
    bus.listen(EvidenceRecorded, hear)
    bus.listen(AnswerSubmitted, hear)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(OutboxRelay(database, bus))
        WebhookEvents(bus, postgres_store.presence, utc_now).subscribe()
        for message in (leaving(TEN), joining(NINE), joining(NINE)):
            await bus.publish(message)
        about = {"meeting_id": "m-1", "whereby_room_name": WHEREBY_ROOM}
        await bus.publish(SessionStarted(**about, room_session_id="s-1", occurred_at=timestamp(NINE - MINUTE)))
        await bus.publish(SessionEnded(**about, room_session_id="s-1", occurred_at=timestamp(TEN)))
        await bus.publish(RecordingFinished(**about, filename="x.mp4", occurred_at=timestamp(TEN)))

        async def everything() -> bool:
            evidence = await seen(postgres_store)
            return bool(
                evidence
                and evidence.finished_files
                and evidence.attendance.session_ended_at == TEN
                and evidence.attendance.last_started_at == NINE
                and [(one.joined_at, one.left_at, one.is_present) for one in evidence.clients] == [(NINE, TEN, False)]
                and evidence.sessions[0].started_at == NINE - MINUTE
            )

        await eventually(everything)
        await postgres_store.rooms.add(room())
        await postgres_store.meetings.open(meeting(), NINE)
        await postgres_store.answers.submit(says(ANA, Answer.DENIED, "r-1"), NINE)

        async def all_told() -> bool:
            return set(told) == {"PresenceChanged", "EvidenceRecorded", "AnswerSubmitted"}

        await eventually(all_told)

        async def nothing_waits() -> bool:
            return await postgres_store.published() == []

        await eventually(nothing_waits)


async def test_a_webhook_that_says_too_little_is_logged_and_left(memory_store: Store) -> None:
    events = WebhookEvents(Bus("nats://nowhere"), memory_store.presence, utc_now)
    timeless = ClientJoined(webhook_id="w-1", meeting_id="m-1", client=Client(client_id="c-1"))
    nowhere = SessionEnded(webhook_id="w-2", room_session_id="s-1", occurred_at=timestamp(TEN))
    with structlog.testing.capture_logs() as logs:
        await events.take(Delivery(timeless, 1))
        await events.take(Delivery(nowhere, 1))
    assert [(line["event"], line["webhook_id"]) for line in logs] == [
        ("webhook_incomplete", "w-1"), ("webhook_incomplete", "w-2"),
    ]  # fmt: skip
    assert await memory_store.published() == []


async def test_a_webhook_from_far_ahead_is_logged_and_left(memory_store: Store) -> None:
    events = WebhookEvents(Bus("nats://nowhere"), memory_store.presence, lambda: NINE)
    ended = SessionEnded(webhook_id="w-1", meeting_id="m-1", room_session_id="s-1")
    ended.occurred_at.CopyFrom(timestamp(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
    with structlog.testing.capture_logs() as logs:
        await events.take(Delivery(ended, 1))
    assert [line["event"] for line in logs] == ["webhook_from_the_future"]
    assert await memory_store.published() == []


def test_no_name_passes_from_a_webhook_into_the_domain() -> None:
    fields = set(ClientEvent.__dataclass_fields__) | set(SessionEvent.__dataclass_fields__)
    assert not {name for name in fields if "display" in name or "metadata" in name}
