"""Meetings: opened once, reused while they last, and who is let in."""

import pytest
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded, PresenceChanged

from chassis.errors import NotFound
from consent_svc.domain.rooms import ConsentPolicy, RoomSettings
from consent_svc.opening import Opening
from tests.consent.cases import (
    ANA,
    BEN,
    HOUR,
    MINUTE,
    NINE,
    NOBODY,
    OWNER,
    TEN,
    Clock,
    admission,
    joined,
    meeting,
    room,
    session,
)
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby


async def test_who_opens_later_gets_the_same_meeting_and_an_id_of_their_own(
    opening: Opening, whereby: FakeWhereby
) -> None:
    first, ana = await opening.open("standup", "", NOBODY)
    second, ben = await opening.open("standup", "", NOBODY)
    assert (first, whereby.asked) == (second, 1)
    assert ana != ben


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
        await store.meetings.open(meeting(f"m-{n}", started_at=now), now)
    first = await store.meetings.page("standup", OWNER, None, 2)
    assert [one.meeting_id for one in first] == ["m-2", "m-1"]
    rest = await store.meetings.page("standup", OWNER, (first[1].started_at, first[1].meeting_id), 2)
    assert [one.meeting_id for one in rest] == ["m-0"]


async def test_meetings_are_found_in_the_order_asked_for(store: Store) -> None:
    await store.rooms.add(room())
    for n in range(2):
        now = NINE + n * 9 * HOUR
        await store.meetings.open(meeting(f"m-{n}", started_at=now), now)
    assert [one.meeting_id for one in await store.meetings.get("m-1", "m-0")] == ["m-1", "m-0"]
    with pytest.raises(NotFound) as refused:
        await store.meetings.get("m-0", "m-404")
    assert refused.value.reason == "MEETING_NOT_FOUND"


async def test_someone_opened_twice_is_present_once(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await store.meetings.admit("m-1", admission("x", user_id=ANA), NINE)
    await store.meetings.admit("m-1", admission("y", user_id=ANA), TEN)
    await store.presence.record(joined(TEN, who=ANA))
    assert (await store.standings.counts("m-1")).present == 1
