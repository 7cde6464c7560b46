"""Whereby's place, taken by a fake that can hang, refuse and count."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from chassis.errors import Unavailable
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.presence import Session
from consent_svc.domain.rooms import Room, RoomSettings
from consent_svc.opening import MEETING_LENGTH
from tests.consent.cases import meeting


class FakeWhereby:
    """Makes meetings, or keeps everybody waiting until `answers` is set."""

    def __init__(self) -> None:
        self.asked = 0
        # As what each meeting was asked for.
        self.settings: list[RoomSettings] = []
        self.standing: set[str] = set()
        self.away = self.keeps_all = False
        self.sessions: dict[str, list[Session]] = {}
        # Meetings whose sessions were asked for, and those of which it says nothing that can be read.
        self.looked_at: list[str] = []
        self.garbled: set[str] = set()
        self.looking = self.most_looking = 0
        self.has_points_to_spare = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.deletes = asyncio.Event()
        self.deletes.set()
        self._news = asyncio.Condition()

    def hang(self) -> None:
        """Answer nobody any more."""
        self.answers.clear()

    async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
        self.asked += 1
        self.settings.append(room.settings)
        meeting_id = f"m-{self.asked}"
        await self._tell()
        await self.answers.wait()
        if self.away:
            raise Unavailable("away", reason="WHEREBY_UNAVAILABLE")
        self.standing.add(meeting_id)
        return meeting(meeting_id, room, closes_at - MEETING_LENGTH)

    async def delete_meeting(self, meeting: Meeting) -> None:
        await self.deletes.wait()
        if self.keeps_all:
            raise Unavailable("away", reason="WHEREBY_UNAVAILABLE")
        self.standing.remove(meeting.meeting_id)
        await self._tell()

    async def room_sessions(self, meeting: Meeting) -> list[Session]:
        self.looked_at.append(meeting.meeting_id)
        self.looking += 1
        self.most_looking = max(self.looking, self.most_looking)
        await self._tell()
        await self.answers.wait()
        self.looking -= 1
        if self.away or meeting.meeting_id in self.garbled:
            raise Unavailable("away", reason="WHEREBY_UNAVAILABLE")
        return self.sessions.get(meeting.meeting_id, [])

    async def looked_for(self, looks: int) -> None:
        """Returns once somebody asked for sessions so many times, answered or not."""
        await self._until(lambda: len(self.looked_at) >= looks)

    async def asked_for(self, meetings: int) -> None:
        """Returns once so many were asked for, answered or not."""
        await self._until(lambda: self.asked >= meetings)

    async def deleted_down_to(self, meeting_ids: set[str]) -> None:
        """Returns once it has these meetings and no others."""
        await self._until(lambda: self.standing == meeting_ids)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(happened)
