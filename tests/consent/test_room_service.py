"""What owners choose about rooms, over gRPC: passed on to Whereby, never asked before consent is; and deletion."""

from typing import TYPE_CHECKING

import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent
from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meetings
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import NotFound
from consent_svc.domain.rooms import RoomSettings
from consent_svc.servicer.messages import RECORDING_TRIGGERS, RECORDING_TYPES, settings_of
from tests.consent.calls import create, open_meeting, refused
from tests.consent.cases import HOUR, NINE, OWNER, TEN, WHEREBY_ROOM, Clock, joined
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub


async def answered(
    answers: "ConsentServiceAsyncStub",
    participant_id: str,
    answer: "consent_pb2.Answer.ValueType",
    meeting_id: str = "m-1",
) -> consent_pb2.RecordedAnswer:
    """Somebody presses a button."""
    request = consent.SubmitAnswerRequest(
        meeting_id="m-1", participant_id=participant_id, answer=answer, request_id=f"{participant_id}-{answer}"
    )
    return (await answers.SubmitAnswer(request)).answer


@pytest.mark.parametrize("trigger", RECORDING_TRIGGERS, ids=meeting_pb2.RecordingTrigger.Name)
@pytest.mark.parametrize("kind", RECORDING_TYPES, ids=meeting_pb2.RecordingType.Name)
async def test_whatever_is_recorded_and_when_everyone_is_asked_alike(
    rooms: "MeetingServiceAsyncStub",
    answers: "ConsentServiceAsyncStub",
    whereby: FakeWhereby,
    kind: "meeting_pb2.RecordingType.ValueType",
    trigger: "meeting_pb2.RecordingTrigger.ValueType",
) -> None:
    await create(rooms, recording_type=kind, recording_trigger=trigger)
    opened = await open_meeting(rooms)
    [asked] = whereby.settings
    assert (asked.recording_type, asked.recording_trigger) == (RECORDING_TYPES[kind], RECORDING_TRIGGERS[trigger])
    settings = opened.meeting.settings
    assert (settings.recording_type, settings.recording_trigger) == (kind, trigger)
    mine = consent.GetConsentRequest(meeting_id="m-1", participant_id=opened.participant_id)
    assert (await answers.GetConsent(mine)).counts == consent_pb2.Counts(present=1, unanswered=1)
    await answered(answers, opened.participant_id, consent_pb2.ANSWER_DENIED)
    verdict = (await answers.GetVerdict(consent.GetVerdictRequest(meeting_ids=["m-1"]))).verdict
    assert verdict.reason == consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED


CHANGES = {
    "recording_type": meeting_pb2.RECORDING_TYPE_LOCAL,
    "recording_trigger": meeting_pb2.RECORDING_TRIGGER_PROMPT,
    "is_locked": True,
    "mode": meeting_pb2.ROOM_MODE_GROUP,
    "consent_policy": meeting_pb2.CONSENT_POLICY_KEEP_IF_ALL_GRANTED,
    "consent_deadline": Duration(seconds=60),
    "retention_days": 9,
}


def test_every_setting_is_tried() -> None:
    assert CHANGES.keys() == RoomSettings.__dataclass_fields__.keys()


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_applies_to_later_meetings_only(
    rooms: "MeetingServiceAsyncStub", whereby: FakeWhereby, clock: Clock, name: str
) -> None:
    await create(rooms)
    before = (await open_meeting(rooms)).meeting.settings
    wanted = meeting_pb2.RoomSettings(**{name: CHANGES[name]})  # type: ignore[arg-type]  # each of its own type
    request = meetings.UpdateRoomRequest(
        name="standup", owner_id=OWNER, settings=wanted, update_mask=FieldMask(paths=[name])
    )
    changed = (await rooms.UpdateRoom(request)).room.settings
    assert changed != before
    assert (await rooms.GetMeeting(meetings.GetMeetingRequest(meeting_id="m-1"))).meeting.settings == before
    assert (await open_meeting(rooms)).meeting.settings == before
    clock.now = NINE + 8 * HOUR
    later = (await open_meeting(rooms)).meeting
    assert (later.meeting_id, later.settings, whereby.settings[1]) == ("m-2", changed, settings_of(changed))


async def test_a_policy_made_stricter_changes_no_verdict_of_a_meeting_before(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub"
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    strict = meeting_pb2.RoomSettings(consent_policy=meeting_pb2.CONSENT_POLICY_KEEP_IF_ALL_GRANTED)
    mask = FieldMask(paths=["consent_policy"])
    await rooms.UpdateRoom(
        meetings.UpdateRoomRequest(name="standup", owner_id=OWNER, settings=strict, update_mask=mask)
    )
    verdict = (await answers.GetVerdict(consent.GetVerdictRequest(meeting_ids=["m-1"]))).verdict
    assert (verdict.decision, verdict.unanswered) == (consent_pb2.DECISION_KEEP, 1)


async def test_c5_a_deleted_room_leaves_answers_and_history_and_lets_people_answer(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub", store: Store, clock: Clock
) -> None:
    await create(rooms)
    ana = (await open_meeting(rooms)).participant_id
    await store.presence.record(joined(NINE, who=ana))
    await answered(answers, ana, consent_pb2.ANSWER_GRANTED)
    clock.now = TEN
    await rooms.DeleteRoom(meetings.DeleteRoomRequest(name="standup", owner_id=OWNER))
    assert await refused(open_meeting(rooms), NotFound) == "ROOM_NOT_FOUND"
    assert not (await rooms.GetMeeting(meetings.GetMeetingRequest(meeting_id="m-1"))).meeting.is_active
    # Who is still in the call may change their mind, and the recording is still that meeting's.
    await answered(answers, ana, consent_pb2.ANSWER_DENIED)
    found = await answers.GetConsent(consent.GetConsentRequest(meeting_id="m-1", participant_id=ana))
    assert (found.answer.revision, found.counts.denied) == (2, 1)
    assert len((await answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1"))).entries) == 2
    checked = await answers.VerifyHistory(consent.VerifyHistoryRequest(meeting_id="m-1"))
    assert (checked.entries, checked.HasField("fault")) == (2, False)
    key = f"{WHEREBY_ROOM[1:]}-2026-03-02T09:01:00Z.mp4"
    matched = await rooms.MatchRecording(meetings.MatchRecordingRequest(object_key=key))
    assert (list(matched.meeting_ids), matched.owner_id) == (["m-1"], OWNER)


async def test_a_name_used_again_shows_its_new_owner_nothing_of_the_former(
    rooms: "MeetingServiceAsyncStub", store: Store, clock: Clock
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    await rooms.DeleteRoom(meetings.DeleteRoomRequest(name="standup", owner_id=OWNER))
    await rooms.CreateRoom(meetings.CreateRoomRequest(name="standup", owner_id="somebody-else"))
    # Somebody of the former meeting comes back late: it still is not what the name leads to.
    await store.presence.record(joined(TEN))
    clock.now = TEN
    assert (await open_meeting(rooms)).meeting.meeting_id == "m-2"
    for owner, seen in (("somebody-else", ["m-2"]), (OWNER, None)):
        listing = rooms.ListMeetings(meetings.ListMeetingsRequest(room_name="standup", owner_id=owner))
        if seen is None:
            assert await refused(listing, NotFound) == "ROOM_NOT_FOUND"
        else:
            assert [one.meeting_id for one in (await listing).meetings] == seen
