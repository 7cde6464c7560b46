"""The verdict: one refusal is enough, and what silence means is the room's policy."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from assent.consent.v1 import consent_service_pb2 as consent
from assent.meeting.v1 import meeting_service_pb2 as meetings

from consent_svc.domain.presence import Attendance
from consent_svc.domain.rooms import ConsentPolicy, RoomSettings
from consent_svc.domain.verdict import Answer, Decision, Person, Reason, Standing, Verdict, decide
from consent_svc.insights import Insights
from consent_svc.matching import match
from tests.consent.calls import create
from tests.consent.cases import (
    ANA,
    BEN,
    CEM,
    HOUR,
    MINUTE,
    NINE,
    TEN,
    Clock,
    admission,
    joined,
    left,
    meeting,
    room,
    says,
    session,
)  # fmt: skip
from tests.consent.conftest import Store
from tests.consent.evidences import recording
from tests.consent.fake_whereby import FakeWhereby

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

STRICT = RoomSettings(consent_policy=ConsentPolicy.KEEP_IF_ALL_GRANTED, consent_deadline=24 * HOUR)
DEADLINE = TEN + 24 * HOUR
SILENT = Person()


def granted(revision: int = 1, at: datetime = NINE) -> Person:
    return Person(Answer.GRANTED, revision, at)


def denied(revision: int = 1, first_granted_at: datetime | None = None) -> Person:
    return Person(Answer.DENIED, revision, first_granted_at)


def standing(*people: Person, strict: bool = False, ended: bool = True, meeting_id: str = "m-1") -> Standing:
    of = room(settings=STRICT if strict else RoomSettings())
    attendance = Attendance(last_started_at=NINE, last_ended_at=TEN if ended else None)
    return Standing(replace(meeting(meeting_id, of), attendance=attendance), people)


@pytest.mark.parametrize("people", [(), (SILENT,), (granted(),), (granted(), SILENT)], ids=len)
def test_c6_silence_is_not_a_refusal_by_default(people: tuple[Person, ...]) -> None:
    verdict = decide([standing(*people)], TEN + 1000 * HOUR)
    assert (verdict.decision, verdict.reason) == (Decision.KEEP, Reason.NOBODY_REFUSED)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("ended", [False, True])
def test_one_refusal_is_enough_at_once_under_either_policy(strict: bool, ended: bool) -> None:
    verdict = decide([standing(granted(1), denied(3), SILENT, granted(2), strict=strict, ended=ended)], TEN)
    assert (verdict.decision, verdict.reason) == (Decision.DELETE, Reason.SOMEBODY_REFUSED)
    assert (verdict.refusals, verdict.rests_on) == ((("m-1", 3),), (("m-1", 3),))


def test_m4_a_denial_in_any_of_several_meetings_counts() -> None:
    verdict = decide([standing(granted(4)), standing(denied(2), denied(1), meeting_id="m-2")], TEN)
    assert (verdict.decision, verdict.refusals) == (Decision.DELETE, (("m-2", 1), ("m-2", 2)))
    assert verdict.rests_on == (("m-1", 4), ("m-2", 2))


def test_c6_all_granted_keeps_once_the_meeting_is_over() -> None:
    everyone = (granted(1), granted(2))
    going_on = decide([standing(*everyone, strict=True, ended=False)], NINE + MINUTE)
    assert (going_on.decision, going_on.reason) == (Decision.WAIT, Reason.ANSWERS_AWAITED)
    assert going_on.decide_at == NINE + MINUTE + 24 * HOUR
    over = decide([standing(*everyone, strict=True)], TEN)
    assert (over.decision, over.reason, over.decide_at) == (Decision.KEEP, Reason.ALL_GRANTED, None)


def test_c6_somebody_silent_waits_until_the_deadline_and_is_deleted_after_it() -> None:
    before = decide([standing(granted(), SILENT, strict=True)], DEADLINE - MINUTE)
    assert (before.decision, before.reason, before.decide_at) == (Decision.WAIT, Reason.ANSWERS_AWAITED, DEADLINE)
    after = decide([standing(granted(), SILENT, strict=True)], DEADLINE)
    assert (after.decision, after.reason) == (Decision.DELETE, Reason.UNANSWERED_AT_DEADLINE)
    assert (after.decide_at, after.refusals, after.rests_on) == (DEADLINE, (), (("m-1", 1),))


def test_c6_a_grant_after_the_deadline_is_too_late() -> None:
    late = decide([standing(granted(), granted(2, DEADLINE + MINUTE), strict=True)], DEADLINE + HOUR)
    assert late.reason is Reason.UNANSWERED_AT_DEADLINE


def test_c6_a_grant_given_again_after_the_deadline_was_in_time() -> None:
    again = decide([standing(granted(9, DEADLINE - HOUR), strict=True)], DEADLINE + HOUR)
    assert again.reason is Reason.ALL_GRANTED


def test_c6_that_nobody_is_known_is_no_grant() -> None:
    assert decide([standing(strict=True)], TEN).decision is Decision.WAIT
    assert decide([standing(strict=True)], DEADLINE).decision is Decision.DELETE


def test_c6_who_cannot_answer_has_not_granted() -> None:
    by_telephone = replace(standing(granted(), strict=True), strangers=1)
    assert decide([by_telephone], TEN).decision is Decision.WAIT
    assert decide([by_telephone], DEADLINE).decision is Decision.DELETE


def test_the_deadline_counts_from_the_meetings_end_however_that_is_known() -> None:
    of = room(settings=STRICT)
    lone = replace(meeting(of=of), attendance=Attendance(0, TEN, counted_by_leaving=True))
    assert decide([Standing(lone, (SILENT,))], TEN).decide_at == DEADLINE
    nothing_heard = meeting(of=of)
    closed = nothing_heard.closes_at
    assert decide([Standing(nothing_heard, (SILENT,))], closed).decide_at == closed + 24 * HOUR


def test_m4_policies_of_several_meetings_join_on_the_strictest() -> None:
    lenient = standing(SILENT, meeting_id="m-2")
    assert decide([standing(granted(), strict=True), lenient], TEN).reason is Reason.NOBODY_REFUSED
    assert decide([standing(SILENT, strict=True), lenient], TEN).decision is Decision.WAIT
    assert decide([standing(SILENT, strict=True), lenient], DEADLINE).decision is Decision.DELETE


def test_nothing_is_concluded_from_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        decide([], TEN)


def test_a_verdict_tells_how_many_said_nothing_or_could_not_be_asked() -> None:
    first = replace(standing(granted(1), SILENT, SILENT), strangers=2)
    alone = decide([first], TEN)
    assert (alone.unanswered, alone.unidentified, alone.ambiguous_meeting) == (2, 2, False)
    second = replace(standing(denied(4), SILENT, meeting_id="m-2"), strangers=1)
    both = decide([first, second], TEN)
    assert (both.unanswered, both.unidentified, both.ambiguous_meeting) == (3, 3, True)
    assert (both.decision, both.refusals) == (Decision.DELETE, (("m-2", 4),))


def test_a_verdict_of_many_silent_people_at_the_deadline_names_none_of_them() -> None:
    verdict = decide([replace(standing(granted(), SILENT, strict=True), strangers=1)], DEADLINE)
    assert verdict == Verdict(
        Decision.DELETE, Reason.UNANSWERED_AT_DEADLINE, rests_on=(("m-1", 1),), decide_at=DEADLINE,
        unanswered=1, unidentified=1,
    )  # fmt: skip


async def test_a_verdict_is_told_over_grpc(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub", store: Store, whereby: FakeWhereby
) -> None:
    for name in ("standup", "weekly"):
        await create(rooms, name)
        await rooms.OpenMeeting(meetings.OpenMeetingRequest(room_name=name))
    await store.presence.record(joined(NINE, "c-2", "", 1, dial_in=True))
    await store.answers.submit(says(ANA, Answer.DENIED, "r-1", "m-2"), NINE)
    asked = consent.GetVerdictRequest(meeting_ids=["m-1", "m-2"])
    verdict = (await answers.GetVerdict(asked)).verdict
    assert (verdict.unanswered, verdict.unidentified, verdict.ambiguous_meeting) == (2, 1, True)
    alone = (await answers.GetVerdict(consent.GetVerdictRequest(meeting_ids=["m-2", "m-2"]))).verdict
    assert (alone.unanswered, alone.unidentified, alone.ambiguous_meeting) == (1, 0, False)


async def test_m2_who_refused_and_left_before_it_was_recorded_is_heard(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await store.answers.submit(says(CEM, Answer.DENIED, "r-1"), NINE)
    for event in (joined(NINE, "c-1", CEM, 1), left(NINE + MINUTE, "c-1", CEM, 0), joined(NINE + HOUR, "c-2", ANA, 1)):
        await store.presence.record(event)
    wanted = recording(NINE + HOUR)
    found = match(wanted, await store.presence.evidence(wanted.whereby_room_name, wanted.filename))
    assert found is not None
    assert decide(await store.standings.standings(list(found.meeting_ids)), TEN).refusals == (("m-1", 1),)


async def test_c6_where_nothing_was_heard_the_deadline_counts_from_when_whereby_closed_it(
    store: Store, asking: Insights, clock: Clock
) -> None:
    strict = room(settings=STRICT)
    await store.rooms.add(strict)
    await store.meetings.open(meeting(of=strict), NINE)
    await store.meetings.admit("m-1", admission(ANA), NINE)
    clock.now = NINE + 2 * HOUR
    await asking.reconcile()
    [found] = await store.meetings.get("m-1")
    assert not found.is_active(clock())
    verdict = decide(await store.standings.standings(["m-1"]), found.closes_at)
    assert (verdict.decision, verdict.decide_at) == (Decision.WAIT, found.closes_at + 24 * HOUR)


async def test_c6_deny_then_grant_keeps_and_grant_then_deny_deletes(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await store.answers.submit(says(ANA, Answer.DENIED, "r-1"), NINE)
    await store.answers.submit(says(ANA, Answer.GRANTED, "r-2"), NINE)
    assert decide(await store.standings.standings(["m-1"]), TEN).decision is Decision.KEEP
    await store.answers.submit(says(ANA, Answer.DENIED, "r-3"), NINE)
    verdict = decide(await store.standings.standings(["m-1"]), TEN)
    assert (verdict.decision, verdict.refusals) == (Decision.DELETE, (("m-1", 3),))


async def test_c6_everyone_present_must_grant_however_we_know_of_them(store: Store) -> None:
    await store.rooms.add(room(settings=STRICT))
    await store.meetings.open(meeting(of=room(settings=STRICT)), NINE)
    await store.presence.record(joined(NINE, "c-1", BEN, 1, session="s-1"))
    await store.presence.record(session(TEN, started=False))
    await store.answers.submit(says(ANA, Answer.GRANTED, "r-1"), TEN)
    assert decide(await store.standings.standings(["m-1"]), TEN).decision is Decision.WAIT
    await store.answers.submit(says(BEN, Answer.GRANTED, "r-1"), TEN)
    assert decide(await store.standings.standings(["m-1"]), TEN).reason is Reason.ALL_GRANTED
    await store.presence.record(joined(NINE, "c-2", "", 2, session="s-1"))
    assert decide(await store.standings.standings(["m-1"]), TEN).decision is Decision.WAIT
