"""Opening a room at the same instant as others, on other replicas, and while Whereby hangs."""

import asyncio
from datetime import datetime

import pytest
import structlog
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded

from chassis.errors import NotFound, Unavailable
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.verdict import Answer
from consent_svc.opening import Opening
from tests.consent.cases import ANA, NINE, NOBODY, OWNER, Clock, meeting, room, says
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby
from tests.consent.memory import Memory, MemoryMeetings, MemoryRooms
from tests.eventually import eventually


async def crowd_at(opening: Opening, store: Store, whereby: FakeWhereby, people: int) -> list[asyncio.Task[object]]:
    """People who all wait for the one meeting that Whereby is asked for."""
    look, looks = store.meetings.active, asyncio.Semaphore(0)

    async def counted(room_name: str, now: datetime) -> Meeting | None:
        found = await look(room_name, now)
        looks.release()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store.meetings, "active", counted)
        crowd: list[asyncio.Task[object]] = [
            asyncio.create_task(opening.open("standup", "", NOBODY)) for _ in range(people)
        ]
        # Everybody's own look, and the one before Whereby is asked: then all of them wait for its one answer.
        for _ in range(people + 1):
            await looks.acquire()
    await whereby.asked_for(1)
    return crowd


async def test_two_people_at_the_same_instant_get_one_meeting(opening: Opening, whereby: FakeWhereby) -> None:
    opened = await asyncio.gather(*(opening.open("standup", "", NOBODY) for _ in range(12)))
    assert {meeting.meeting_id for meeting, _ in opened} == {"m-1"}
    assert whereby.asked == 1
    assert len({participant for _, participant in opened}) == 12


async def test_who_looked_before_the_meeting_was_kept_makes_no_second_one(
    opening: Opening, store: Store, whereby: FakeWhereby, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looked, go_on = store.meetings.active, asyncio.Event(), asyncio.Event()

    async def look_slowly(room_name: str, now: datetime) -> Meeting | None:
        found = await look(room_name, now)
        if not looked.is_set():
            looked.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(store.meetings, "active", look_slowly)
    slow = asyncio.create_task(opening.open("standup", "", NOBODY))
    await looked.wait()
    first, _ = await opening.open("standup", "", NOBODY)
    go_on.set()
    assert ((await slow)[0], whereby.asked) == (first, 1)


async def test_two_people_at_two_replicas_at_the_same_instant_get_one_meeting(
    store: Store, whereby: FakeWhereby
) -> None:
    await store.rooms.add(room())
    whereby.hang()
    replicas = [Opening(store.rooms, store.meetings, whereby, Clock()) for _ in range(8)]
    crowd = [asyncio.create_task(replica.open("standup", "", NOBODY)) for replica in replicas for _ in range(2)]
    await whereby.asked_for(8)
    whereby.answers.set()
    opened = await asyncio.gather(*crowd)
    [kept] = {meeting.meeting_id for meeting, _ in opened}
    assert [one.meeting_id for one in await store.meetings.page("standup", OWNER, None, 10)] == [kept]
    assert (await store.published()).count(EvidenceRecorded(meeting_id=kept)) == 1
    await whereby.deleted_down_to({kept})


async def test_who_comes_as_another_replica_makes_the_meeting_gets_that_one(store: Store, whereby: FakeWhereby) -> None:
    await store.rooms.add(room())
    opening = Opening(store.rooms, store.meetings, whereby, Clock())
    whereby.hang()
    ours = asyncio.create_task(opening.open("standup", "", NOBODY))
    await whereby.asked_for(1)
    theirs = await store.meetings.open(meeting("theirs"), NINE)
    assert (await opening.open("standup", "", NOBODY))[0] == theirs
    whereby.deletes.clear()
    whereby.answers.set()
    async with asyncio.timeout(1):
        assert (await ours)[0] == theirs
    whereby.deletes.set()
    await whereby.deleted_down_to(set())


async def test_a_meeting_that_whereby_does_not_delete_is_logged(store: Store, whereby: FakeWhereby) -> None:
    await store.rooms.add(room())
    whereby.hang()
    opening = Opening(store.rooms, store.meetings, whereby, Clock())
    ours = asyncio.create_task(opening.open("standup", "", NOBODY))
    await whereby.asked_for(1)
    await store.meetings.open(meeting("theirs"), NINE)
    whereby.keeps_all = True
    with structlog.testing.capture_logs() as logs:
        whereby.answers.set()
        assert (await ours)[0].meeting_id == "theirs"

        async def told() -> bool:
            left = {"event": "meeting_left_at_whereby", "log_level": "warning", "meeting_id": "m-1", "room": "standup"}
            return left in logs

        await eventually(told)


@pytest.mark.parametrize("heir", [None, "somebody else"])
async def test_a_room_deleted_while_whereby_is_asked_gets_no_meeting(
    store: Store, whereby: FakeWhereby, heir: str | None
) -> None:
    await store.rooms.add(room())
    whereby.hang()
    opening = Opening(store.rooms, store.meetings, whereby, Clock())
    ours = asyncio.create_task(opening.open("standup", "", NOBODY))
    await whereby.asked_for(1)
    await store.rooms.remove("standup", OWNER, NINE)
    if heir:
        await store.rooms.add(room(owner=heir))
    whereby.answers.set()
    with pytest.raises(NotFound) as refused:
        await ours
    assert refused.value.reason == "ROOM_NOT_FOUND"
    assert await store.meetings.active("standup", NINE) is None
    await whereby.deleted_down_to(set())


async def test_while_whereby_hangs_only_those_wait_who_need_it(store: Store, whereby: FakeWhereby) -> None:
    opening = Opening(store.rooms, store.meetings, whereby, Clock())
    await store.rooms.add(room())
    await opening.open("standup", "", NOBODY)
    whereby.hang()
    rooms = [f"room-{n}" for n in range(20)]  # twice the connections that there are
    for name in rooms:
        await store.rooms.add(room(name))
    crowd = [asyncio.create_task(opening.open(name, "", NOBODY)) for name in rooms * 2]
    await whereby.asked_for(1 + len(rooms))
    async with asyncio.timeout(1):
        await store.answers.submit(says(ANA, Answer.GRANTED, "r-1"), NINE)
        assert len(await store.standings.standings(["m-1"])) == 1
        assert (await opening.open("standup", "", NOBODY))[0].meeting_id == "m-1"
    whereby.answers.set()
    assert len({meeting.meeting_id for meeting, _ in await asyncio.gather(*crowd)}) == len(rooms)


async def test_c1_who_waits_for_one_room_shares_one_call_and_its_failure(
    opening: Opening, store: Store, whereby: FakeWhereby
) -> None:
    whereby.hang()
    crowd = await crowd_at(opening, store, whereby, 6)
    whereby.away = True
    whereby.answers.set()
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(one) for one in ended] == [Unavailable] * 6
    assert whereby.asked == 1


