"""Keeps what waits to be transcribed, and says whose turn it is: no room waits for another to be done."""

import re
import uuid
from collections.abc import Collection
from typing import Protocol

from sqlalchemy import text

from chassis.database import Database
from transcript_svc.domain import FINAL, Recording, Status

# Whereby's name for it: [folder/]<room name>[-<uuid of this meeting's own room>]-<start, ISO 8601>.mp4|mkv
_OF_ONE_CALL = re.compile(r"(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?-\d{4}-?\d{2}-?\d{2}T[^/]*$")

_ENTER = text("""
INSERT INTO transcripts (id, recording_id, status, meeting_ids, owner_id)
VALUES (:id, :recording_id, :queued, :meeting_ids, :owner_id)
ON CONFLICT (recording_id) DO NOTHING
""")
_WAIT = text("""
INSERT INTO jobs (recording_id, room)
SELECT recording_id, :room FROM transcripts WHERE recording_id = :recording_id AND status <> ALL(:final)
ON CONFLICT (recording_id) DO NOTHING
""")
_TIDY = text("""
DELETE FROM jobs USING transcripts
WHERE transcripts.recording_id = jobs.recording_id AND transcripts.status = ANY(:final)
""")
# Of each room that which was announced first; of the rooms that which has the least in work, and then that which was
# served longest ago.
_TURNS = text("""
WITH unfinished AS (
    SELECT jobs.recording_id, jobs.room, jobs.announced_at,
           coalesce(held_until > clock_timestamp(), false) AS busy, instance
    FROM jobs JOIN transcripts USING (recording_id)
    WHERE status <> ALL(:final)
), first AS (
    SELECT DISTINCT ON (room) recording_id, room, announced_at FROM unfinished
    WHERE (NOT busy OR instance = :instance) AND recording_id <> ALL(:besides)
    ORDER BY room, announced_at, recording_id
), busy AS (
    SELECT room, count(*) AS jobs FROM unfinished WHERE busy GROUP BY room
)
SELECT first.recording_id
FROM first LEFT JOIN busy USING (room) LEFT JOIN rooms_served USING (room)
ORDER BY coalesce(busy.jobs, 0), begun_at NULLS FIRST, announced_at, first.recording_id
LIMIT :most
""")
_SERVED = text("""
INSERT INTO rooms_served (room, begun_at)
SELECT room, clock_timestamp() FROM jobs WHERE recording_id = :recording_id
ON CONFLICT (room) DO UPDATE SET begun_at = excluded.begun_at
""")


class Queue(Protocol):
    """Postgres in a service, a list in tests."""

    async def put(self, recording: Recording) -> None:
        """It waits to be transcribed from now on, and its transcript can be seen, unless that has ended."""
        ...

    async def turns(self, instance: str, besides: Collection[str], most: int) -> list[str]:
        """Recordings whose turn it is, the fairest first, at most one of each room.

        Not those that another instance holds, nor those named. Whoever begins one must be ready to find it begun.
        """
        ...

    async def served(self, recording_id: str) -> None:
        """It was this room's turn."""
        ...


class PostgresQueue:
    """The store behind Queue. Times are the database's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, recording: Recording) -> None:
        entry = {"id": str(uuid.uuid4()), "recording_id": recording.id, "queued": Status.QUEUED.value}
        whose = {"meeting_ids": list(recording.meeting_ids), "owner_id": recording.owner_id}
        job = {"recording_id": recording.id, "room": room_of(recording.object_key), "final": _final()}
        async with self._database.begin() as connection:
            await connection.execute(_ENTER, entry | whose)
            await connection.execute(_WAIT, job)

    async def turns(self, instance: str, besides: Collection[str], most: int) -> list[str]:
        asked = {"final": _final(), "instance": instance, "besides": list(besides), "most": most}
        async with self._database.begin() as connection:
            await connection.execute(_TIDY, {"final": _final()})
            return list(await connection.scalars(_TURNS, asked))

    async def served(self, recording_id: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(_SERVED, {"recording_id": recording_id})


def room_of(object_key: str) -> str:
    """What the room is called, whichever of its meetings it was; a name of another kind is a room of its own."""
    return _OF_ONE_CALL.sub("", object_key)


def _final() -> list[str]:
    return sorted(status.value for status in FINAL)
