"""MeetingService over real gRPC with mutual TLS: what callers see, and the errors they get."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from assent.consent.v1 import consent_service_pb2 as consent
from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meetings
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import AlreadyExists, InvalidArgument, NotFound, Unavailable
from consent_svc.domain.presence import FinishedEvent
from tests.consent.calls import create, open_meeting, refused
from tests.consent.cases import HOUR, MINUTE, NINE, OWNER, TEN, WHEREBY_ROOM, Clock, joined, left, session
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

KEY = f"{WHEREBY_ROOM[1:]}-2026-03-02T09:01:00Z.mp4"


async def test_a_room_gets_the_defaults_for_what_is_left_out(rooms: "MeetingServiceAsyncStub") -> None:
    made = await create(rooms)
    assert made.settings == meeting_pb2.RoomSettings(
        recording_type=meeting_pb2.RECORDING_TYPE_CLOUD,
        recording_trigger=meeting_pb2.RECORDING_TRIGGER_AUTOMATIC_2ND_PARTICIPANT,
        mode=meeting_pb2.ROOM_MODE_NORMAL,
        consent_policy=meeting_pb2.CONSENT_POLICY_DELETE_ON_DENIAL,
        consent_deadline=Duration(seconds=24 * 3600),
    )
    assert (await rooms.GetRoom(meetings.GetRoomRequest(name="standup", owner_id=OWNER))).room == made
    assert made.created_at.ToDatetime(tzinfo=NINE.tzinfo) == NINE


async def test_rooms_that_cannot_be(rooms: "MeetingServiceAsyncStub") -> None:
    for name in ("v1", "meetings", "", "Ä"):
        assert await refused(create(rooms, name), InvalidArgument) == "ROOM_NAME_INVALID"
    assert await refused(create(rooms, retention_days=0), InvalidArgument) == "SETTINGS_INVALID"
    assert await refused(create(rooms, consent_deadline=Duration(seconds=-1)), InvalidArgument) == "SETTINGS_INVALID"
    nobodys = meetings.CreateRoomRequest(name="standup")
    assert await refused(rooms.CreateRoom(nobodys), InvalidArgument) == "OWNER_MISSING"
    await create(rooms)
    assert await refused(create(rooms), AlreadyExists) == "ROOM_EXISTS"


async def test_only_the_owner_sees_a_room(rooms: "MeetingServiceAsyncStub") -> None:
    await create(rooms)
    somebody = "somebody else"
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: rooms.GetRoom(meetings.GetRoomRequest(name="standup", owner_id=somebody)),
        lambda: rooms.UpdateRoom(meetings.UpdateRoomRequest(name="standup", owner_id=somebody)),
        lambda: rooms.DeleteRoom(meetings.DeleteRoomRequest(name="standup", owner_id=somebody)),
        lambda: rooms.ListMeetings(meetings.ListMeetingsRequest(room_name="standup", owner_id=somebody)),
    ]
    for call in calls:
        assert await refused(call(), NotFound) == "ROOM_NOT_FOUND"
    listed = await rooms.ListRooms(meetings.ListRoomsRequest(owner_id=somebody))
    assert (list(listed.rooms), listed.next_page_token) == ([], "")


async def test_rooms_come_page_by_page(rooms: "MeetingServiceAsyncStub") -> None:
    for name in ("charlie", "alpha", "bravo"):
        await create(rooms, name)
    seen, token = [], ""
    for _ in range(2):
        page = await rooms.ListRooms(meetings.ListRoomsRequest(owner_id=OWNER, page_size=2, page_token=token))
        seen.append([room.name for room in page.rooms])
        token = page.next_page_token
    assert (seen, token) == ([["alpha", "bravo"], ["charlie"]], "")


@pytest.mark.parametrize("token", ["x", "!!", "bnVsbA", "WzFd", "WyIiXQ", "ä"])
async def test_a_page_token_that_is_none_of_ours_is_refused(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub", token: str
) -> None:
    listing = rooms.ListRooms(meetings.ListRoomsRequest(owner_id=OWNER, page_token=token))
    assert await refused(listing, InvalidArgument) == "PAGE_TOKEN_INVALID"
    history = answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1", page_token=token))
    assert await refused(history, InvalidArgument) == "PAGE_TOKEN_INVALID"
    negative = rooms.ListRooms(meetings.ListRoomsRequest(owner_id=OWNER, page_size=-1))
    assert await refused(negative, InvalidArgument) == "PAGE_SIZE_INVALID"


async def test_an_update_changes_what_its_mask_names(rooms: "MeetingServiceAsyncStub", clock: Clock) -> None:
    await create(rooms, is_locked=True, retention_days=30)
    clock.now = TEN
    wanted = meeting_pb2.RoomSettings(recording_trigger=meeting_pb2.RECORDING_TRIGGER_PROMPT)
    request = meetings.UpdateRoomRequest(
        name="standup",
        owner_id=OWNER,
        settings=wanted,
        update_mask=FieldMask(paths=["recording_trigger", "retention_days"]),
    )
    changed = (await rooms.UpdateRoom(request)).room
    assert changed.settings.recording_trigger == meeting_pb2.RECORDING_TRIGGER_PROMPT
    assert (changed.settings.is_locked, changed.settings.HasField("retention_days")) == (True, False)
    assert changed.updated_at.ToDatetime(tzinfo=NINE.tzinfo) == TEN
    request.update_mask.paths.append("owner_id")
    assert await refused(rooms.UpdateRoom(request), InvalidArgument) == "UPDATE_MASK_INVALID"


async def test_opening_a_room(rooms: "MeetingServiceAsyncStub", whereby: FakeWhereby) -> None:
    await create(rooms)
    opened = await open_meeting(rooms)
    found = opened.meeting
    assert (found.meeting_id, found.room, found.is_active, found.owner_id) == ("m-1", "standup", True, OWNER)
    assert 1 <= len(opened.participant_id) <= 36
    previous = meetings.Participation(meeting_id="m-1", participant_id=opened.participant_id)
    again = await rooms.OpenMeeting(meetings.OpenMeetingRequest(room_name="standup", previous=previous))
    assert again == opened
    signed_in = meetings.OpenMeetingRequest(room_name="standup", user_participant_id="user_9")
    assert (await rooms.OpenMeeting(signed_in)).participant_id == "user_9"
    too_long = meetings.OpenMeetingRequest(room_name="standup", user_participant_id="x" * 37)
    assert await refused(rooms.OpenMeeting(too_long), InvalidArgument) == "PARTICIPANT_ID_INVALID"
    assert whereby.asked == 1


async def test_two_people_opening_at_the_same_instant_get_one_meeting(
    rooms: "MeetingServiceAsyncStub", whereby: FakeWhereby
) -> None:
    await create(rooms)
    opened = await asyncio.gather(*(open_meeting(rooms) for _ in range(10)))
    assert {one.meeting.meeting_id for one in opened} == {"m-1"}
    assert (len({one.participant_id for one in opened}), whereby.asked) == (10, 1)


async def test_what_opening_may_end_in(rooms: "MeetingServiceAsyncStub", whereby: FakeWhereby) -> None:
    assert await refused(open_meeting(rooms), NotFound) == "ROOM_NOT_FOUND"
    await create(rooms)
    whereby.away = True
    assert await refused(open_meeting(rooms), Unavailable) == "WHEREBY_UNAVAILABLE"


async def test_a_deleted_room_ends_its_meeting(rooms: "MeetingServiceAsyncStub", clock: Clock) -> None:
    await create(rooms)
    await open_meeting(rooms)
    clock.now = TEN
    await rooms.DeleteRoom(meetings.DeleteRoomRequest(name="standup", owner_id=OWNER))
    found = (await rooms.GetMeeting(meetings.GetMeetingRequest(meeting_id="m-1"))).meeting
    assert (found.is_active, found.end_time.ToDatetime(tzinfo=NINE.tzinfo)) == (False, TEN)
    assert await refused(open_meeting(rooms), NotFound) == "ROOM_NOT_FOUND"
    unknown = rooms.GetMeeting(meetings.GetMeetingRequest(meeting_id="m-404"))
    assert await refused(unknown, NotFound) == "MEETING_NOT_FOUND"


async def test_a_meeting_shows_who_is_there_and_when_it_ended(
    rooms: "MeetingServiceAsyncStub", store: Store, clock: Clock
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    await store.presence.record(joined(NINE, count=2, session="s-1"))
    found = (await rooms.GetMeeting(meetings.GetMeetingRequest(meeting_id="m-1"))).meeting
    assert (found.num_clients, found.is_active) == (2, True)
    assert found.end_time.ToDatetime(tzinfo=NINE.tzinfo) == NINE + 8 * HOUR
    await store.presence.record(session(TEN, started=False))
    clock.now = TEN + MINUTE
    [found] = (await rooms.ListMeetings(meetings.ListMeetingsRequest(room_name="standup", owner_id=OWNER))).meetings
    assert (found.num_clients, found.is_active) == (0, False)
    assert found.end_time.ToDatetime(tzinfo=NINE.tzinfo) == TEN


async def test_meetings_come_page_by_page(rooms: "MeetingServiceAsyncStub", clock: Clock) -> None:
    await create(rooms)
    for n in range(3):
        clock.now = NINE + n * 9 * HOUR
        await open_meeting(rooms)
    seen, token = [], ""
    for _ in range(2):
        request = meetings.ListMeetingsRequest(room_name="standup", owner_id=OWNER, page_size=2, page_token=token)
        page = await rooms.ListMeetings(request)
        seen.append([one.meeting_id for one in page.meetings])
        token = page.next_page_token
    assert (seen, token) == ([["m-3", "m-2"], ["m-1"]], "")


async def test_m3_a_recording_finds_its_meeting_as_evidence_comes(
    rooms: "MeetingServiceAsyncStub", store: Store
) -> None:
    await create(rooms, retention_days=30)
    asked = meetings.MatchRecordingRequest(object_key=f"folder/{KEY}", duration=Duration(seconds=1800))
    unmatched = await rooms.MatchRecording(asked)
    assert unmatched.recorded_at.ToDatetime(tzinfo=NINE.tzinfo) == NINE + MINUTE
    assert (list(unmatched.meeting_ids), unmatched.owner_id) == ([], "")
    await open_meeting(rooms)
    await store.presence.record(joined(NINE, session="s-1"))
    await store.presence.record(left(TEN, session="s-1"))
    assert (await rooms.MatchRecording(asked)).evidence == meeting_pb2.MATCH_EVIDENCE_INTERVAL
    await store.presence.record(FinishedEvent("m-1", WHEREBY_ROOM, KEY))
    assert (await rooms.MatchRecording(asked)).evidence == meeting_pb2.MATCH_EVIDENCE_FINISHED_WEBHOOK
    await store.presence.record(joined(NINE + MINUTE, "c-r", "", role="recorder"))
    matched = await rooms.MatchRecording(asked)
    assert matched.evidence == meeting_pb2.MATCH_EVIDENCE_RECORDER
    assert (list(matched.meeting_ids), matched.owner_id, matched.retention_days) == (["m-1"], OWNER, 30)


async def test_m5_a_recording_of_another_time_is_not_given_to_the_latest_meeting(
    rooms: "MeetingServiceAsyncStub", store: Store
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    await store.presence.record(joined(NINE))
    await store.presence.record(left(NINE + MINUTE))
    asked = meetings.MatchRecordingRequest(object_key=KEY.replace("09:01:00", "12:00:00"))
    assert not (await rooms.MatchRecording(asked)).meeting_ids


async def test_m1_a_key_that_cannot_be_read_is_refused(rooms: "MeetingServiceAsyncStub") -> None:
    call = rooms.MatchRecording(meetings.MatchRecordingRequest(object_key="holiday.mp4"))
    assert await refused(call, InvalidArgument) == "OBJECT_KEY_UNREADABLE"
