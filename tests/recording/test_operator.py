"""What an operator sees and does, on each store."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from assent.recording.v1.recording_events_pb2 import RecordingMatched

from chassis.channel import Tls, connect
from chassis.database import Database
from chassis.errors import NotFound, Unavailable
from recording_svc.domain.recordings import Grounds, Match, Recording, StaleError, State
from recording_svc.matching import NotAssignableError
from recording_svc.operator.actions import Operator
from recording_svc.operator.desk import Action, Desk
from recording_svc.operator.postgres import PostgresDesk
from recording_svc.store import Recordings
from tests.recording.conftest import published
from tests.recording.memory import MemoryRecordings
from tests.recording.memory_desk import MemoryDesk
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import NOON, Clock
from tests.recording.test_store import taken_in
from tests.recording.world import World

if TYPE_CHECKING:
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

GROUNDS = Grounds("SOMEBODY_REFUSED", NOON)


@pytest.fixture
async def desk(recordings: Recordings, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    if isinstance(recordings, MemoryRecordings):
        yield MemoryDesk(recordings)
        return
    async with Database(request.getfixturevalue("database_url")) as database:
        yield PostgresDesk(database)


@pytest.fixture
async def meetings(neighbours: Neighbours, tls: Tls) -> AsyncIterator["MeetingServiceAsyncStub"]:
    async with connect(neighbours.address, tls) as channel:
        yield MeetingServiceStub(channel)


@pytest.fixture
def operator(recordings: Recordings, desk: Desk, meetings: "MeetingServiceAsyncStub", clock: Clock) -> Operator:
    return Operator(recordings, desk, meetings, "Ida", clock)


async def in_state(recordings: Recordings, key: str, state: State, reason: str, **more: object) -> Recording:
    recording = await taken_in(recordings, key)
    return await recordings.save(replace(recording, state=state, reason=reason, next_look_at=None, **more))  # type: ignore[arg-type]


async def test_lists_what_waits_too_long_the_longest_first(
    recordings: Recordings, operator: Operator, clock: Clock
) -> None:
    await in_state(recordings, "kept.mp4", State.KEPT, "NOBODY_REFUSED")
    unmatched = await in_state(recordings, "u.mp4", State.UNMATCHED, "NO_MEETING")
    late = Grounds("SOMEBODY_REFUSED", NOON + timedelta(minutes=10))
    blocked = await in_state(recordings, "b.mp4", State.BLOCKED, "OBJECT_LOCKED", grounds=late)
    await in_state(recordings, "w.mp4", State.UNDECIDED, "ANSWERS_AWAITED")
    await in_state(recordings, "t.mp4", State.TRANSCRIBING, "TRANSCRIPT_UNDERWAY")
    clock.advance(minutes=14, seconds=59)
    assert [one.recording for one in await operator.stuck()] == [blocked]
    clock.advance(seconds=1)
    found = await operator.stuck()
    assert [one.recording for one in found] == [unmatched, blocked]
    assert [one.since for one in found] == [NOON, late.decided_at]
    assert f"match {unmatched.recording_id} MEETING_ID" in found[0].what_to_do
    assert "Object Lock" in found[1].what_to_do


async def test_an_erasure_is_late_after_a_quarter_of_an_hour(
    recordings: Recordings, operator: Operator, clock: Clock
) -> None:
    clock.advance(days=1)
    grounds = replace(GROUNDS, decided_at=clock())
    await in_state(recordings, "e.mp4", State.ERASING, "SCRATCH_HELD", grounds=grounds)
    assert await operator.stuck() == []
    clock.advance(minutes=15)
    [found] = await operator.stuck()
    assert "transcript_svc pod" in found.what_to_do


async def test_what_was_kept_for_days_waits_only_since_consent_svc_fell_silent(
    world: World, operator: Operator, clock: Clock
) -> None:
    recording = await world.settle(await world.arrive())
    clock.advance(days=3)
    world.neighbours.fall_silent()
    assert (await world.settle(recording)).state is State.UNDECIDED
    since = clock()
    clock.advance(minutes=10)
    await world.settle(recording)
    assert await operator.stuck() == []
    clock.advance(minutes=5)
    [found] = await operator.stuck()
    assert (found.since, "consent_svc does not answer" in found.what_to_do) == (since, True)


async def test_a_retry_makes_one_recording_due_and_is_noted(
    recordings: Recordings, desk: Desk, operator: Operator
) -> None:
    blocked = await in_state(recordings, "b.mp4", State.BLOCKED, "OBJECT_LOCKED", grounds=GROUNDS)
    other = await in_state(recordings, "u.mp4", State.UNMATCHED, "NO_MEETING")
    await operator.retry(blocked.recording_id)
    assert await recordings.claim_due(NOON, NOON + timedelta(hours=1), 9) == [blocked.recording_id]
    [action] = await desk.actions(9)
    assert (action.operator, action.action, action.recording_id) == ("Ida", "retry", blocked.recording_id)
    assert await operator.retry_all() == 2
    due = await recordings.claim_due(NOON, NOON + timedelta(hours=1), 9)
    assert set(due) == {blocked.recording_id, other.recording_id}


async def test_what_is_not_there_cannot_be_retried(desk: Desk, operator: Operator) -> None:
    with pytest.raises(NotFound, match="stuck"):
        await operator.retry("nothing")
    assert await desk.actions(9) == []


async def test_m5_an_operator_names_the_meeting_and_it_is_settled_by_its_answers(
    world: World, desk: Desk, operator: Operator
) -> None:
    world.answers.default_meetings = []
    world.answers.owners["meeting-9"] = "owner-9"
    recording = await world.settle(await world.arrive())
    done = await operator.match(recording.recording_id, ["meeting-9", "meeting-9"], "the folder's name")
    assert (done.recording.match.meeting_ids, done.recording.match.owner_id) == (("meeting-9",), "owner-9")
    told = [one for one in await published(world.recordings) if isinstance(one, RecordingMatched)]
    assert [(list(one.meeting_ids), one.owner_id) for one in told][-1] == (["meeting-9"], "owner-9")
    world.neighbours.refuse("meeting-9")
    assert await world.sweep.settle_due() == 1
    assert ((await world.now(recording)).state, world.lying()) == (State.ERASED, [])
    [action] = await desk.actions(9)
    assert (action.operator, action.action, action.recording_id) == ("Ida", "match", recording.recording_id)
    assert action.details["meeting_ids"] == ["meeting-9"]
    assert (action.details["why"], action.details["state"]) == ("the folder's name", "unmatched")


async def test_m5_a_meeting_that_nobody_knows_is_not_assigned(
    recordings: Recordings, desk: Desk, operator: Operator, neighbours: Neighbours
) -> None:
    unmatched = await in_state(recordings, "u.mp4", State.UNMATCHED, "NO_MEETING")
    neighbours.answers.owners["meeting-9"] = "owner-9"
    with pytest.raises(NotFound, match="meeting-8"):
        await operator.match(unmatched.recording_id, ["meeting-9", "meeting-8"], "a guess")
    neighbours.fall_silent()
    with pytest.raises(Unavailable):
        await operator.match(unmatched.recording_id, ["meeting-9"], "a guess")
    assert await recordings.get(unmatched.recording_id) == unmatched
    assert await desk.actions(9) == []


async def test_m5_a_meeting_that_consent_svc_named_stays(
    recordings: Recordings, desk: Desk, operator: Operator, neighbours: Neighbours
) -> None:
    neighbours.answers.owners["meeting-9"] = "owner-9"
    matched = await in_state(recordings, "k.mp4", State.KEPT, "NOBODY_REFUSED", match=Match(("meeting-1",), "owner-1"))
    with pytest.raises(NotAssignableError, match="meeting-1"):
        await operator.match(matched.recording_id, ["meeting-9"], "a guess")
    assert await desk.actions(9) == []


async def test_an_assignment_of_what_changed_meanwhile_leaves_nothing_behind(
    recordings: Recordings, desk: Desk
) -> None:
    old = await taken_in(recordings)
    await recordings.save(old)
    with pytest.raises(StaleError):
        await desk.assign(old, Match(("m-1",), "ida", by_hand=True), Action("Ida", "match", old.recording_id), NOON)
    stored = await recordings.get(old.recording_id)
    assert stored is not None
    assert stored.match == Match()
    assert await desk.actions(9) == []


async def test_tells_the_latest_actions_in_their_order(desk: Desk) -> None:
    for number in range(3):
        await desk.note(Action("Ida", "redrive", details={"limit": number}))
    assert [one.details["limit"] for one in await desk.actions(2)] == [1, 2]
    assert all(one.at for one in await desk.actions(2))


async def test_counts_what_the_store_holds(recordings: Recordings, desk: Desk) -> None:
    nothing = await desk.figures()
    assert (dict(nothing.recordings), nothing.oldest_denied_at, nothing.outbox_rows) == ({}, None, 0)
    await in_state(recordings, "k.mp4", State.KEPT, "NOBODY_REFUSED")
    later = replace(GROUNDS, decided_at=NOON + timedelta(hours=1))
    await in_state(recordings, "b.mp4", State.BLOCKED, "OBJECT_LOCKED", grounds=later)
    await in_state(recordings, "f.mp4", State.ERASING, "S3_UNREACHABLE", grounds=later)
    await in_state(recordings, "e.mp4", State.ERASING, "S3_UNREACHABLE", grounds=GROUNDS)
    figures = await desk.figures()
    assert dict(figures.recordings) == {State.KEPT: 1, State.BLOCKED: 1, State.ERASING: 2}
    assert (figures.oldest_denied_at, figures.outbox_rows) == (NOON, 4)