async def test_who_gives_up_waiting_takes_nothing_from_the_others(
    opening: Opening, store: Store, whereby: FakeWhereby
) -> None:
    whereby.hang()
    impatient, patient = await crowd_at(opening, store, whereby, 2)
    impatient.cancel()
    await asyncio.wait([impatient])
    whereby.answers.set()
    await patient
    assert (whereby.asked, whereby.standing) == (1, {"m-1"})


async def test_whereby_away_leaves_nothing_behind(opening: Opening, whereby: FakeWhereby, store: Store) -> None:
    whereby.away = True
    with pytest.raises(Unavailable) as refused:
        await opening.open("standup", "", NOBODY)
    assert refused.value.reason == "WHEREBY_UNAVAILABLE"
    assert await store.published() == []
    whereby.away = False
    found, _ = await opening.open("standup", "", NOBODY)
    assert whereby.standing == {found.meeting_id}


async def test_a_meeting_that_may_have_been_kept_goes_on_at_whereby(whereby: FakeWhereby) -> None:
    class Lost(MemoryMeetings):
        async def open(self, meeting: Meeting, now: datetime) -> Meeting:
            await super().open(meeting, now)
            raise Unavailable("the connection broke before it said so", reason="DATABASE_UNAVAILABLE")

    memory = Memory()
    rooms = MemoryRooms(memory)
    await rooms.add(room())
    opening = Opening(rooms, Lost(memory), whereby, Clock())
    with pytest.raises(Unavailable):
        await opening.open("standup", "", NOBODY)
    found, _ = await opening.open("standup", "", NOBODY)
    assert whereby.standing == {found.meeting_id}


async def test_a_room_that_is_not_there_opens_nothing(opening: Opening, whereby: FakeWhereby) -> None:
    with pytest.raises(NotFound) as refused:
        await opening.open("nowhere", "", NOBODY)
    assert refused.value.reason == "ROOM_NOT_FOUND"
    assert whereby.asked == 0
