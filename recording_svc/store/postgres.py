"""The store in Postgres."""

import json
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, false, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from recording_svc.domain.recordings import GOING, Arrival, Copy, CopyKind, CopyState, Recording, StaleError, State
from recording_svc.domain.settling import bound
from recording_svc.events import discovered
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Page, PlaceTakenError, RecordingGoneError
from recording_svc.store.tables import (
    COPIES,
    RECORDINGS,
    REMOVED,
    recording_values,
    remnant_values,
    to_copy,
    to_recording,
    to_remnant,
)

_R, _C = RECORDINGS.c, COPIES.c
_WRITTEN = ", ".join(column.name for column in _R)
_PLACED = ", ".join(column.name for column in _C)
# One statement whatever their number: the text is planned once.
_TAKE_IN = f"""
    WITH new AS (
        INSERT INTO recordings ({_WRITTEN}) SELECT {_WRITTEN} FROM json_populate_recordset(NULL::recordings, $1::json)
        ON CONFLICT DO NOTHING RETURNING recording_id
    ), originals AS (
        INSERT INTO copies ({_PLACED})
        SELECT {_PLACED} FROM json_populate_recordset(NULL::copies, $2::json) JOIN new USING (recording_id)
    )
    SELECT recording_id FROM new
"""  # noqa: S608  # columns of ours
_FOUND = ", ".join(column.name for column in REMOVED.c)
_NOTE = f"""
    INSERT INTO removed_objects ({_FOUND}) SELECT {_FOUND} FROM json_populate_recordset(NULL::removed_objects, $1::json)
    ON CONFLICT DO NOTHING
"""  # noqa: S608


