"""Rooms: names, owners, pages, and what their deletion leaves."""

import asyncio
from dataclasses import replace

import pytest
from assent.meeting.v1.meeting_events_pb2 import PresenceChanged
from sqlalchemy import text

from chassis.database import Database
from chassis.errors import AlreadyExists, NotFound
from consent_svc.domain.rooms import RESERVED_NAMES, RoomMode, RoomSettings, fault_of_name, fault_of_settings
from tests.consent.cases import HOUR, NINE, OWNER, TEN, meeting, room
from tests.consent.conftest import Store
from tests.eventually import eventually


@pytest.mark.parametrize("name", ["a", "standup", "team-9", "9", "-", "a" * 64])
def test_a_name_is_1_to_64_of_a_to_z_digits_and_hyphens(name: str) -> None:
    assert fault_of_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "Standup", "stand up", "stand/up", "zürich", "a\n", "a_b", "openapi.json"]
)
def test_other_names_are_refused(name: str) -> None:
    assert fault_of_name(name) is not None


@pytest.mark.parametrize("name", sorted({"v1", "docs", "meetings", "transcripts", "consent"} | RESERVED_NAMES))
def test_paths_of_ours_are_refused_as_names(name: str) -> None:
    assert "path of Assent" in (fault_of_name(name) or "")


def test_settings_must_be_possible() -> None:
    assert fault_of_settings(RoomSettings()) is None
    for wrong in (
        RoomSettings(consent_deadline=0 * HOUR), RoomSettings(consent_deadline=366 * 24 * HOUR),
        RoomSettings(retention_days=0), RoomSettings(retention_days=-1),
    ):  # fmt: skip
        assert fault_of_settings(wrong) is not None


async def test_a_room_is_kept_as_it_was_made(store: Store) -> None:
    made = room(
        settings=RoomSettings(is_locked=True, mode=RoomMode.GROUP, consent_deadline=3 * HOUR, retention_days=30)
    )
    await store.rooms.add(made)
    assert await store.rooms.get("standup") == made


async def test_a_name_is_taken_whoever_owns_it(store: Store) -> None:
    await store.rooms.add(room())
    with pytest.raises(AlreadyExists) as refused:
        await store.rooms.add(room(owner="somebody else"))
    assert refused.value.reason == "ROOM_EXISTS"


async def test_an_owner_sees_only_rooms_of_their_own_page_by_page(store: Store) -> None:
    for name in ("delta", "alpha", "charlie"):
        await store.rooms.add(room(name))
    await store.rooms.add(room("bravo", owner="somebody else"))
    assert [one.name for one in await store.rooms.page(OWNER, "", 2)] == ["alpha", "charlie"]
    assert [one.name for one in await store.rooms.page(OWNER, "charlie", 2)] == ["delta"]


async def test_only_the_owner_changes_or_removes_a_room(store: Store) -> None:
    await store.rooms.add(room())
    with pytest.raises(NotFound) as refused:
        await store.rooms.change("standup", "somebody else", lambda settings: settings, TEN)
    assert refused.value.reason == "ROOM_NOT_FOUND"
    with pytest.raises(NotFound):
        await store.rooms.remove("standup", "somebody else", TEN)
    assert await store.rooms.get("standup") == room()


async def test_changes_at_the_same_instant_are_both_kept(store: Store) -> None:
    await store.rooms.add(room())
    await asyncio.gather(
        store.rooms.change("standup", OWNER, lambda settings: replace(settings, is_locked=True), TEN),
        store.rooms.change("standup", OWNER, lambda settings: replace(settings, retention_days=7), TEN),
    )
    found = await store.rooms.get("standup")
    assert (found.settings.is_locked, found.settings.retention_days, found.updated_at) == (True, 7, TEN)


async def test_a_removed_room_ends_its_open_meeting_which_stays(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await store.rooms.remove("standup", OWNER, TEN)
    with pytest.raises(NotFound):
        await store.rooms.get("standup")
    [found] = await store.meetings.get("m-1")
    assert (found.is_active(TEN), found.ended_at(TEN)) == (False, TEN)
    assert PresenceChanged(meeting_id="m-1") in await store.published()


async def test_a_name_used_again_does_not_lead_into_the_old_meeting(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await store.rooms.remove("standup", OWNER, TEN)
    await store.rooms.add(room(owner="somebody else"))
    assert await store.meetings.active("standup", TEN) is None
    assert await store.meetings.page("standup", "somebody else", None, 10) == []


async def test_c1_answers_and_a_rooms_deletion_wait_for_each_other_in_one_order(
    postgres_store: Store, database: Database
) -> None:
    await postgres_store.rooms.add(room())
    for n, name in enumerate(("m-2", "m-1")):  # so that the table's own order is the wrong one
        await postgres_store.meetings.open(meeting(name, started_at=NINE + n * 9 * HOUR), NINE + n * 9 * HOUR)
    lock = text("SELECT 1 FROM meetings WHERE meeting_id = :name FOR NO KEY UPDATE")
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async def removal_waits() -> bool:
        async with database.begin() as looking:
            return bool(await looking.scalar(waiting))

    async with database.begin() as answers:
        await answers.execute(lock, {"name": "m-1"})
        removal = asyncio.create_task(postgres_store.rooms.remove("standup", OWNER, TEN))
        await eventually(removal_waits)
        await answers.execute(lock, {"name": "m-2"})
    await removal
    assert not [one for one in await postgres_store.meetings.get("m-1", "m-2") if one.closed_at is None]
