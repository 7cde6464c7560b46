"""Who was in a meeting when, from webhooks that may be lost, repeated or reordered.

Every rule here gives the same result in whatever order, and however often, the events are applied.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, Self

NOT_PEOPLE = frozenset({"recorder", "streamer", "captioner"})
RECORDER = "recorder"
_PARTICIPANT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


def is_participant_id(value: str) -> bool:
    """Whether Whereby would take this as an externalId, and so whether we could have issued it."""
    return _PARTICIPANT_ID.fullmatch(value) is not None


@dataclass(frozen=True)
class ClientEvent:
    """room.client.joined or room.client.left."""

    meeting_id: str
    whereby_room_name: str
    session_id: str
    client_id: str
    external_id: str
    role: str
    is_dial_in: bool
    num_clients: int
    at: datetime
    joined: bool


@dataclass(frozen=True)
class SessionEvent:
    """room.session.started or room.session.ended."""

    meeting_id: str
    whereby_room_name: str
    session_id: str
    at: datetime
    started: bool


@dataclass(frozen=True)
class FinishedEvent:
    """recording.finished."""

    meeting_id: str
    whereby_room_name: str
    filename: str


@dataclass(frozen=True)
class EmptiedEvent:
    """Nobody has been in the meeting since then: no webhook said so, we concluded it (see `meetings.emptied_at`)."""

    meeting_id: str
    whereby_room_name: str
    at: datetime


PresenceEvent = ClientEvent | SessionEvent | FinishedEvent | EmptiedEvent
AttendanceEvent = ClientEvent | SessionEvent | EmptiedEvent


@dataclass(frozen=True)
class Client:
    """One stay in a Whereby room. Whereby gives every join an id of its own."""

    client_id: str
    participant_id: str
    role: str
    is_dial_in: bool
    session_id: str
    joined_at: datetime | None
    left_at: datetime | None
    is_present: bool
    changed_at: datetime

    @property
    def is_person(self) -> bool:
        """Recorder, streamer and captioner are not."""
        return self.role not in NOT_PEOPLE

    @classmethod
    def of(cls, event: ClientEvent) -> Self:
        """What one event tells."""
        return cls(
            client_id=event.client_id,
            participant_id=_participant_id(event),
            role=event.role,
            is_dial_in=event.is_dial_in,
            session_id=event.session_id,
            joined_at=event.at if event.joined else None,
            left_at=None if event.joined else event.at,
            is_present=event.joined,
            changed_at=event.at,
        )

    def merged(self, other: "Client") -> "Client":
        """Both together: the newest event says whether the client is there; at one instant, leaving does."""
        newest = max(self, other, key=lambda client: (client.changed_at, not client.is_present))
        is_dial_in = self.is_dial_in or other.is_dial_in
        return replace(
            newest,
            participant_id="" if is_dial_in else max(self.participant_id, other.participant_id),
            role=max(self.role, other.role),
            is_dial_in=is_dial_in,
            session_id=max(self.session_id, other.session_id),
            joined_at=earliest(self.joined_at, other.joined_at),
            left_at=latest(self.left_at, other.left_at),
        )


def _participant_id(event: ClientEvent) -> str:
    # A telephone shows nobody our page; and what we did not issue might be somebody's name.
    return event.external_id if is_participant_id(event.external_id) and not event.is_dial_in else ""


@dataclass(frozen=True)
class Session:
    """A stretch of time in which Whereby saw people in the room."""

    session_id: str
    started_at: datetime | None
    ended_at: datetime | None

    def merged(self, other: "Session") -> "Session":
        """Both together."""
        return replace(
            self,
            started_at=earliest(self.started_at, other.started_at),
            ended_at=latest(self.ended_at, other.ended_at),
        )


@dataclass(frozen=True)
class Attendance:
    """How a meeting stands as a whole: Whereby's last count, and when a session began and ended last."""

    num_clients: int = 0
    counted_at: datetime | None = None
    counted_by_leaving: bool = False
    last_started_at: datetime | None = None
    last_ended_at: datetime | None = None

    def merged(self, other: "Attendance") -> "Attendance":
        """Both together. The newest count holds; of several at one instant, the one that was true last."""
        newest = max(self, other, key=Attendance._count_order)
        return replace(
            newest,
            last_started_at=latest(self.last_started_at, other.last_started_at),
            last_ended_at=latest(self.last_ended_at, other.last_ended_at),
        )

    def _count_order(self) -> tuple[float, bool, int]:
        at = self.counted_at.timestamp() if self.counted_at else float("-inf")
        return at, self.counted_by_leaving, -self.num_clients if self.counted_by_leaving else self.num_clients

    @property
    def is_unheard_of(self) -> bool:
        """Whether Whereby has told nothing at all: no one who came or went, and no session."""
        return self.counted_at is None and self.last_started_at is None

    @property
    def session_ended_at(self) -> datetime | None:
        """When the last session ended; None before the first one's end and while a later one goes on."""
        ended, started = self.last_ended_at, self.last_started_at
        return ended if ended and (started is None or started <= ended) else None

    @property
    def empty_since(self) -> datetime | None:
        """When the last client left by Whereby's count; None while somebody is there or nobody ever was."""
        if self.counted_at is None or self.num_clients > 0:
            return None
        # Of whoever made a session after that count no webhook came, but they are there.
        return self.counted_at if self.last_started_at is None or self.last_started_at <= self.counted_at else None


