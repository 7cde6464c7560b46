"""Meetings: opened once, reused while they last, and who is let in."""

import asyncio
from datetime import datetime

import pytest
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded, PresenceChanged

from chassis.database import Database
from chassis.errors import NotFound, Unavailable
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.rooms import ConsentPolicy, Room, RoomSettings
from consent_svc.opening import MEETING_LENGTH, Opening
from consent_svc.store.meetings import PostgresMeetings
from tests.consent.cases import (
    ANA,
    BEN,
    HOUR,
    MINUTE,
    NINE,
    OWNER,
    TEN,
    admission,
    joined,
    maker,
    meeting,
    room,
    session,
)
from tests.consent.conftest import Store


class Whereby:
    """Counts what it makes; the first caller waits until as many as expected could have come."""

    def __init__(self) -> None:
        self.made = 0
        self.away = False

    async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
        if self.away:
            raise Unavailable("away", reason="WHEREBY_UNAVAILABLE")
        self.made += 1
        for _ in range(20):  # let whoever races with us come this far too
            await asyncio.sleep(0)
        return meeting(f"m-{self.made}", room, closes_at - MEETING_LENGTH)


class Clock:
    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def whereby() -> Whereby:
    return Whereby()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def opening(store: Store, whereby: Whereby, clock: Clock) -> Opening:
    await store.rooms.add(room())
    return Opening(store.meetings, whereby, clock)


NOBODY = ("", "")


async def test_who_opens_later_gets_the_same_meeting_and_an_id_of_their_own(opening: Opening, whereby: Whereby) -> None:
    first, ana = await opening.open("standup", "", NOBODY)
    second, ben = await opening.open("standup", "", NOBODY)
    assert (first, whereby.made) == (second, 1)
    assert ana != ben


async def test_two_people_at_the_same_instant_get_one_meeting(opening: Opening, whereby: Whereby) -> None:
    opened = await asyncio.gather(*(opening.open("standup", "", NOBODY) for _ in range(12)))
    assert {meeting.meeting_id for meeting, _ in opened} == {"m-1"}
    assert whereby.made == 1
    assert len({participant for _, participant in opened}) == 12


async def test_two_people_at_two_replicas_at_the_same_instant_get_one_meeting(postgres_store: Store) -> None:
    await postgres_store.rooms.add(room())
    whereby = Whereby()
    replicas = [Opening(postgres_store.meetings, whereby, Clock()) for _ in range(8)]
    opened = await asyncio.gather(*(replica.open("standup", "", NOBODY) for replica in replicas))
    assert {meeting.meeting_id for meeting, _ in opened} == {"m-1"}
    assert whereby.made == 1


async def test_a_crowd_at_one_door_leaves_connections_for_others(postgres_store: Store, database: Database) -> None:
    await postgres_store.rooms.add(room())
    asked, answer, at_the_door = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)

    class Slow(Whereby):
        async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
            asked.set()
            await answer.wait()
            return await super().create_meeting(room, closes_at)

    class Door(PostgresMeetings):
        async def active(self, room_name: str, now: datetime) -> Meeting | None:
            found = await super().active(room_name, now)
            at_the_door.release()
            return found

    opening = Opening(Door(database), Slow(), Clock())
    crowd = [asyncio.create_task(opening.open("standup", "", NOBODY)) for _ in range(40)]
    for _ in range(40):
        await at_the_door.acquire()
    await asked.wait()
    async with asyncio.timeout(3):
        assert await postgres_store.meetings.page("standup", OWNER, None, 10) == []
    answer.set()
    assert len({meeting.meeting_id for meeting, _ in await asyncio.gather(*crowd)}) == 1


async def test_a_room_that_is_not_there_opens_nothing(opening: Opening, whereby: Whereby) -> None:
    with pytest.raises(NotFound) as refused:
        await opening.open("nowhere", "", NOBODY)
    assert refused.value.reason == "ROOM_NOT_FOUND"
    assert whereby.made == 0


async def test_whereby_away_leaves_nothing_behind(opening: Opening, whereby: Whereby, store: Store) -> None:
    whereby.away = True
    with pytest.raises(Unavailable) as refused:
        await opening.open("standup", "", NOBODY)
    assert refused.value.reason == "WHEREBY_UNAVAILABLE"
    assert await store.published() == []
    whereby.away = False
    found, _ = await opening.open("standup", "", NOBODY)
    assert found.meeting_id == "m-1"


async def test_an_expired_meeting_is_not_reused(opening: Opening, clock: Clock) -> None:
    first, _ = await opening.open("standup", "", NOBODY)
    clock.now = first.closes_at
    second, _ = await opening.open("standup", "", NOBODY)
    assert second.meeting_id != first.meeting_id


