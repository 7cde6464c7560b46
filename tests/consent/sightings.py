"""What must be known of one meeting's presence, whatever the order in which the webhooks came."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from typing import TypeVar

from consent_svc.domain.presence import (
    Attendance,
    Client,
    ClientEvent,
    EmptiedEvent,
    Evidence,
    FinishedEvent,
    PresenceEvent,
    Session,
    SessionEvent,
    attendance_of,
    session_of,
)

Merging = TypeVar("Merging", Client, Session)


class Sightings:
    """All events told of one meeting, as a set: merged in an order of its own, never in that of arrival."""

    def __init__(self) -> None:
        self._events: set[PresenceEvent] = set()
        self.clients: dict[str, Client] = {}
        self.sessions: dict[str, Session] = {}
        self.attendance = Attendance()

    def add(self, *events: PresenceEvent) -> bool:
        """Whether these told anything new."""
        before = self.clients, self.sessions, self.attendance, self.finished_files
        self._events.update(events)
        told = sorted((event for event in self._events if not isinstance(event, FinishedEvent)), key=repr)
        self.clients = _merged((event.client_id, Client.of(event)) for event in told if isinstance(event, ClientEvent))
        sessions = (session for event in told if (session := session_of(event)))
        self.sessions = _merged((session.session_id, session) for session in sessions)
        self.attendance = reduce(Attendance.merged, map(attendance_of, told), Attendance())
        return before != (self.clients, self.sessions, self.attendance, self.finished_files)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever told."""
        return not self._events

    @property
    def finished_files(self) -> frozenset[str]:
        """Recordings that ended."""
        return frozenset(event.filename for event in self._events if isinstance(event, FinishedEvent))

    @property
    def people(self) -> set[str]:
        """Participants that were seen to join or leave."""
        return {client.participant_id for client in self.clients.values() if client.is_person} - {""}

    @property
    def strangers(self) -> tuple[int, int]:
        """Stays of people whom our page never saw: by telephone, and by Whereby's own address."""
        stays = [one.is_dial_in for one in self.clients.values() if one.is_person and not one.participant_id]
        return stays.count(True), stays.count(False)

    @property
    def session_ended_at(self) -> datetime | None:
        """When the last session ended; None while one may be going on."""
        starts, ends = [], []
        for event in self._events:
            if isinstance(event, EmptiedEvent) or (isinstance(event, SessionEvent) and not event.started):
                ends.append(event.at)
            elif isinstance(event, SessionEvent) or (isinstance(event, ClientEvent) and _is_somebody_coming(event)):
                starts.append(event.at)
        return max(ends) if ends and (not starts or max(starts) <= max(ends)) else None

    def check(self, found: Evidence) -> None:
        """Compare with what a store has made of it."""
        what = (set(found.clients), set(found.sessions), found.attendance, found.finished_files)
        expected = (set(self.clients.values()), set(self.sessions.values()), self.attendance, self.finished_files)
        assert what == expected, f"C6: presence depends on the order of webhooks: {what} instead of {expected}"


def _is_somebody_coming(event: ClientEvent) -> bool:
    return event.joined and event.role != "recorder"


def _merged(told: Iterable[tuple[str, Merging]]) -> dict[str, Merging]:
    merged: dict[str, Merging] = {}
    for key, one in told:
        merged[key] = merged.get(key, one).merged(one)
    return merged