def session_of(event: AttendanceEvent) -> Session | None:
    """What an event tells of a session, if anything: who joined proves that it had begun."""
    if isinstance(event, EmptiedEvent) or not event.session_id:
        return None
    if isinstance(event, ClientEvent) and not event.joined:
        return None
    if isinstance(event, SessionEvent) and not event.started:
        return Session(event.session_id, None, event.at)
    return Session(event.session_id, event.at, None)


def attendance_of(event: AttendanceEvent) -> Attendance:
    """What an event tells of the meeting as a whole."""
    if isinstance(event, EmptiedEvent):
        return Attendance(last_ended_at=event.at)
    if isinstance(event, ClientEvent):
        began = event.at if event.joined and event.role not in NOT_PEOPLE else None
        count = max(event.num_clients, 1 if event.joined else 0)  # who joined is there, whatever was counted
        return Attendance(count, event.at, not event.joined, last_started_at=began)
    if event.started:
        return Attendance(last_started_at=event.at)
    return Attendance(0, event.at, counted_by_leaving=True, last_ended_at=event.at)


AHEAD = timedelta(hours=1)
"""How far Whereby's clock may be ahead of ours."""


def is_believable(at: datetime, now: datetime) -> bool:
    """Whether something can have happened then: a time from far ahead would hold every decision up until it comes."""
    return at <= now + AHEAD


def earliest(*times: datetime | None) -> datetime | None:
    """The earliest of those known."""
    return min((time for time in times if time is not None), default=None)


def latest(*times: datetime | None) -> datetime | None:
    """The latest of those known."""
    return max((time for time in times if time is not None), default=None)


@dataclass(frozen=True)
class Evidence:
    """All that is known of one meeting's presence, for finding the meeting of a recording."""

    meeting_id: str
    whereby_room_name: str
    # Whether we opened it: events of meetings that we do not know (yet) are kept too.
    is_known: bool = True
    # The owner of its room; empty while it is not known.
    owner_id: str = ""
    first_opened_at: datetime | None = None
    clients: tuple[Client, ...] = ()
    sessions: tuple[Session, ...] = ()
    attendance: Attendance = field(default_factory=Attendance)
    finished_files: frozenset[str] = frozenset()


class Presence(Protocol):
    """Where presence is kept."""

    async def record(self, *events: PresenceEvent) -> bool:
        """Take in events of one meeting, be it known (yet) or not. Returns whether they told anything new."""

    async def evidence(self, whereby_room_name: str, filename: str) -> list[Evidence]:
        """Of every meeting in that Whereby room, and of those that a webhook named this file for."""
