"""Opens a room: its active meeting or a new one, and a participant id for whoever opened it."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from consent_svc.domain.meetings import Admission, Meeting, Meetings
from consent_svc.domain.rooms import Room

log = structlog.get_logger()

MEETING_LENGTH = timedelta(hours=8)
"""How long Whereby keeps a new meeting open."""


class MeetingMaker(Protocol):
    """Whereby, or a test's stand-in."""

    async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
        """Raises Unavailable (WHEREBY_UNAVAILABLE)."""


class Opening:
    """Get or create; two people at the same instant get the same meeting."""

    def __init__(self, meetings: Meetings, whereby: MeetingMaker, now: Callable[[], datetime]) -> None:
        self._meetings = meetings
        self._whereby = whereby
        self._now = now
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self, room_name: str, user_id: str, previous: tuple[str, str]) -> tuple[Meeting, str]:
        """The meeting and the participant's id in it; `previous` is a (meeting id, participant id) issued before.

        Raises NotFound (ROOM_NOT_FOUND) and Unavailable (WHEREBY_UNAVAILABLE).
        """
        meeting = await self._meetings.active(room_name, self._now()) or await self._make(room_name)
        previous_meeting, previous_id = previous
        kept = previous_id if previous_meeting == meeting.meeting_id else ""
        admission = Admission(user_id, kept, str(uuid.uuid4()))
        return meeting, await self._meetings.admit(meeting.meeting_id, admission, self._now())

    async def _make(self, room_name: str) -> Meeting:
        # The store's row lock alone would do; but it holds a connection while Whereby is asked, and a crowd
        # at one door must not take them all.
        lock = self._locks.setdefault(room_name, asyncio.Lock())
        async with lock:
            return await self._meetings.open(room_name, self._ask_whereby, self._now())

    async def _ask_whereby(self, room: Room) -> Meeting:
        meeting = await self._whereby.create_meeting(room, self._now() + MEETING_LENGTH)
        log.info("meeting_made", meeting_id=meeting.meeting_id, room=room.name)
        return meeting
