"""When a meeting is over: by its sessions, by a count of zero, or because nothing was ever heard of it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded, PresenceChanged

from consent_svc.domain.meetings import EMPTY_FOR, UNHEARD_FOR, emptied_at
from consent_svc.domain.presence import Attendance, PresenceEvent, Session, attendance_of
from consent_svc.domain.verdict import Answer
from consent_svc.insights import Insights
from consent_svc.opening import Opening
from tests.consent.cases import (
    ANA,
    BEN,
    HOUR,
    MINUTE,
    NINE,
    NOBODY,
    SECOND,
    TEN,
    Clock,
    admission,
    joined,
    left,
    meeting,
    says,
    session,
)  # fmt: skip
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby
from tests.consent.open_meetings import ENDED, RUNNING, is_active, opened

# When nobody is in a meeting any more: the rule


@dataclass(frozen=True)
class Case:
    says: str
    now: datetime
    since: datetime | None
    told: tuple[PresenceEvent, ...] = ()
    last_opened_at: datetime | None = NINE


CASES = [
    Case("nobody was ever heard of, and the last opening was an hour ago", NINE + UNHEARD_FOR, NINE),
    Case("nobody was ever heard of, for less than an hour", NINE + UNHEARD_FOR - SECOND, None),
    Case("nobody was ever heard of, but somebody opened it again", NINE + UNHEARD_FOR + SECOND, None,
         last_opened_at=NINE + MINUTE),
    Case("it was made for somebody who never got there", NINE + UNHEARD_FOR, NINE, last_opened_at=None),
    Case("everybody has been gone for ten minutes", TEN + EMPTY_FOR, TEN, (joined(NINE), left(TEN))),
    Case("everybody has been gone for less", TEN + EMPTY_FOR - SECOND, None, (joined(NINE), left(TEN))),
    Case("the joining was lost, the leaving was not", TEN + EMPTY_FOR, TEN, (left(TEN),)),
    Case("one leaving was lost, the count was not", TEN + EMPTY_FOR, TEN,
         (joined(NINE), joined(NINE, "c-2", BEN, 2), left(TEN, "c-2", BEN, 0))),
    Case("one person waits alone for the whole day", NINE + 7 * HOUR, None, (joined(NINE),)),
    Case("one of two is still there", TEN + HOUR, None,
         (joined(NINE), joined(NINE, "c-2", BEN, 2), left(TEN, count=1))),
    Case("they went, and came back", TEN + HOUR, None, (joined(NINE), left(TEN), joined(TEN + MINUTE, "c-2"))),
    Case("they went, and a session began of which no joining was heard", TEN + HOUR, None,
         (joined(NINE), left(TEN), session(TEN + MINUTE, started=True))),
    Case("a session is all that was heard of", TEN + HOUR, None, (session(NINE, started=True),)),
    Case("somebody opened it since, and was not heard of yet", TEN + 5 * MINUTE + EMPTY_FOR, None,
         (joined(NINE), left(TEN)), last_opened_at=TEN + 5 * MINUTE),
    Case("somebody opened it since, and was never heard of", TEN + 5 * MINUTE + UNHEARD_FOR, TEN,
         (joined(NINE), left(TEN)), last_opened_at=TEN + 5 * MINUTE),
    Case("somebody stayed on after the session", TEN + HOUR, None,
         (session(NINE, started=True), session(TEN, started=False), joined(TEN + SECOND))),
    Case("the recorder was the last to go", TEN + EMPTY_FOR, TEN,
         (joined(NINE), joined(NINE, "r", "", 2, role="recorder"), left(TEN - SECOND, count=1),
          left(TEN, "r", "", 0, role="recorder"))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_since_when_nobody_is_there(case: Case) -> None:
    attendance = Attendance()
    for event in case.told:
        attendance = attendance.merged(attendance_of(event))  # type: ignore[arg-type]  # no files among them
    found = replace(meeting(), attendance=attendance)
    assert emptied_at(found, case.last_opened_at, case.now) == case.since


# What becomes of a meeting


async def test_a_meeting_whose_leaving_and_ending_were_lost_is_closed_and_told(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1")
    await store.presence.record(joined(NINE, session="s-1"))
    await store.presence.record(joined(NINE + MINUTE, "c-2", BEN, 2, session="s-1"))
    told = await store.published()
    clock.now, whereby.sessions = TEN + SECOND, {"m-1": [ENDED]}
    assert await is_active(store, clock())
    await asking.reconcile()
    [found] = await store.meetings.get("m-1")
    assert (found.is_active(clock()), found.ended_at(clock()), found.attendance.num_clients) == (False, TEN, 0)
    assert (await store.published())[len(told) :] == [
        PresenceChanged(meeting_id="m-1"), EvidenceRecorded(meeting_id="m-1"),
    ]  # fmt: skip


async def test_sessions_are_merged_as_their_webhooks_are(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1", "m-2")
    for event in (
        session(TEN + MINUTE, started=True, meeting_id="m-2", name="s-2"),
        session(NINE, started=True, meeting_id="m-2"),
        session(TEN, started=False, meeting_id="m-2"),
    ):
        await store.presence.record(event)
    clock.now, whereby.sessions = TEN + MINUTE, {"m-1": [Session("s-2", TEN + MINUTE, None), ENDED]}
    await asking.reconcile()
    both = await store.presence.evidence(meeting().whereby_room_name, "x.mp4")
    asked, heard = sorted(both, key=lambda one: one.meeting_id)
    assert (set(asked.sessions), asked.attendance) == (set(heard.sessions), heard.attendance)
    told = await store.published()
    clock.now += MINUTE
    await asking.reconcile()
    assert (await store.published(), whereby.looked_at) == (told, ["m-1", "m-2", "m-1", "m-2"])


@pytest.mark.parametrize("sessions", [[RUNNING], [Session("s-0", NINE - HOUR, NINE), RUNNING]])
async def test_a_meeting_goes_on_for_as_long_as_one_of_its_sessions_does(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock, sessions: list[Session]
) -> None:
    await opened(store, "m-1")
    clock.now, whereby.sessions = NINE + 7 * HOUR, {"m-1": sessions}
    await asking.reconcile()
    assert await is_active(store, clock())


async def test_a_room_that_nobody_came_into_gets_another_meeting(
    asking: Insights, opening: Opening, store: Store, clock: Clock
) -> None:
    first, _ = await opening.open("standup", "", NOBODY)
    clock.now = NINE + UNHEARD_FOR
    await asking.reconcile()
    assert not await is_active(store, clock(), first.meeting_id)
    second, _ = await opening.open("standup", "", NOBODY)
    assert second.meeting_id != first.meeting_id
    assert (await store.published())[2:4] == [
        PresenceChanged(meeting_id="m-1"), EvidenceRecorded(meeting_id="m-1"),
    ]  # fmt: skip


async def test_who_opened_a_moment_ago_is_not_closed_upon(
    asking: Insights, store: Store, whereby: FakeWhereby, clock: Clock
) -> None:
    await opened(store, "m-1")
    clock.now = NINE + UNHEARD_FOR
    whereby.hang()
    round_ = asyncio.create_task(asking.reconcile())
    await whereby.looked_for(1)
    await store.meetings.admit("m-1", admission(ANA), clock())
    whereby.answers.set()
    await round_
    assert await is_active(store, clock())


async def test_people_of_a_closed_meeting_may_still_answer(asking: Insights, store: Store, clock: Clock) -> None:
    await opened(store, "m-1")
    await store.meetings.admit("m-1", admission(ANA), NINE)
    clock.now = NINE + UNHEARD_FOR
    await asking.reconcile()
    answer = await store.answers.submit(replace(says(ANA, Answer.DENIED, "r-1"), presence_required=True), clock())
    assert (answer.revision, await is_active(store, clock())) == (1, False)


LATE_NEWS: list[PresenceEvent] = [
    joined(NINE + SECOND),
    joined(NINE + 2 * HOUR),
    left(NINE + HOUR, count=1),
    session(NINE + SECOND, started=True),
]


@pytest.mark.parametrize("news", LATE_NEWS)
async def test_a_meeting_closed_for_want_of_news_opens_again_at_whatever_news(
    asking: Insights, store: Store, clock: Clock, news: PresenceEvent
) -> None:
    await opened(store, "m-1")
    clock.now = NINE + 3 * HOUR
    await asking.reconcile()
    assert not await is_active(store, clock())
    await store.presence.record(news)
    assert await is_active(store, clock())


async def test_a_meeting_closed_as_empty_opens_again_when_somebody_comes(
    asking: Insights, store: Store, clock: Clock
) -> None:
    await opened(store, "m-1")
    await store.presence.record(joined(NINE))
    await store.presence.record(left(TEN))
    clock.now = TEN + EMPTY_FOR
    await asking.reconcile()
    [found] = await store.meetings.get("m-1")
    assert (found.is_active(clock()), found.ended_at(clock())) == (False, TEN)
    await store.presence.record(joined(TEN + EMPTY_FOR + SECOND, "c-2"))
    assert await is_active(store, clock())


async def test_that_nobody_was_heard_of_says_nothing_about_when_they_were_there(
    asking: Insights, store: Store, clock: Clock
) -> None:
    await opened(store, "m-1")
    await store.meetings.admit("m-1", admission(ANA), NINE)
    clock.now = NINE + UNHEARD_FOR
    await asking.reconcile()
    [found] = await store.meetings.get("m-1")
    # It may have gone on until Whereby closed it: the deadline for answers counts from there.
    assert (found.is_active(clock()), found.ended_at(clock())) == (False, None)
    assert found.ended_at(found.closes_at) == found.closes_at


# Which webhooks may be lost, and when it is known all the same that nobody is there
LOSSES = {
    "none": {},
    "everybody's joining": {"joined"},
    "everybody's leaving": {"left"},
    "the session's start": {"started"},
    "the session's end": {"ended"},
    "joining and leaving": {"joined", "left"},
    "leaving and the session's end": {"left", "ended"},
    "joining and the session's start": {"joined", "started"},
    "start and end": {"started", "ended"},
    "all but the leaving": {"joined", "started", "ended"},
    "all but the end": {"joined", "left", "started"},
    "all of them": {"joined", "left", "started", "ended"},
}


@pytest.mark.parametrize("lost", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("backwards", [False, True])
async def test_whichever_webhooks_are_lost_whereby_tells_when_it_was_over(
    store: Store, asking: Insights, whereby: FakeWhereby, clock: Clock, lost: set[str], backwards: bool
) -> None:
    await opened(store, "m-1")
    await store.meetings.admit("m-1", admission(ANA), NINE)
    told: list[tuple[str, PresenceEvent]] = [
        ("joined", joined(NINE, "c-1", ANA, 1, session="s-1")),
        ("joined", joined(NINE, "c-2", BEN, 2, session="s-1")),
        ("started", session(NINE, started=True)),
        ("left", left(TEN - MINUTE, "c-1", ANA, 1, session="s-1")),
        ("left", left(TEN, "c-2", BEN, 0, session="s-1")),
        ("ended", session(TEN, started=False)),
    ]
    for kind, event in told[:: -1 if backwards else 1]:
        if kind not in lost:
            await store.presence.record(event)
    clock.now, whereby.sessions = TEN + MINUTE, {"m-1": [ENDED]}
    await asking.reconcile()
    [found] = await store.meetings.get("m-1")
    assert (found.is_active(clock()), found.ended_at(clock()), found.attendance.num_clients) == (False, TEN, 0)
    assert found.attendance.empty_since == TEN
