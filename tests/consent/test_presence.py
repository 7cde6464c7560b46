"""Presence: the same whatever the order, the repetition and the loss of webhooks."""

import asyncio
import random
from collections.abc import Iterable
from datetime import timedelta

import pytest
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded, PresenceChanged
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_svc.domain.presence import (
    Attendance,
    AttendanceEvent,
    Client,
    ClientEvent,
    EmptiedEvent,
    Evidence,
    FinishedEvent,
    PresenceEvent,
    Session,
    attendance_of,
    session_of,
)
from tests.consent.cases import (
    ANA,
    BEN,
    HOUR,
    MINUTE,
    NINE,
    SECOND,
    TEN,
    WHEREBY_ROOM,
    joined,
    left,
    meeting,
    room,
    session,
)  # fmt: skip
from tests.consent.conftest import Store

STORY: list[PresenceEvent] = [
    joined(NINE, "c-1", ANA, 1),
    joined(NINE + MINUTE, "c-2", BEN, 2, session="s-1"),
    session(NINE + 30 * SECOND, started=True),
    joined(NINE + MINUTE, "c-3", "", 3, session="s-1", role="recorder"),
    left(NINE + 40 * MINUTE, "c-1", ANA, 2, session="s-1"),
    left(TEN, "c-2", BEN, 1, session="s-1"),
    left(TEN, "c-3", "", 0, session="s-1", role="recorder"),
    session(TEN, started=False),
    FinishedEvent("m-1", WHEREBY_ROOM, "standup.mp4"),
]


async def record(store: Store, *events: PresenceEvent) -> None:
    for event in events:
        await store.presence.record(event)


async def seen(store: Store) -> Evidence:
    [evidence] = await store.presence.evidence(WHEREBY_ROOM, "standup.mp4")
    return evidence


def clients(evidence: Evidence) -> dict[str, Client]:
    return {client.client_id: client for client in evidence.clients}


times = st.integers(0, 4).map(lambda seconds: NINE + timedelta(seconds=seconds))
client_events = st.builds(
    lambda at, client, who, count, is_joined, role, name, dial_in: (joined if is_joined else left)(
        at, client, who, count, role=role, session=name, dial_in=dial_in
    ),
    times, st.sampled_from(["c-1", "c-2"]), st.sampled_from(["", ANA, BEN]), st.integers(0, 4), st.booleans(),
    st.sampled_from(["visitor", "host", "recorder"]), st.sampled_from(["", "s-1", "s-2"]), st.booleans(),
)  # fmt: skip
session_events = st.builds(
    lambda at, begun, name: session(at, started=begun, name=name), times, st.booleans(), st.sampled_from(["s-1", "s-2"])
)
events = st.one_of(client_events, session_events, st.builds(EmptiedEvent, st.just("m-1"), st.just(WHEREBY_ROOM), times))


def merged(order: Iterable[AttendanceEvent]) -> tuple[dict[str, Client], dict[str, Session], Attendance]:
    """What a store makes of these, one after the other."""
    clients: dict[str, Client] = {}
    sessions: dict[str, Session] = {}
    attendance = Attendance()
    for event in order:
        attendance = attendance.merged(attendance_of(event))
        if told := session_of(event):
            sessions[told.session_id] = sessions.get(told.session_id, told).merged(told)
        if isinstance(event, ClientEvent):
            client = Client.of(event)
            clients[client.client_id] = clients.get(client.client_id, client).merged(client)
    return clients, sessions, attendance


@settings(max_examples=400)
@given(st.lists(events, min_size=1, max_size=10), st.randoms())
def test_any_order_and_any_repetition_come_to_the_same(told: list[AttendanceEvent], chance: random.Random) -> None:
    shuffled = told + chance.choices(told, k=len(told))
    chance.shuffle(shuffled)
    assert merged(shuffled) == merged(told)


@given(st.lists(client_events, max_size=10))
def test_a_newer_count_of_zero_or_a_sessions_end_means_that_nobody_is_there(told: list[ClientEvent]) -> None:
    after = NINE + MINUTE
    for last in (left(after, "c-9", count=0), session(after, started=False)):
        _, _, attendance = merged([last, *told])
        assert (attendance.num_clients, attendance.empty_since) == (0, after)


async def test_a_meeting_told_in_order(store: Store) -> None:
    await record(store, *STORY)
    evidence = await seen(store)
    ana = clients(evidence)["c-1"]
    assert (ana.participant_id, ana.joined_at, ana.left_at, ana.is_present) == (ANA, NINE, NINE + 40 * MINUTE, False)
    assert evidence.sessions == (Session("s-1", NINE + 30 * SECOND, TEN),)
    assert evidence.attendance.session_ended_at == TEN
    assert evidence.finished_files == {"standup.mp4"}


