"""Rooms in Postgres."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from consent_svc.domain.rooms import Room, RoomSettings
from consent_svc.errors import room_exists, room_not_found
from consent_svc.events import presence_changed
from consent_svc.store.tables import MEETINGS, ROOMS, settings_of


class PostgresRooms:
    """See `consent_svc.domain.rooms.Rooms`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, room: Room) -> None:
        values = {
            "name": room.name,
            "owner_id": room.owner_id,
            "created_at": room.created_at,
            "updated_at": room.updated_at,
            **asdict(room.settings),
        }
        statement = insert(ROOMS).values(values).on_conflict_do_nothing().returning(ROOMS.c.name)
        async with self._database.begin() as connection:
            if await connection.scalar(statement) is None:
                raise room_exists(room.name)

    async def get(self, name: str) -> Room:
        async with self._database.begin() as connection:
            row = (await connection.execute(select(ROOMS).where(ROOMS.c.name == name))).one_or_none()
        if row is None:
            raise room_not_found(name)
        return room_of(row)

    async def page(self, owner_id: str, after: str, limit: int) -> list[Room]:
        query = select(ROOMS).where(ROOMS.c.owner_id == owner_id, ROOMS.c.name > after)
        async with self._database.begin() as connection:
            return [room_of(row) for row in await connection.execute(query.order_by(ROOMS.c.name).limit(limit))]

    async def change(
        self, name: str, owner_id: str, change: Callable[[RoomSettings], RoomSettings], now: datetime
    ) -> Room:
        async with self._database.begin() as connection:
            room = await lock_room(connection, name)
            if room.owner_id != owner_id:
                raise room_not_found(name)
            values = {"updated_at": now, **asdict(change(room.settings))}
            statement = update(ROOMS).where(ROOMS.c.name == name).values(values).returning(ROOMS)
            return room_of((await connection.execute(statement)).one())

    async def remove(self, name: str, owner_id: str, now: datetime) -> None:
        still_open = (MEETINGS.c.room == name, MEETINGS.c.owner_id == owner_id, MEETINGS.c.closed_at.is_(None))
        # In the order in which everyone who locks several meetings does it: answers come in while we wait.
        lock = select(MEETINGS.c.meeting_id).where(*still_open).order_by(MEETINGS.c.meeting_id)
        close = update(MEETINGS).where(*still_open).values(closed_at=now)
        async with self._database.begin() as connection:
            if (await lock_room(connection, name)).owner_id != owner_id:
                raise room_not_found(name)
            await connection.execute(delete(ROOMS).where(ROOMS.c.name == name))
            await connection.execute(lock.with_for_update(key_share=True))
            closed = await connection.execute(close.returning(MEETINGS.c.meeting_id, MEETINGS.c.closes_at))
            ended = sorted(row.meeting_id for row in closed if row.closes_at > now)
            await outbox.put(connection, *map(presence_changed, ended))


async def lock_room(connection: AsyncConnection, name: str) -> Room:
    """The room, for this transaction alone. Raises NotFound (ROOM_NOT_FOUND)."""
    row = (await connection.execute(select(ROOMS).where(ROOMS.c.name == name).with_for_update())).one_or_none()
    if row is None:
        raise room_not_found(name)
    return room_of(row)


def room_of(row: Row[Any]) -> Room:
    """The room in a row."""
    return Room(row.name, row.owner_id, row.created_at, row.updated_at, settings_of(row))
