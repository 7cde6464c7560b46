"""Meetings: one Whereby meeting in a room. Consent belongs to it, never to the room."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from consent_svc.domain.presence import Attendance
from consent_svc.domain.rooms import RoomSettings


@dataclass(frozen=True)
class Meeting:
    """One Whereby meeting, with the settings its room had when it was opened."""

    meeting_id: str
    room: str
    # With its leading slash.
    whereby_room_name: str
    room_url: str
    host_room_url: str
    owner_id: str
    started_at: datetime
    # When Whereby lets nobody in any more.
    closes_at: datetime
    settings: RoomSettings
    # When its room was deleted.
    closed_at: datetime | None = None
    attendance: Attendance = field(default_factory=Attendance)

    def ended_at(self, now: datetime) -> datetime | None:
        """When it ended; None while people may still be sent into it."""
        # The session's end is what happened; the other two only say that nobody is sent here any more.
        scheduled = self.closes_at if self.closes_at <= now else None
        return self.attendance.session_ended_at or self.closed_at or scheduled

    def is_active(self, now: datetime) -> bool:
        """Whether who opens the room is sent into this meeting."""
        return self.closed_at is None and self.ended_at(now) is None and now < self.closes_at


@dataclass(frozen=True)
class Admission:
    """Whom a meeting lets in: the first of these that applies."""

    # A signed-in user's participant id; empty for an anonymous one.
    user_id: str
    # Whoever it was before, by a token that we issued; holds only where this meeting knows that id.
    previous_id: str
    new_id: str


class Meetings(Protocol):
    """Where meetings are kept."""

    async def active(self, room_name: str, now: datetime) -> Meeting | None:
        """The room's active meeting."""

    async def open(self, meeting: Meeting, now: datetime) -> Meeting:
        """Keep a new meeting where its room has no active one; returns the room's active meeting.

        Callers at one instant get the same. Raises NotFound (ROOM_NOT_FOUND) when the owner's room is gone.
        """

    async def admit(self, meeting_id: str, admission: Admission, now: datetime) -> str:
        """Note that somebody opened the meeting; returns their participant id."""

    async def get(self, *meeting_ids: str) -> list[Meeting]:
        """These meetings, in this order. Raises NotFound (MEETING_NOT_FOUND) when one of them is not known."""

    async def page(
        self, room_name: str, owner_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Meeting]:
        """An owner's meetings in a room, the newest first; those before (started_at, meeting_id)."""
