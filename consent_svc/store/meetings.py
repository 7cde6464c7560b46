"""Meetings in Postgres."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from consent_svc.domain.meetings import Admission, Meeting
from consent_svc.domain.presence import Attendance
from consent_svc.errors import meeting_not_found, room_not_found
from consent_svc.events import evidence_recorded, presence_changed
from consent_svc.history import GENESIS
from consent_svc.store.rooms import lock_room
from consent_svc.store.tables import ATTENDANCE, MEETINGS, PARTICIPANTS, settings_of

_SALT_BYTES = 16

# One statement, so that of several replicas one gets each meeting; in one order, so that none waits for the other.
_CLAIM = text("""
WITH due AS (
    SELECT meetings.meeting_id
    FROM meetings LEFT JOIN attendance USING (meeting_id) LEFT JOIN insights USING (meeting_id)
    WHERE closed_at IS NULL AND closes_at > :now
      AND (last_ended_at IS NULL OR last_started_at IS NULL OR last_started_at > last_ended_at)
      AND (asked_at IS NULL OR asked_at <= :asked_before)
    ORDER BY asked_at NULLS FIRST, meetings.meeting_id
    LIMIT :limit
)
INSERT INTO insights (meeting_id, asked_at)
SELECT meeting_id, :now FROM due ORDER BY meeting_id
ON CONFLICT (meeting_id) DO UPDATE SET asked_at = excluded.asked_at WHERE insights.asked_at <= :asked_before
RETURNING meeting_id
""")


class PostgresMeetings:
    """See `consent_svc.domain.meetings.Meetings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def active(self, room_name: str, now: datetime) -> Meeting | None:
        async with self._database.begin() as connection:
            return await _active(connection, room_name, now)

    async def open(self, meeting: Meeting, now: datetime) -> Meeting:
        async with self._database.begin() as connection:
            if (await lock_room(connection, meeting.room)).owner_id != meeting.owner_id:
                raise room_not_found(meeting.room)
            # Looked for under the lock: whoever had it before us has committed the meeting we want.
            if active := await _active(connection, meeting.room, now):
                return active
            await connection.execute(insert(MEETINGS).values(_values(meeting)))
            # Its recorder, or even its recording, may have been heard of before.
            await outbox.put(connection, evidence_recorded(meeting.meeting_id))
        return meeting

    async def admit(self, meeting_id: str, admission: Admission, now: datetime) -> str:
        async with self._database.begin() as connection:
            participant_id = admission.user_id or await _issued(connection, meeting_id, admission) or admission.new_id
            values = {"meeting_id": meeting_id, "participant_id": participant_id, "opened_at": now}
            statement = (
                postgresql.insert(PARTICIPANTS)
                .values(values)
                .on_conflict_do_update(
                    index_elements=list(PARTICIPANTS.primary_key),
                    set_={"opened_at": now},
                    where=PARTICIPANTS.c.opened_at.is_(None),
                )
                .returning(PARTICIPANTS.c.participant_id)
            )
            if await connection.scalar(statement) is not None:
                await outbox.put(connection, presence_changed(meeting_id))
        return participant_id

    async def claim(self, now: datetime, asked_before: datetime, limit: int) -> list[Meeting]:
        values = {"now": now, "asked_before": asked_before, "limit": limit}
        async with self._database.begin() as connection:
            return await load_meetings(connection, list(await connection.scalars(_CLAIM, values)))

    async def last_opened_at(self, meeting_id: str) -> datetime | None:
        query = select(func.max(PARTICIPANTS.c.opened_at)).where(PARTICIPANTS.c.meeting_id == meeting_id)
        async with self._database.begin() as connection:
            found: datetime | None = await connection.scalar(query)
        return found

    async def get(self, *meeting_ids: str) -> list[Meeting]:
        async with self._database.begin() as connection:
            return await load_meetings(connection, meeting_ids)

    async def page(
        self, room_name: str, owner_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Meeting]:
        place = tuple_(MEETINGS.c.started_at, MEETINGS.c.meeting_id)
        query = _meetings().where(MEETINGS.c.room == room_name, MEETINGS.c.owner_id == owner_id)
        if before is not None:
            query = query.where(place < before)
        query = query.order_by(MEETINGS.c.started_at.desc(), MEETINGS.c.meeting_id.desc()).limit(limit)
        async with self._database.begin() as connection:
            return [_meeting_of(row) for row in await connection.execute(query)]


async def load_meetings(connection: AsyncConnection, meeting_ids: Sequence[str]) -> list[Meeting]:
    """These meetings, in this order. Raises NotFound (MEETING_NOT_FOUND) when one of them is not known."""
    rows = await connection.execute(_meetings().where(MEETINGS.c.meeting_id.in_(meeting_ids)))
    found = {row.meeting_id: _meeting_of(row) for row in rows}
    for meeting_id in meeting_ids:
        if meeting_id not in found:
            raise meeting_not_found(meeting_id)
    return [found[meeting_id] for meeting_id in meeting_ids]


async def require_meeting(connection: AsyncConnection, meeting_id: str) -> None:
    """Raises NotFound (MEETING_NOT_FOUND)."""
    if await connection.scalar(select(MEETINGS.c.revision).where(MEETINGS.c.meeting_id == meeting_id)) is None:
        raise meeting_not_found(meeting_id)


async def _active(connection: AsyncConnection, room_name: str, now: datetime) -> Meeting | None:
    query = _meetings().where(MEETINGS.c.room == room_name, MEETINGS.c.closed_at.is_(None), MEETINGS.c.closes_at > now)
    rows = await connection.execute(query.order_by(MEETINGS.c.started_at.desc()))
    return next((meeting for row in rows if (meeting := _meeting_of(row)).is_active(now)), None)


async def _issued(connection: AsyncConnection, meeting_id: str, admission: Admission) -> str | None:
    if not admission.previous_id:
        return None
    query = select(PARTICIPANTS.c.participant_id).where(
        PARTICIPANTS.c.meeting_id == meeting_id,
        PARTICIPANTS.c.participant_id == admission.previous_id,
        PARTICIPANTS.c.opened_at.is_not(None),
    )
    found: str | None = await connection.scalar(query)
    return found


def _meetings() -> Select[Any]:
    attendance = [column for column in ATTENDANCE.c if column.name not in MEETINGS.c]
    return select(MEETINGS, *attendance).outerjoin(ATTENDANCE, ATTENDANCE.c.meeting_id == MEETINGS.c.meeting_id)


def _meeting_of(row: Row[Any]) -> Meeting:
    return Meeting(
        meeting_id=row.meeting_id,
        room=row.room,
        whereby_room_name=row.whereby_room_name,
        room_url=row.room_url,
        host_room_url=row.host_room_url,
        owner_id=row.owner_id,
        started_at=row.started_at,
        closes_at=row.closes_at,
        settings=settings_of(row),
        closed_at=row.closed_at,
        attendance=attendance_of_row(row),
    )


def attendance_of_row(row: Row[Any]) -> Attendance:
    """The attendance in a row that has its columns, if only as nulls of an outer join."""
    return Attendance(
        num_clients=row.num_clients or 0,
        counted_at=row.counted_at,
        counted_by_leaving=bool(row.counted_by_leaving),
        last_started_at=row.last_started_at,
        last_ended_at=row.last_ended_at,
    )


def _values(meeting: Meeting) -> dict[str, Any]:
    own = {
        name: getattr(meeting, name)
        for name in (
            "meeting_id", "room", "whereby_room_name", "room_url", "host_room_url", "owner_id", "started_at",
            "closes_at", "closed_at",
        )
    }  # fmt: skip
    chain = {"salt": secrets.token_bytes(_SALT_BYTES), "revision": 0, "head_hash": GENESIS}
    return {**own, **asdict(meeting.settings), **chain}
