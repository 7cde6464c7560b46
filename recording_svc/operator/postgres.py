"""The operators' desk in Postgres."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Row, Table, Text, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from recording_svc.domain.recordings import Match, Recording, StaleError, State
from recording_svc.events import changes
from recording_svc.metrics import Figures
from recording_svc.operator.desk import Action
from recording_svc.store.tables import RECORDINGS, recording_values, to_recording

# Named one by one, for the index to find them among all that are kept or erased.
_WAITING = tuple(one.value for one in State if one not in (State.KEPT, State.ERASED))
_R = RECORDINGS.c
_ACTIONS = Table(
    "operator_actions",
    MetaData(),
    Column("action_id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("operator", Text),
    Column("action", Text),
    Column("recording_id", Text),
    Column("details", JSONB),
)
_FIGURES = text("""
    SELECT
        (SELECT jsonb_object_agg(state, n) FROM (SELECT state, count(*) AS n FROM recordings GROUP BY state) AS counted)
            AS states,
        (SELECT min((grounds->>'decided_at')::timestamptz) FROM recordings WHERE state IN ('erasing', 'blocked'))
            AS oldest_denied_at,
        (SELECT count(*) FROM outbox) AS outbox_rows
""")


class PostgresDesk:
    """The operators' desk in the service's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, limit: int) -> list[Recording]:
        query = select(RECORDINGS).where(_R.state.in_(_WAITING)).order_by(_R.discovered_at, _R.recording_id)
        async with self._database.begin() as connection:
            return [to_recording(row) for row in await connection.execute(query.limit(limit))]

    async def figures(self) -> Figures:
        async with self._database.begin() as connection:
            row = (await connection.execute(_FIGURES)).one()
        states = {State(state): number for state, number in (row.states or {}).items()}
        return Figures(states, row.oldest_denied_at, row.outbox_rows)

    async def make_due(self, recording_ids: Collection[str] | None, action: Action, now: datetime) -> int:
        which = _R.state.in_(_WAITING) if recording_ids is None else _R.recording_id.in_(recording_ids)
        async with self._database.begin() as connection:
            made = await connection.execute(update(RECORDINGS).where(which).values(next_look_at=now))
            await _note(connection, action)
        return made.rowcount

    async def assign(self, recording: Recording, match: Match, action: Action, now: datetime) -> Recording:
        written = replace(recording, match=match, next_look_at=now, revision=recording.revision + 1)
        same = (_R.recording_id == recording.recording_id) & (_R.revision == recording.revision)
        async with self._database.begin() as connection:
            stored = await connection.execute(update(RECORDINGS).where(same).values(recording_values(written)))
            if not stored.rowcount:
                raise StaleError(recording.recording_id)
            await _note(connection, action)
            await outbox.put(connection, *changes(recording, written))
        return written

    async def note(self, action: Action) -> None:
        async with self._database.begin() as connection:
            await _note(connection, action)

    async def actions(self, limit: int) -> Sequence[Action]:
        query = select(_ACTIONS).order_by(_ACTIONS.c.action_id.desc()).limit(limit)
        async with self._database.begin() as connection:
            return [_to_action(row) for row in reversed((await connection.execute(query)).all())]


async def _note(connection: AsyncConnection, action: Action) -> None:
    values = {
        "operator": action.operator,
        "action": action.action,
        "recording_id": action.recording_id,
        "details": dict(action.details),
    }
    await connection.execute(insert(_ACTIONS).values(values))


def _to_action(row: Row[Any]) -> Action:
    return Action(row.operator, row.action, row.recording_id, row.details, row.at)
