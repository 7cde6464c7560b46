"""Asks Whereby every so often which sessions open meetings have, for the webhooks that never came."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

from chassis.errors import ServiceError, Unavailable
from chassis.tasks import end
from consent_svc.domain.meetings import Meeting, Meetings, emptied_at
from consent_svc.domain.presence import EmptiedEvent, Presence, Session, SessionEvent, is_believable

log = structlog.get_logger()

AT_ONCE = 4
"""Calls in flight; Whereby's client has several times as many, and the rest is for rooms that are opened."""

BATCH = 50
MOST_BATCHES = 10
"""Of one round. Who was not asked about waits longest, and so comes first in the next."""

PATIENCE = 4
"""Failures in a row after which Whereby is left in peace until the next round."""

_EARLY = 0.75
"""A meeting is due a bit before its time: rounds that begin a moment too soon would leave it for another whole one."""


class Sessions(Protocol):
    """Whereby, or a test's stand-in."""

    @property
    def has_points_to_spare(self) -> bool:
        """Whether asking takes nothing from rooms that are opened."""

    async def room_sessions(self, meeting: Meeting) -> list[Session]:
        """Raises Unavailable (WHEREBY_UNAVAILABLE)."""


@dataclass
class _Round:
    """How one round fares."""

    failures: int = 0


class Insights:
    """For as long as it is entered, open meetings are held against Whereby's own account of them.

    What it tells is merged as webhooks are. A meeting whose sessions have all ended is closed by that, one in which
    nobody is any more by `emptied_at`. Of several replicas one asks about each meeting.
    """

    def __init__(
        self,
        whereby: Sessions,
        meetings: Meetings,
        presence: Presence,
        now: Callable[[], datetime],
        every: timedelta,
    ) -> None:
        self._whereby = whereby
        self._meetings = meetings
        self._presence = presence
        self._now = now
        self._every = every
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="insights")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            await end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self.reconcile()
            except ServiceError as error:
                log.warning("insights_interrupted", reason=error.reason)
            except Exception as error:
                log.error("insights_interrupted", exc_info=error)
            await asyncio.sleep(self._every.total_seconds())

    async def reconcile(self) -> None:
        """One round: ask about every open meeting that nobody has asked about lately."""
        this = _Round()
        for _ in range(MOST_BATCHES):
            if self._is_over(this):
                log.warning("insights_postponed", failures=this.failures)
                return
            now = self._now()
            due = await self._meetings.claim(now, now - _EARLY * self._every, BATCH)
            if not due:
                return
            await asyncio.gather(*(self._ask(meeting, this) for meeting in due if meeting.is_active(now)))

    def _is_over(self, this: _Round) -> bool:
        return this.failures >= PATIENCE or not self._whereby.has_points_to_spare

    async def _ask(self, meeting: Meeting, this: _Round) -> None:
        async with self._turns:
            if self._is_over(this):
                return
            try:
                sessions = await self._whereby.room_sessions(meeting)
            except Unavailable:  # logged where it happened
                this.failures += 1
                return
            this.failures = 0
        try:
            await self._take_in(meeting, sessions)
        except ServiceError as error:
            log.warning("sessions_not_recorded", meeting_id=meeting.meeting_id, reason=error.reason)
        except Exception as error:
            log.error("sessions_not_recorded", meeting_id=meeting.meeting_id, exc_info=error)

    async def _take_in(self, meeting: Meeting, sessions: list[Session]) -> None:
        events = [event for session in sessions for event in events_of(meeting, session, self._now())]
        if events and await self._presence.record(*events):
            log.info("sessions_recorded", meeting_id=meeting.meeting_id, sessions=len(sessions))
        if any(session.ended_at is None for session in sessions):
            return
        [meeting] = await self._meetings.get(meeting.meeting_id)
        now = self._now()
        at = emptied_at(meeting, await self._meetings.last_opened_at(meeting.meeting_id), now)
        if at is not None and meeting.is_active(now):
            await self._presence.record(EmptiedEvent(meeting.meeting_id, meeting.whereby_room_name, at))
            log.info("meeting_closed", meeting_id=meeting.meeting_id, empty_since=at.isoformat())


def events_of(meeting: Meeting, session: Session, now: datetime) -> list[SessionEvent]:
    """What a session's row tells, as its webhooks would have."""
    times = ((session.started_at, True), (session.ended_at, False))
    return [
        SessionEvent(meeting.meeting_id, meeting.whereby_room_name, session.session_id, at, started)
        for at, started in times
        if at is not None and is_believable(at, now)
    ]
