"""Presence in Postgres."""

from collections import defaultdict
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from consent_svc.domain.presence import (
    Attendance,
    AttendanceEvent,
    Client,
    ClientEvent,
    Evidence,
    FinishedEvent,
    PresenceEvent,
    Session,
    attendance_of,
    session_of,
)
from consent_svc.events import evidence_recorded, presence_changed
from consent_svc.store.meetings import attendance_of_row
from consent_svc.store.tables import ATTENDANCE, CLIENTS, FINISHED_FILES, MEETINGS, PARTICIPANTS, SESSIONS


class PostgresPresence:
    """See `consent_svc.domain.presence.Presence`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, *events: PresenceEvent) -> bool:
        async with self._database.begin() as connection:
            news = [event for event in events if await _take_in(connection, event)]
            if news:
                meeting_id = news[0].meeting_id
                moved = any(not isinstance(event, FinishedEvent) for event in news)
                told = [presence_changed(meeting_id)] if moved else []
                await outbox.put(connection, *told, evidence_recorded(meeting_id))
        return bool(news)

    async def evidence(self, whereby_room_name: str, filename: str) -> list[Evidence]:
        named = (
            select(MEETINGS.c.meeting_id)
            .where(MEETINGS.c.whereby_room_name == whereby_room_name)
            .union(
                select(ATTENDANCE.c.meeting_id).where(ATTENDANCE.c.whereby_room_name == whereby_room_name),
                select(FINISHED_FILES.c.meeting_id).where(FINISHED_FILES.c.filename == filename),
            )
        )
        async with self._database.begin() as connection:
            meeting_ids = list(await connection.scalars(named))
            return await _evidence(connection, meeting_ids, filename)


async def _take_in(connection: AsyncConnection, event: PresenceEvent) -> bool:
    """Merge one event into what is known. Returns whether it told anything new."""
    attendance = await _lock_attendance(connection, event)
    if isinstance(event, FinishedEvent):
        return await _add(connection, FINISHED_FILES, {"filename": event.filename, "meeting_id": event.meeting_id})
    changes = [
        await _merge_attendance(connection, event, attendance),
        await _merge_session(connection, event),
        isinstance(event, ClientEvent) and await _merge_client(connection, event),
    ]
    return any(changes)


async def _lock_attendance(connection: AsyncConnection, event: PresenceEvent) -> Attendance:
    """The meeting's attendance, made where it is missing; ours alone until the transaction ends."""
    new = Attendance()
    values = {"meeting_id": event.meeting_id, "whereby_room_name": event.whereby_room_name, **vars(new)}
    statement = insert(ATTENDANCE).values(values)
    # Changes nothing, but unlike DO NOTHING it locks and returns the row that is there.
    statement = statement.on_conflict_do_update(
        index_elements=[ATTENDANCE.c.meeting_id], set_={"meeting_id": statement.excluded.meeting_id}
    )
    return attendance_of_row((await connection.execute(statement.returning(ATTENDANCE))).one())


async def _merge_attendance(connection: AsyncConnection, event: AttendanceEvent, known: Attendance) -> bool:
    merged = known.merged(attendance_of(event))
    if merged == known:
        return False
    statement = update(ATTENDANCE).where(ATTENDANCE.c.meeting_id == event.meeting_id)
    await connection.execute(statement.values(vars(merged)))
    return True


async def _merge_session(connection: AsyncConnection, event: AttendanceEvent) -> bool:
    told = session_of(event)
    if told is None:
        return False
    key = {"meeting_id": event.meeting_id, "session_id": told.session_id}
    row = await _one(connection, SESSIONS, key)
    known = _session_of(row) if row else None
    merged = known.merged(told) if known else told
    if merged != known:
        await _put(connection, SESSIONS, {**vars(merged), **key})
    return merged != known


async def _merge_client(connection: AsyncConnection, event: ClientEvent) -> bool:
    told = Client.of(event)
    key = {"meeting_id": event.meeting_id, "client_id": event.client_id}
    row = await _one(connection, CLIENTS, key)
    known = _client_of(row) if row else None
    merged = known.merged(told) if known else told
    if merged == known:
        return False
    await _put(connection, CLIENTS, {**vars(merged), **key})
    if merged.is_person and merged.participant_id:
        values = {"meeting_id": event.meeting_id, "participant_id": merged.participant_id}
        await _add(connection, PARTICIPANTS, values)
    return True


async def _one(connection: AsyncConnection, table: Table, key: dict[str, Any]) -> Row[Any] | None:
    query = select(table).where(*(table.c[name] == value for name, value in key.items()))
    return (await connection.execute(query)).one_or_none()


async def _put(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> None:
    statement = insert(table).values(values).on_conflict_do_update(index_elements=list(table.primary_key), set_=values)
    await connection.execute(statement)


async def _add(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> bool:
    statement = insert(table).values(values).on_conflict_do_nothing().returning(table.c.meeting_id)
    return await connection.scalar(statement) is not None


async def _evidence(connection: AsyncConnection, meeting_ids: list[str], filename: str) -> list[Evidence]:
    async def rows(table: Table, *more: ColumnElement[bool]) -> dict[str, list[Row[Any]]]:
        found = defaultdict(list)
        for row in await connection.execute(select(table).where(table.c.meeting_id.in_(meeting_ids), *more)):
            found[row.meeting_id].append(row)
        return found

    meetings, attendance = await rows(MEETINGS), await rows(ATTENDANCE)
    clients, sessions = await rows(CLIENTS), await rows(SESSIONS)
    finished = await rows(FINISHED_FILES, FINISHED_FILES.c.filename == filename)
    opened = select(PARTICIPANTS.c.meeting_id, func.min(PARTICIPANTS.c.opened_at).label("at"))
    opened = opened.where(PARTICIPANTS.c.meeting_id.in_(meeting_ids)).group_by(PARTICIPANTS.c.meeting_id)
    first_opened = {row.meeting_id: row.at for row in await connection.execute(opened)}
    return [
        Evidence(
            meeting_id=meeting_id,
            whereby_room_name=(meetings[meeting_id] or attendance[meeting_id])[0].whereby_room_name,
            is_known=bool(meetings[meeting_id]),
            owner_id=meetings[meeting_id][0].owner_id if meetings[meeting_id] else "",
            first_opened_at=first_opened.get(meeting_id),
            clients=tuple(_client_of(row) for row in clients[meeting_id]),
            sessions=tuple(_session_of(row) for row in sessions[meeting_id]),
            attendance=attendance_of_row(attendance[meeting_id][0]) if attendance[meeting_id] else Attendance(),
            finished_files=frozenset(row.filename for row in finished[meeting_id]),
        )
        for meeting_id in meeting_ids
    ]


def _client_of(row: Row[Any]) -> Client:
    return Client(**{name: value for name, value in row._mapping.items() if name != "meeting_id"})


def _session_of(row: Row[Any]) -> Session:
    return Session(row.session_id, row.started_at, row.ended_at)
