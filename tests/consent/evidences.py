"""Short ways to say what is known of meetings, and which recording is looked for."""

from datetime import datetime, timedelta

from consent_svc.domain.presence import (
    Attendance,
    Client,
    ClientEvent,
    Evidence,
    FinishedEvent,
    PresenceEvent,
    Session,
    attendance_of,
    session_of,
)
from consent_svc.matching import Recording
from tests.consent.cases import ANA, BEN, WHEREBY_ROOM, joined, left, session

HALF = timedelta(minutes=30)


def evidence(
    meeting_id: str,
    *events: PresenceEvent,
    known: bool = True,
    opened_at: datetime | None = None,
    files: tuple[str, ...] = (),
    room: str = WHEREBY_ROOM,
) -> Evidence:
    """What the store would gather from these events."""
    clients: dict[str, Client] = {}
    sessions: dict[str, Session] = {}
    attendance = Attendance()
    for event in events:
        assert not isinstance(event, FinishedEvent)
        attendance = attendance.merged(attendance_of(event))
        if told := session_of(event):
            sessions[told.session_id] = sessions.get(told.session_id, told).merged(told)
        if isinstance(event, ClientEvent):
            client = Client.of(event)
            clients[client.client_id] = clients.get(client.client_id, client).merged(client)
    return Evidence(
        meeting_id=meeting_id,
        whereby_room_name=room,
        is_known=known,
        owner_id="owner" if known else "",
        first_opened_at=opened_at,
        clients=tuple(clients.values()),
        sessions=tuple(sessions.values()),
        attendance=attendance,
        finished_files=frozenset(files),
    )


def people(meeting_id: str, start: datetime, end: datetime, known: bool = True) -> Evidence:
    """A meeting with two people in it, from then to then."""
    return evidence(
        meeting_id,
        joined(start, "c-1", ANA, 1, session="s"), joined(start, "c-2", BEN, 2, session="s"),
        left(end, "c-1", ANA, 1, session="s"), left(end, "c-2", BEN, 0, session="s"),
        session(end, started=False, name="s"),
        known=known,
    )  # fmt: skip


def recorder(meeting_id: str, start: datetime, end: datetime | None = None, known: bool = True) -> Evidence:
    """A meeting that the recorder joined, and left if that was heard."""
    gone = [left(end, "c-r", "", 0, role="recorder")] if end else []
    return evidence(meeting_id, joined(start, "c-r", "", 1, role="recorder"), *gone, known=known)


def recording(start: datetime, duration: timedelta | None = HALF, room: str = WHEREBY_ROOM) -> Recording:
    return Recording(room, FILE, start, duration)


FILE = "standup-7c9e6679-2026-03-02T09:00:00Z.mp4"
