"""Open meetings are held against Whereby's own account of them, for the webhooks that never came."""

import asyncio
from datetime import datetime, timedelta

import pytest
import structlog

from chassis.errors import Unavailable
from consent_svc import insights
from consent_svc.domain.presence import PresenceEvent
from consent_svc.insights import AT_ONCE, BATCH, MOST_BATCHES, PATIENCE, Insights
from tests.consent.cases import (
    MINUTE,
    NINE,
    OWNER,
    SECOND,
    TEN,
    Clock,
    meeting,
    session,
)  # fmt: skip
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby
from tests.consent.open_meetings import ENDED, is_active, opened, replica
from tests.eventually import eventually

# Who is asked about, and by whom


async def test_only_meetings_that_may_go_on_are_asked_about(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "ended", "deleted", "going-on")
    await store.presence.record(session(NINE, started=True, meeting_id="ended"))
    await store.presence.record(session(TEN, started=False, meeting_id="ended"))
    await store.rooms.remove("deleted", OWNER, TEN)
    clock.now = TEN
    await asking.reconcile()
    clock.now = meeting().closes_at
    await asking.reconcile()
    assert whereby.looked_at == ["going-on"]


async def test_of_several_replicas_one_asks_about_each_meeting(
    postgres_store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    meetings = [f"m-{n:03}" for n in range(2 * BATCH)]
    await opened(postgres_store, *meetings)
    replicas = [replica(postgres_store, whereby, clock) for _ in range(5)]
    for rounds in (1, 2):
        await asyncio.gather(*(one.reconcile() for one in replicas))
        assert sorted(whereby.looked_at) == sorted(meetings * rounds)
        clock.now += MINUTE


async def test_a_meeting_is_asked_about_once_in_its_time(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1")
    looks = []
    for seconds in (0, 1, 44, 59, 60, 100, 119):
        clock.now = NINE + seconds * SECOND
        await asking.reconcile()
        looks.append(len(whereby.looked_at))
    # A round that begins a bit early counts: else the meeting would wait for another whole one.
    assert looks == [1, 1, 1, 2, 2, 2, 3]


async def test_who_waited_longest_is_asked_about_first(store: Store) -> None:
    await opened(store, "m-1", "m-2", "m-3")
    claimed = []
    for minute in range(4):
        now = NINE + minute * MINUTE
        claimed += [one.meeting_id for one in await store.meetings.claim(now, now - SECOND, 1)]
    assert claimed == ["m-1", "m-2", "m-3", "m-1"]


# Whereby away, slow, garbled or short of points


async def test_whereby_away_costs_a_few_calls_a_warning_and_the_next_round(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, *(f"m-{n}" for n in range(3 * PATIENCE)))
    whereby.away = True
    with structlog.testing.capture_logs() as logs:
        await asking.reconcile()
    assert len(whereby.looked_at) <= PATIENCE + AT_ONCE
    assert [(line["event"], line["log_level"]) for line in logs] == [("insights_postponed", "warning")]
    whereby.away, whereby.sessions = False, {f"m-{n}": [ENDED] for n in range(3 * PATIENCE)}
    clock.now = TEN
    await asking.reconcile()
    assert not [n for n in range(3 * PATIENCE) if await is_active(store, TEN, f"m-{n}")]


async def test_meetings_that_cannot_be_read_keep_no_other_waiting(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    meetings = [f"m-{n}" for n in range(10)]
    await opened(store, *meetings)
    whereby.garbled, whereby.sessions = set(meetings[::2]), {meeting_id: [ENDED] for meeting_id in meetings}
    clock.now = TEN
    await asking.reconcile()
    assert len(whereby.garbled) > PATIENCE
    assert [one for one in meetings if await is_active(store, TEN, one)] == meetings[::2]


async def test_a_meeting_that_cannot_be_kept_keeps_no_other_waiting(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(store, "m-1", "m-2", "m-3")
    whereby.sessions = {f"m-{n}": [ENDED] for n in (1, 2, 3)}
    record, clock.now = store.presence.record, TEN

    async def broken(*events: PresenceEvent) -> bool:
        if events[0].meeting_id == "m-1":
            raise Unavailable("no connection", reason="DATABASE_UNAVAILABLE")
        if events[0].meeting_id == "m-2":
            raise ZeroDivisionError
        return await record(*events)

    monkeypatch.setattr(store.presence, "record", broken)
    with structlog.testing.capture_logs() as logs:
        await asking.reconcile()
    levels = {line["meeting_id"]: line["log_level"] for line in logs if line["event"] == "sessions_not_recorded"}
    assert levels == {"m-1": "warning", "m-2": "error"}
    assert not await is_active(store, TEN, "m-3")


async def test_a_slow_whereby_is_asked_a_few_things_at_once(
    asking: Insights, store: Store, whereby: FakeWhereby
) -> None:
    await opened(store, *(f"m-{n}" for n in range(3 * AT_ONCE)))
    whereby.hang()
    round_ = asyncio.create_task(asking.reconcile())
    await whereby.looked_for(AT_ONCE)
    whereby.answers.set()
    await round_
    assert (whereby.most_looking, len(whereby.looked_at)) == (AT_ONCE, 3 * AT_ONCE)


async def test_points_that_opening_a_room_may_need_are_left_alone(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1")
    whereby.has_points_to_spare = False
    await asking.reconcile()
    assert whereby.looked_at == []
    whereby.has_points_to_spare = True
    await asking.reconcile()
    assert whereby.looked_at == ["m-1"]


async def test_a_round_is_bounded(
    memory_store: Store, whereby: FakeWhereby, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insights, "BATCH", 2)
    await opened(memory_store, *(f"m-{n}" for n in range(3 * MOST_BATCHES)))
    await replica(memory_store, whereby, clock).reconcile()
    assert len(set(whereby.looked_at)) == 2 * MOST_BATCHES


# The loop


async def test_rounds_follow_each_other_until_it_is_left(
    memory_store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(memory_store, "m-1")
    async with replica(memory_store, whereby, clock, every=timedelta(milliseconds=10)):
        await whereby.looked_for(1)
        clock.now += MINUTE
        await whereby.looked_for(2)
        whereby.hang()
        clock.now += MINUTE
        await whereby.looked_for(3)
    clock.now += MINUTE
    whereby.answers.set()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await whereby.looked_for(4)


@pytest.mark.parametrize("fault", [Unavailable("no connection", reason="DATABASE_UNAVAILABLE"), ZeroDivisionError()])
async def test_a_round_that_fails_is_not_the_last(
    memory_store: Store, whereby: FakeWhereby, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    await opened(memory_store, "m-1")
    claim, faults = memory_store.meetings.claim, iter([fault])

    async def broken(now: datetime, asked_before: datetime, limit: int) -> object:
        for one in faults:
            raise one
        return await claim(now, asked_before, limit)

    monkeypatch.setattr(memory_store.meetings, "claim", broken)
    with structlog.testing.capture_logs() as logs:
        async with replica(memory_store, whereby, clock, every=timedelta(milliseconds=10)):
            await whereby.looked_for(1)
    assert [line["event"] for line in logs] == ["insights_interrupted"]


async def test_a_meeting_closed_by_the_loop_is_seen_by_whoever_looks(
    store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1")
    clock.now, whereby.sessions = TEN, {"m-1": [ENDED]}
    async with replica(store, whereby, clock):

        async def closed() -> bool:
            return not await is_active(store, TEN)

        await eventually(closed)