async def test_a_meeting_whose_session_ended_is_not_reused(opening: Opening, store: Store, clock: Clock) -> None:
    await opening.open("standup", "", NOBODY)
    await store.presence.record(session(NINE + MINUTE, started=True))
    await store.presence.record(session(TEN, started=False))
    clock.now = TEN + MINUTE
    second, _ = await opening.open("standup", "", NOBODY)
    assert second.meeting_id == "m-2"


async def test_a_meeting_that_everyone_left_before_a_session_began_goes_on(opening: Opening, clock: Clock) -> None:
    await opening.open("standup", "", NOBODY)
    clock.now = TEN
    second, _ = await opening.open("standup", "", NOBODY)
    assert second.meeting_id == "m-1"


async def test_a_meeting_keeps_the_settings_it_was_opened_with(opening: Opening, store: Store, clock: Clock) -> None:
    await opening.open("standup", "", NOBODY)
    strict = RoomSettings(consent_policy=ConsentPolicy.KEEP_IF_ALL_GRANTED, consent_deadline=HOUR, retention_days=9)
    await store.rooms.change("standup", OWNER, lambda _: strict, TEN)
    assert [one.settings for one in await store.meetings.get("m-1")] == [RoomSettings()]
    clock.now = NINE + 9 * HOUR
    later, _ = await opening.open("standup", "", NOBODY)
    assert later.settings == strict


async def test_a_reload_is_the_same_person(opening: Opening) -> None:
    meeting, ana = await opening.open("standup", "", NOBODY)
    assert await opening.open("standup", "", (meeting.meeting_id, ana)) == (meeting, ana)


@pytest.mark.parametrize("previous", [("m-0", ANA), ("m-1", ANA), ("m-1", ""), ("", ANA)])
async def test_c4_an_id_that_was_not_issued_in_this_meeting_is_not_kept(
    opening: Opening, store: Store, previous: tuple[str, str]
) -> None:
    await opening.open("standup", "", NOBODY)
    await store.presence.record(joined(NINE, who=ANA))  # anyone may claim an externalId at Whereby
    _, participant = await opening.open("standup", "", previous)
    assert participant not in (ANA, "")


async def test_c4_a_token_of_another_meeting_gives_nobodys_place_here(opening: Opening) -> None:
    _, ana = await opening.open("standup", "", NOBODY)
    _, participant = await opening.open("standup", "", ("m-0", ana))
    assert participant != ana


async def test_a_signed_in_user_is_who_they_are(opening: Opening) -> None:
    meeting, anonymous = await opening.open("standup", "", NOBODY)
    assert (await opening.open("standup", BEN, (meeting.meeting_id, anonymous)))[1] == BEN


async def test_a_new_meeting_and_a_new_person_are_told(opening: Opening, store: Store) -> None:
    meeting, ana = await opening.open("standup", "", NOBODY)
    await opening.open("standup", "", (meeting.meeting_id, ana))
    assert await store.published() == [EvidenceRecorded(meeting_id="m-1"), PresenceChanged(meeting_id="m-1")]


async def test_meetings_are_listed_the_newest_first_page_by_page(store: Store) -> None:
    await store.rooms.add(room())
    for n in range(3):
        now = NINE + n * 9 * HOUR
        await store.meetings.open("standup", maker(f"m-{n}", now), now)
    first = await store.meetings.page("standup", OWNER, None, 2)
    assert [one.meeting_id for one in first] == ["m-2", "m-1"]
    rest = await store.meetings.page("standup", OWNER, (first[1].started_at, first[1].meeting_id), 2)
    assert [one.meeting_id for one in rest] == ["m-0"]


async def test_meetings_are_found_in_the_order_asked_for(store: Store) -> None:
    await store.rooms.add(room())
    for n in range(2):
        now = NINE + n * 9 * HOUR
        await store.meetings.open("standup", maker(f"m-{n}", now), now)
    assert [one.meeting_id for one in await store.meetings.get("m-1", "m-0")] == ["m-1", "m-0"]
    with pytest.raises(NotFound) as refused:
        await store.meetings.get("m-0", "m-404")
    assert refused.value.reason == "MEETING_NOT_FOUND"


async def test_someone_opened_twice_is_present_once(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open("standup", maker(), NINE)
    await store.meetings.admit("m-1", admission("x", user_id=ANA), NINE)
    await store.meetings.admit("m-1", admission("y", user_id=ANA), TEN)
    await store.presence.record(joined(TEN, who=ANA))
    assert (await store.answers.counts("m-1")).present == 1
