"""Meetings that go on, and who asks Whereby about them."""

from datetime import datetime, timedelta

from consent_svc.domain.presence import Session
from consent_svc.insights import Insights
from tests.consent.cases import MINUTE, NINE, TEN, Clock, meeting, room
from tests.consent.conftest import Store
from tests.consent.fake_whereby import FakeWhereby

ENDED = Session("s-1", NINE, TEN)
RUNNING = Session("s-1", NINE, None)


async def opened(store: Store, *meeting_ids: str) -> None:
    """Open meetings of as many rooms."""
    for meeting_id in meeting_ids:
        await store.rooms.add(room(meeting_id))
        await store.meetings.open(meeting(meeting_id, room(meeting_id)), NINE)


async def is_active(store: Store, now: datetime, meeting_id: str = "m-1") -> bool:
    """Whether who opens the room is sent into this meeting."""
    [found] = await store.meetings.get(meeting_id)
    return found.is_active(now)


def replica(store: Store, whereby: FakeWhereby, clock: Clock, every: timedelta = MINUTE) -> Insights:
    """One of several that ask."""
    return Insights(whereby, store.meetings, store.presence, clock, every)
