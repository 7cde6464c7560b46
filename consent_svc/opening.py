"""Opens a room: its active meeting or a new one, and a participant id for whoever opened it."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from chassis.errors import NotFound, Unavailable
from consent_svc.domain.meetings import Admission, Meeting, Meetings
from consent_svc.domain.rooms import Room, Rooms

log = structlog.get_logger()

MEETING_LENGTH = timedelta(hours=8)
"""How long Whereby keeps a new meeting open."""


class MeetingMaker(Protocol):
    """Whereby, or a test's stand-in."""

    async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
        """Raises Unavailable (WHEREBY_UNAVAILABLE)."""

    async def delete_meeting(self, meeting: Meeting) -> None:
        """Raises Unavailable (WHEREBY_UNAVAILABLE)."""


class Opening:
    """Get or create; two people at the same instant get the same meeting, and a silent Whereby holds up nobody else.

    Whereby is asked outside any transaction. Who waits for one room here shares one call and how it ends; of what
    several replicas made at once, the store keeps the first and Whereby is told to delete the others.
    """

    def __init__(self, rooms: Rooms, meetings: Meetings, whereby: MeetingMaker, now: Callable[[], datetime]) -> None:
        self._rooms = rooms
        self._meetings = meetings
        self._whereby = whereby
        self._now = now
        self._making: dict[str, asyncio.Task[Meeting]] = {}
        self._discarding: set[asyncio.Task[None]] = set()

    async def open(self, room_name: str, user_id: str, previous: tuple[str, str]) -> tuple[Meeting, str]:
        """The meeting and the participant's id in it; `previous` is a (meeting id, participant id) issued before.

        Raises NotFound (ROOM_NOT_FOUND) and Unavailable (WHEREBY_UNAVAILABLE).
        """
        meeting = await self._meetings.active(room_name, self._now()) or await self._made(room_name)
        previous_meeting, previous_id = previous
        kept = previous_id if previous_meeting == meeting.meeting_id else ""
        admission = Admission(user_id, kept, str(uuid.uuid4()))
        return meeting, await self._meetings.admit(meeting.meeting_id, admission, self._now())

    async def _made(self, room_name: str) -> Meeting:
        making = self._making.get(room_name)
        if making is None:
            making = self._making[room_name] = asyncio.create_task(self._make(room_name))
            making.add_done_callback(lambda done: self._forget(room_name, done))
        # Whoever gives up waiting must not end it for the others.
        return await asyncio.shield(making)

    def _forget(self, room_name: str, done: asyncio.Task[Meeting]) -> None:
        del self._making[room_name]
        if not done.cancelled():
            done.exception()  # told to whoever waits; asyncio need not complain where all of them gave up

    async def _make(self, room_name: str) -> Meeting:
        # Who looked before the last one was kept, and came here after it, would make another for nothing.
        if meeting := await self._meetings.active(room_name, self._now()):
            return meeting
        room = await self._rooms.get(room_name)
        ours = await self._whereby.create_meeting(room, self._now() + MEETING_LENGTH)
        # After any other error the store may have kept it all the same, and then it must go on at Whereby too.
        try:
            opened = await self._meetings.open(ours, self._now())
        except NotFound:
            self._discard(ours)
            raise
        if opened.meeting_id == ours.meeting_id:
            log.info("meeting_made", meeting_id=ours.meeting_id, room=room.name)
        else:
            self._discard(ours)
        return opened

    def _discard(self, meeting: Meeting) -> None:
        # In the background: nobody who waits for a meeting waits for this.
        task = asyncio.create_task(self._delete(meeting))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    async def _delete(self, meeting: Meeting) -> None:
        try:
            await self._whereby.delete_meeting(meeting)
        except Unavailable:
            # Harmless: nobody was told of it, and Whereby closes it by itself.
            log.warning("meeting_left_at_whereby", meeting_id=meeting.meeting_id, room=meeting.room)
        else:
            log.info("meeting_discarded", meeting_id=meeting.meeting_id, room=meeting.room)