class PostgresRecordings:
    """Recordings in the service's own database. `locks` is a pool of its own: one connection for each hold."""

    def __init__(self, database: Database, locks: Database) -> None:
        self._database = database
        self._locks = locks

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> list[Recording]:
        unique = sorted({(one.bucket, one.key, one.version_id): one for one in arrivals}.items())
        if not unique:
            return []
        made = [
            Recording(str(uuid.uuid4()), *identity, one.size_bytes, now, next_look_at=now) for identity, one in unique
        ]
        async with self._database.begin() as connection:
            new = await _insert(connection, made, now)
            if new:
                # What was erased before needs no second transcript: it is due at once, and goes.
                versions = await _before(connection, new)
                told = [discovered(one) for one in new if bound(one, versions).bound_by is None]
                await outbox.put(connection, *told)
            if len(new) < len(made):
                # Without versions the same key may come back under the id that was erased.
                back = tuple_(_R.bucket, _R.object_key, _R.version_id).in_([identity for identity, _ in unique])
                await _make_due(connection, back & (_R.state == State.ERASED), now)
        return new

    async def get(self, recording_id: str) -> Recording | None:
        async with self._database.begin() as connection:
            row = (await connection.execute(select(RECORDINGS).where(_R.recording_id == recording_id))).one_or_none()
        return None if row is None else to_recording(row)

    async def page(self, wanted: Page) -> list[Recording]:
        query = select(RECORDINGS).order_by(_R.discovered_at.desc(), _R.recording_id.desc()).limit(wanted.size)
        if wanted.meeting_id:
            query = query.where(_R.meeting_ids.contains([wanted.meeting_id]))
        if wanted.owner_id:
            query = query.where(_R.owner_id == wanted.owner_id)
        if wanted.after:
            query = query.where(tuple_(_R.discovered_at, _R.recording_id) < wanted.after)
        async with self._database.begin() as connection:
            return [to_recording(row) for row in await connection.execute(query)]

    async def ids_of_meetings(self, *meeting_ids: str, or_unmatched: bool = False) -> list[str]:
        unmatched = (_R.meeting_ids == []) & (_R.state != State.ERASED) if or_unmatched else false()
        query = select(_R.recording_id).where(or_(_R.meeting_ids.overlap(list(meeting_ids)), unmatched))
        async with self._database.begin() as connection:
            return list(await connection.scalars(query))

    async def save(
        self, recording: Recording, *events: Message, copies: Mapping[CopyKind, CopyState] | None = None
    ) -> Recording:
        written = replace(recording, revision=recording.revision + 1)
        same = (_R.recording_id == recording.recording_id) & (_R.revision == recording.revision)
        async with self._database.begin() as connection:
            stored = await connection.execute(update(RECORDINGS).where(same).values(recording_values(written)))
            if not stored.rowcount:
                raise StaleError(recording.recording_id)
            for kind, state in (copies or {}).items():
                await _set_copies(connection, recording, kind, state)
            if events:
                await outbox.put(connection, *events)
        return written

    async def announce(self, *events: Message) -> None:
        async with self._database.begin() as connection:
            await outbox.put(connection, *events)

    @asynccontextmanager
    async def exclusively(self, recording_id: str) -> AsyncIterator[bool]:
        # The lock belongs to the transaction: a replica that dies gives it back with its connection.
        async with self._locks.begin() as connection:
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            lock = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:recording_id, 0))")
            yield bool(await connection.scalar(lock, {"recording_id": recording_id}))

    async def claim_due(self, now: datetime, again_at: datetime, limit: int) -> list[str]:
        due = (
            select(_R.recording_id)
            .where(_R.next_look_at <= now)
            # What is kept can wait for what must go, or is not decided yet.
            .order_by(_R.state == State.KEPT, _R.next_look_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claim = update(RECORDINGS).where(_R.recording_id.in_(due.scalar_subquery())).values(next_look_at=again_at)
        async with self._database.begin() as connection:
            return list(await connection.scalars(claim.returning(_R.recording_id)))

    async def look_now(self, recording_ids: Collection[str], now: datetime) -> None:
        if recording_ids:
            async with self._database.begin() as connection:
                await _make_due(connection, _R.recording_id.in_(recording_ids), now)

    async def look_now_for(self, reasons: Collection[str], now: datetime) -> None:
        which = _R.state.in_((State.UNDECIDED, State.FAILED)) & _R.reason.in_(reasons)
        async with self._database.begin() as connection:
            await _make_due(connection, which, now)

    async def copies(self, *recording_ids: str) -> Sequence[Copy]:
        query = select(COPIES).where(_C.recording_id.in_(recording_ids)).order_by(_C.registered_at, _C.copy_id)
        async with self._database.begin() as connection:
            return [to_copy(row) for row in await connection.execute(query)]

    async def register(self, recording_id: str, kind: CopyKind, bucket: str, key: str, now: datetime) -> Copy:
        place = (_C.recording_id == recording_id) & (_C.kind == kind) & (_C.bucket == bucket) & (_C.key == key)
        async with self._database.begin() as connection:
            # Waits for an erasure that begins at this moment, and makes one that comes next wait for us.
            lock = select(_R.state).where(_R.recording_id == recording_id).with_for_update()
            state = State((await connection.execute(lock)).scalar_one())
            if state in GOING:
                raise RecordingGoneError(state)
            statement = insert(COPIES).values(_copy_values(recording_id, kind, bucket, key, now))
            if (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 0:
                present = {"state": CopyState.PRESENT.value, "gone_at": None}
                await connection.execute(update(COPIES).where(place).values(present))
            row = (await connection.execute(select(COPIES).where(place))).one_or_none()
        if row is None:
            raise PlaceTakenError(f"{bucket}/{key}")
        return to_copy(row)

    async def release_scratch(self, instance: str, recording_id: str, now: datetime) -> list[str]:
        held = (_C.kind == CopyKind.SCRATCH) & (_C.bucket == instance) & (_C.state != CopyState.GONE)
        if recording_id:
            held &= _C.recording_id == recording_id
        wiped = update(COPIES).where(held).values(state=CopyState.GONE.value, gone_at=now).returning(_C.recording_id)
        async with self._database.begin() as connection:
            return sorted(set(await connection.scalars(wiped)))

    async def note_found(self, recording: Recording, remnants: Sequence[Remnant], now: datetime) -> Recording:
        recording_id, following = recording.recording_id, recording.revision + 1
        same = (_R.recording_id == recording_id) & (_R.revision == recording.revision)
        uploads = {(one.bucket, one.key) for one in remnants if one.kind is RemnantKind.UPLOAD}
        async with self._database.begin() as connection:
            begin = update(RECORDINGS).where(same & _R.state.in_((State.ERASING, State.BLOCKED)))
            # Whoever lost the hold of the recording without knowing must not remove what another has granted since.
            if not (await connection.execute(begin.values(removal_began=True, revision=following))).rowcount:
                raise StaleError(recording_id)
            rows = _json([remnant_values(recording_id, one, now) for one in remnants])
            await connection.exec_driver_sql(_NOTE, (rows,))
            for bucket, key in sorted(uploads):
                values = _copy_values(recording_id, CopyKind.MULTIPART, bucket, key, now)
                await connection.execute(insert(COPIES).values(values).on_conflict_do_nothing())
        return replace(recording, removal_began=True, revision=following)

    async def removed(self, recording_id: str) -> list[Remnant]:
        query = select(REMOVED).where(REMOVED.c.recording_id == recording_id)
        query = query.order_by(REMOVED.c.bucket, REMOVED.c.key, REMOVED.c.kind, REMOVED.c.version_id)
        async with self._database.begin() as connection:
            return [to_remnant(row) for row in await connection.execute(query)]

    async def of_versions(self, bucket: str, keys: Collection[str]) -> list[Recording]:
        query = select(RECORDINGS).where((_R.bucket == bucket) & _R.object_key.in_(keys))
        async with self._database.begin() as connection:
            return [to_recording(row) for row in await connection.execute(query)]

    async def holders(self, bucket: str, keys: Collection[str]) -> dict[str, Recording]:
        there = (_C.kind == CopyKind.MP3) & (_C.bucket == bucket) & _C.key.in_(keys)
        query = select(RECORDINGS, _C.key).join(COPIES, _C.recording_id == _R.recording_id).where(there)
        async with self._database.begin() as connection:
            return {row.key: to_recording(row) for row in await connection.execute(query)}

    async def with_original(
        self, bucket: str, before: datetime, first: str = "", last: str = ""
    ) -> dict[str, tuple[str, str]]:
        there = (_C.kind == CopyKind.ORIGINAL) & (_C.state == CopyState.PRESENT)
        # S3 lists by the bytes of a key, whatever order the database's language has.
        key = _R.object_key.collate("C")
        there &= (key >= first) & (key <= last) if last else key >= first
        query = (
            select(_R.recording_id, _R.object_key, _R.version_id)
            .join(COPIES, _C.recording_id == _R.recording_id)
            .where(there & (_R.bucket == bucket) & (_R.discovered_at < before) & _R.state.not_in(GOING))
        )
        async with self._database.begin() as connection:
            rows = await connection.execute(query)
            return {row.recording_id: (row.object_key, row.version_id) for row in rows}

    async def lose_original(self, recording_id: str, now: datetime) -> None:
        original = (_C.recording_id == recording_id) & (_C.kind == CopyKind.ORIGINAL)
        async with self._database.begin() as connection:
            gone = {"state": CopyState.GONE.value, "gone_at": now}
            await connection.execute(update(COPIES).where(original).values(gone))

    async def find_originals(self, recording_ids: Collection[str]) -> list[str]:
        original = (_C.recording_id == _R.recording_id) & (_C.kind == CopyKind.ORIGINAL)
        lost = original & (_C.state == CopyState.GONE) & _R.recording_id.in_(recording_ids) & _R.state.not_in(GOING)
        async with self._database.begin() as connection:
            # Waits for an erasure that is certified at this moment, and leaves it as it is.
            locked = select(_R.recording_id).where(lost).with_for_update(of=RECORDINGS)
            found = list(await connection.scalars(locked))
            if found:
                there = (_C.recording_id.in_(found)) & (_C.kind == CopyKind.ORIGINAL)
                present = {"state": CopyState.PRESENT.value, "gone_at": None}
                await connection.execute(update(COPIES).where(there).values(present))
        return found


async def _insert(connection: AsyncConnection, made: Sequence[Recording], now: datetime) -> list[Recording]:
    """Write those that are not known yet, and where their originals lie; returns them."""
    rows = [_json([recording_values(one) for one in made]), _json([_original(one, now) for one in made])]
    new = set((await connection.exec_driver_sql(_TAKE_IN, tuple(rows))).scalars())
    return [one for one in made if one.recording_id in new]


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, default=datetime.isoformat)


async def _before(connection: AsyncConnection, new: Sequence[Recording]) -> list[Recording]:
    """The recordings of the same keys that were there already."""
    same_keys = tuple_(_R.bucket, _R.object_key).in_({(one.bucket, one.object_key) for one in new})
    query = select(RECORDINGS).where(same_keys & _R.recording_id.not_in([one.recording_id for one in new]))
    return [to_recording(row) for row in await connection.execute(query)]


async def _make_due(connection: AsyncConnection, which: ColumnElement[bool], now: datetime) -> None:
    later = or_(_R.next_look_at.is_(None), _R.next_look_at > now)
    await connection.execute(update(RECORDINGS).where(which & later).values(next_look_at=now))


async def _set_copies(connection: AsyncConnection, recording: Recording, kind: CopyKind, state: CopyState) -> None:
    which = (_C.recording_id == recording.recording_id) & (_C.kind == kind) & (_C.state != state)
    gone_at = (recording.erased_at or func.now()) if state is CopyState.GONE else None
    await connection.execute(update(COPIES).where(which).values(state=state.value, gone_at=gone_at))


def _original(recording: Recording, now: datetime) -> dict[str, Any]:
    return _copy_values(recording.recording_id, CopyKind.ORIGINAL, recording.bucket, recording.object_key, now)


def _copy_values(recording_id: str, kind: CopyKind, bucket: str, key: str, now: datetime) -> dict[str, Any]:
    return {
        "copy_id": str(uuid.uuid4()),
        "recording_id": recording_id,
        "kind": kind.value,
        "bucket": bucket,
        "key": key,
        "state": CopyState.PRESENT.value,
        "registered_at": now,
        "gone_at": None,
    }
