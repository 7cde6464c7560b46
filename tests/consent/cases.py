"""People, times, and short ways to say what happens in a meeting."""

from datetime import UTC, datetime, timedelta

from consent_svc.domain.answers import Submission
from consent_svc.domain.meetings import Admission, Meeting
from consent_svc.domain.presence import ClientEvent, SessionEvent
from consent_svc.domain.rooms import Room, RoomSettings
from consent_svc.domain.verdict import Answer

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ANA, BEN, CEM = "ana-4f1c", "ben-77aa", "cem-0b2d"
OWNER = "owner-olga"
NOBODY = ("", "")  # no participation before
WHEREBY_ROOM = "/standup-7c9e6679"


class Clock:
    """Stands at nine until it is set."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now


def room(name: str = "standup", owner: str = OWNER, settings: RoomSettings | None = None) -> Room:
    """A room made at nine."""
    return Room(name, owner, NINE, NINE, settings or RoomSettings())


def meeting(meeting_id: str = "m-1", of: Room | None = None, started_at: datetime = NINE) -> Meeting:
    """A meeting that Whereby closes eight hours after its start."""
    of = of or room()
    return Meeting(
        meeting_id=meeting_id,
        room=of.name,
        whereby_room_name=WHEREBY_ROOM,
        room_url=f"https://assent.whereby.com{WHEREBY_ROOM}",
        host_room_url=f"https://assent.whereby.com{WHEREBY_ROOM}?roomKey=k",
        owner_id=of.owner_id,
        started_at=started_at,
        closes_at=started_at + 8 * HOUR,
        settings=of.settings,
    )


def admission(new_id: str, user_id: str = "", previous_id: str = "") -> Admission:
    """Somebody at the door."""
    return Admission(user_id, previous_id, new_id)


def says(who: str, answer: Answer, request_id: str, meeting_id: str = "m-1") -> Submission:
    """An answer on its way."""
    return Submission(meeting_id, who, answer, request_id, "2026-01", "en", "fingerprint")


def joined(
    at: datetime, client: str = "c-1", who: str = ANA, count: int = 1, *, dial_in: bool = False, **more: str
) -> ClientEvent:
    """room.client.joined"""
    return _client(at, client, who, count, joined=True, dial_in=dial_in, **more)


def left(
    at: datetime, client: str = "c-1", who: str = ANA, count: int = 0, *, dial_in: bool = False, **more: str
) -> ClientEvent:
    """room.client.left"""
    return _client(at, client, who, count, joined=False, dial_in=dial_in, **more)


def _client(
    at: datetime, client: str, who: str, count: int, *, joined: bool, dial_in: bool, **more: str
) -> ClientEvent:
    return ClientEvent(
        meeting_id=more.get("meeting_id", "m-1"),
        whereby_room_name=more.get("room", WHEREBY_ROOM),
        session_id=more.get("session", ""),
        client_id=client,
        external_id=who,
        role=more.get("role", "visitor"),
        is_dial_in=dial_in,
        num_clients=count,
        at=at,
        joined=joined,
    )


def session(at: datetime, *, started: bool, meeting_id: str = "m-1", name: str = "s-1") -> SessionEvent:
    """room.session.started or ended"""
    return SessionEvent(meeting_id, WHEREBY_ROOM, name, at, started)