async def test_a_meeting_told_backwards_and_twice_is_the_same(store: Store, memory_store: Store) -> None:
    await record(memory_store, *STORY)
    await record(store, *reversed(STORY), *STORY)
    told, expected = await seen(store), await seen(memory_store)
    assert clients(told) == clients(expected)
    assert (told.sessions, told.attendance) == (expected.sessions, expected.attendance)


async def test_events_of_one_meeting_at_the_same_instant_are_all_kept(postgres_store: Store) -> None:
    people = [joined(NINE + n * SECOND, f"c-{n}", f"person-{n}", n + 1, session="s-1") for n in range(20)]
    await asyncio.gather(*(postgres_store.presence.record(event) for event in people * 2))
    evidence = await seen(postgres_store)
    assert len(evidence.clients) == 20
    assert (evidence.attendance.num_clients, evidence.sessions[0].started_at) == (20, NINE)


async def test_a_repeated_event_is_no_news(store: Store) -> None:
    for event in STORY:
        assert await store.presence.record(event) is True
    told = await store.published()
    for event in STORY:
        assert await store.presence.record(event) is False
    assert await store.published() == told
    assert told[:2] == [PresenceChanged(meeting_id="m-1"), EvidenceRecorded(meeting_id="m-1")]
    assert told[-1] == EvidenceRecorded(meeting_id="m-1")


async def test_the_newest_count_holds_whatever_came_last(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await record(store, joined(NINE + 2 * MINUTE, "c-2", BEN, 2), joined(NINE, "c-1", ANA, 1))
    [found] = await store.meetings.get("m-1")
    assert found.attendance.num_clients == 2


async def test_a_count_of_zero_ends_stays_whose_leaving_was_lost(store: Store) -> None:
    await record(store, joined(NINE, "c-1", ANA, 1), joined(NINE + MINUTE, "c-2", BEN, 2), left(TEN, "c-2", BEN, 0))
    evidence = await seen(store)
    assert clients(evidence)["c-1"].is_present
    assert evidence.attendance.empty_since == TEN


async def test_who_joined_is_there_even_where_the_count_says_nobody(store: Store) -> None:
    await record(store, joined(NINE, "c-1", ANA, 0))
    attendance = (await seen(store)).attendance
    assert (attendance.num_clients, attendance.empty_since) == (1, None)


async def test_events_of_one_meeting_are_taken_in_together(store: Store) -> None:
    presence = [event for event in STORY if not isinstance(event, FinishedEvent)]
    assert await store.presence.record(*presence) is True
    assert await store.published() == [PresenceChanged(meeting_id="m-1"), EvidenceRecorded(meeting_id="m-1")]
    assert await store.presence.record(*reversed(presence)) is False
    assert await store.presence.record(*STORY) is True
    assert (await store.published())[2:] == [EvidenceRecorded(meeting_id="m-1")]
    assert await store.presence.record() is False


async def test_an_external_id_that_is_none_of_ours_is_not_kept(store: Store) -> None:
    await record(store, joined(NINE, "c-1", "José Müller, Lisboa", 1))
    assert clients(await seen(store))["c-1"].participant_id == ""


async def test_evidence_of_a_meeting_that_is_not_known_yet_waits_for_it(store: Store) -> None:
    await record(store, *STORY)
    assert not (await seen(store)).is_known
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    evidence = await seen(store)
    assert (evidence.is_known, evidence.owner_id, len(evidence.clients)) == (True, room().owner_id, 3)
    [found] = await store.meetings.get("m-1")
    assert (found.ended_at(TEN + HOUR), found.attendance.num_clients) == (TEN, 0)


@pytest.mark.parametrize("first", [0, 1])
async def test_a_session_that_begins_again_makes_the_meeting_active(store: Store, first: int) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    events: list[PresenceEvent] = [session(TEN, started=False), joined(TEN + MINUTE, "c-9", ANA, 1, session="s-2")]
    await record(store, events[first], events[1 - first])
    [found] = await store.meetings.get("m-1")
    assert found.is_active(TEN + 2 * MINUTE)


async def test_a_recorder_that_lingers_does_not_keep_a_meeting_open(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await record(store, session(NINE, started=True), session(TEN, started=False))
    await record(store, joined(TEN + SECOND, "c-9", "", 1, role="recorder"))
    [found] = await store.meetings.get("m-1")
    assert not found.is_active(TEN + MINUTE)
