"""Meetings: one Whereby meeting in a room. Consent belongs to it, never to the room."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from consent_svc.domain.presence import Attendance, latest
from consent_svc.domain.rooms import RoomSettings

EMPTY_FOR = timedelta(minutes=10)
"""How long nobody must have been there before a meeting closes: a lost connection, a reload and a break are shorter,
and whoever comes back shall find those they left."""

UNHEARD_FOR = timedelta(minutes=60)
"""How long whoever opened the page may be in the call without a word from Whereby before we believe that they went:
one person alone makes no session, and may wait for the others that long."""


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
        """When it ended; None while it may go on, for all that is known."""
        # The session's end is what happened; the other two only say that nobody is sent here any more.
        scheduled = self.closes_at if self.closes_at <= now else None
        return self._session_ended_at or self.closed_at or scheduled

    def is_active(self, now: datetime) -> bool:
        """Whether who opens the room is sent into this meeting."""
        return not self._is_given_up and self.closed_at is None and self.ended_at(now) is None

    @property
    def _session_ended_at(self) -> datetime | None:
        ended = self.attendance.session_ended_at
        # Nothing ends at the instant it begins: that is what `emptied_at` concludes of silence, and tells no time.
        return ended if ended != self.started_at else None

    @property
    def _is_given_up(self) -> bool:
        """Whether we concluded that nobody came; whatever is heard after all, however late, takes that back."""
        return self.attendance.is_unheard_of and self.attendance.last_ended_at is not None


def emptied_at(meeting: Meeting, last_opened_at: datetime | None, now: datetime) -> datetime | None:
    """Since when nobody is in a meeting of which Whereby has no running session; None while somebody may be.

    A count of zero has to stand for a while. Where Whereby told nothing about whoever opened the page last, they have
    longer. Who joined and was not heard to leave is there until Whereby closes the meeting. Where nobody was ever
    heard of, it is the meeting's own start.
    """
    unheard = meeting.attendance.is_unheard_of
    since = meeting.started_at if unheard else meeting.attendance.empty_since
    if since is None:
        return None
    opened = latest(last_opened_at, meeting.started_at) or meeting.started_at
    quiet = now - opened >= UNHEARD_FOR if unheard or opened > since else now - since >= EMPTY_FOR
    return since if quiet else None


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

    async def claim(self, now: datetime, asked_before: datetime, limit: int) -> list[Meeting]:
        """Meetings that may go on and that nobody has asked Whereby about since then, those that waited longest first.

        They count as asked about now: of callers at one instant, only one gets each.
        """

    async def last_opened_at(self, meeting_id: str) -> datetime | None:
        """When somebody new opened it last."""

    async def get(self, *meeting_ids: str) -> list[Meeting]:
        """These meetings, in this order. Raises NotFound (MEETING_NOT_FOUND) when one of them is not known."""

    async def page(
        self, room_name: str, owner_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Meeting]:
        """An owner's meetings in a room, the newest first; those before (started_at, meeting_id)."""
