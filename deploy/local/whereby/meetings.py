"""What the stand-in knows: its meetings, who is in them, their sessions and recordings; kept in one file."""

import secrets
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from deploy.local.run_dir import write_private

Role = Literal["host", "visitor", "recorder", "streamer", "captioner"]
Trigger = Literal["none", "prompt", "automatic", "automatic-2nd-participant"]
NOT_PEOPLE = {"recorder", "streamer", "captioner"}
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jasper", "lagoon", "maple")


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Client(BaseModel):
    """A person, or a machine such as the recorder, in a room."""

    participant_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    display_name: str
    external_id: str | None = None
    metadata: str | None = None
    role: Role = "visitor"
    is_dial_in: bool = False


class Session(BaseModel):
    """A stretch of time in which at least two people were in the room."""

    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime
    ended_at: datetime | None = None


class Destination(BaseModel):
    """The bucket that recordings go to, and the credentials for it."""

    bucket: str
    access_key_id: str
    secret_access_key: str
    file_format: Literal["mp4", "mkv"] = "mp4"


class Meeting(BaseModel):
    """One meeting, as `POST /v1/meetings` made it."""

    id: str
    room: str  # without the slash that the API shows
    start: datetime
    end: datetime
    locked: bool
    host_key: str
    recording: Literal["none", "local", "cloud"]
    trigger: Trigger
    destination: Destination | None
    clients: list[Client] = []
    knocking: list[Client] = []
    sessions: list[Session] = []
    recording_since: datetime | None = None

    @property
    def people(self) -> list[Client]:
        """Who is in the room, machines left out."""
        return [client for client in self.clients if client.role not in NOT_PEOPLE]

    @property
    def recorder(self) -> Client | None:
        """The recorder while it is there."""
        return next((client for client in self.clients if client.role == "recorder"), None)

    @property
    def session(self) -> Session | None:
        """The running session."""
        return self.sessions[-1] if self.sessions and self.sessions[-1].ended_at is None else None

    def roles(self) -> dict[str, int]:
        """How many of each role are in the room."""
        return dict(Counter(client.role for client in self.clients))


class _File(BaseModel):
    meetings: list[Meeting] = []


class Meetings:
    """All meetings. They outlive the process, as the real ones do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _File.model_validate_json(path.read_bytes()) if path.exists() else _File()

    def all(self) -> list[Meeting]:
        """Every meeting, the oldest first."""
        return self._file.meetings

    def add(self, meeting: Meeting) -> None:
        """Keep a new meeting."""
        self._file.meetings.append(meeting)
        self.save()

    def remove(self, meeting: Meeting) -> None:
        """Forget a meeting."""
        self._file.meetings.remove(meeting)
        self.save()

    def by_id(self, meeting_id: str) -> Meeting | None:
        """The meeting with this id."""
        return next((meeting for meeting in self.all() if meeting.id == meeting_id), None)

    def by_room(self, room: str) -> Meeting | None:
        """The meeting in this room; the name may have its slash."""
        return next((meeting for meeting in self.all() if meeting.room == room.removeprefix("/")), None)

    def save(self) -> None:
        """Write everything down."""
        write_private(self._path, self._file.model_dump_json(indent=1).encode())


def room_name(prefix: str, pattern: str) -> str:
    """A new room's name: a UUID, or with pattern `human-short` a few words."""
    name = "-".join(secrets.choice(WORDS) for _ in range(3)) + f"-{secrets.randbelow(1000)}"
    return prefix + (name if pattern == "human-short" else str(uuid.uuid4()))
