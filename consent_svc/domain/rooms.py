"""Rooms: names that people open again and again, and what their owners chose about them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

_NAME = re.compile(r"[a-z0-9-]{1,64}")
RESERVED_NAMES = frozenset({
    "api", "assets", "consent", "docs", "favicon", "healthz", "meetings", "metrics", "openapi", "readyz",
    "receipts", "recordings", "redoc", "rooms", "static", "transcripts", "v1", "v2", "web", "whereby",
})  # fmt: skip
"""Paths that the gateway serves beside `/{room_name}`, or may serve one day."""

LONGEST_DEADLINE = timedelta(days=365)
LONGEST_RETENTION_DAYS = 36_500


class RecordingType(StrEnum):
    """Where Whereby puts a recording; in Whereby's own words."""

    NONE = "none"
    LOCAL = "local"
    CLOUD = "cloud"


class RecordingTrigger(StrEnum):
    """What makes Whereby begin to record; in Whereby's own words."""

    NONE = "none"
    PROMPT = "prompt"
    AUTOMATIC = "automatic"
    AUTOMATIC_2ND_PARTICIPANT = "automatic-2nd-participant"


class RoomMode(StrEnum):
    """Whereby's room size; in Whereby's own words."""

    NORMAL = "normal"
    GROUP = "group"


class ConsentPolicy(StrEnum):
    """What silence means for the audio."""

    DELETE_ON_DENIAL = "delete_on_denial"
    KEEP_IF_ALL_GRANTED = "keep_if_all_granted"


@dataclass(frozen=True)
class RoomSettings:
    """What an owner may choose. The defaults are what an owner gets who chooses nothing."""

    recording_type: RecordingType = RecordingType.CLOUD
    recording_trigger: RecordingTrigger = RecordingTrigger.AUTOMATIC_2ND_PARTICIPANT
    is_locked: bool = False
    mode: RoomMode = RoomMode.NORMAL
    consent_policy: ConsentPolicy = ConsentPolicy.DELETE_ON_DENIAL
    consent_deadline: timedelta = timedelta(hours=24)
    retention_days: int | None = None


@dataclass(frozen=True)
class Room:
    """A name that people open in the browser, and whose it is."""

    name: str
    owner_id: str
    created_at: datetime
    updated_at: datetime
    settings: RoomSettings = field(default_factory=RoomSettings)


def fault_of_name(name: str) -> str | None:
    """Why this cannot be a room's name; None when it can."""
    if not _NAME.fullmatch(name):
        return "a room's name is 1 to 64 of a-z, 0-9 and -"
    if name in RESERVED_NAMES:
        return f"{name} is a path of Assent itself: choose another name"
    return None


def fault_of_settings(settings: RoomSettings) -> str | None:
    """Why a room cannot have these settings; None when it can."""
    if not timedelta(0) < settings.consent_deadline <= LONGEST_DEADLINE:
        return f"consent_deadline must be above 0 and at most {LONGEST_DEADLINE.days} days"
    if settings.retention_days is not None and not 1 <= settings.retention_days <= LONGEST_RETENTION_DAYS:
        return f"retention_days must be 1 to {LONGEST_RETENTION_DAYS}, or absent to keep the audio"
    return None


class Rooms(Protocol):
    """Where rooms are kept."""

    async def add(self, room: Room) -> None:
        """Raises AlreadyExists (ROOM_EXISTS)."""

    async def get(self, name: str) -> Room:
        """Raises NotFound (ROOM_NOT_FOUND)."""

    async def page(self, owner_id: str, after: str, limit: int) -> list[Room]:
        """An owner's rooms by name, those after `after` in the alphabet."""

    async def change(
        self, name: str, owner_id: str, change: Callable[[RoomSettings], RoomSettings], now: datetime
    ) -> Room:
        """Apply `change` to the settings as they are. Raises NotFound (ROOM_NOT_FOUND)."""

    async def remove(self, name: str, owner_id: str, now: datetime) -> None:
        """Remove the room and end its open meetings, which stay. Raises NotFound (ROOM_NOT_FOUND)."""
