"""The history in Postgres."""

from typing import Any

from sqlalchemy import Row, select

from chassis.database import Database
from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.verdict import Answer
from consent_svc.store.meetings import require_meeting
from consent_svc.store.tables import HISTORY


class PostgresHistory:
    """See `consent_svc.domain.answers.History`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, meeting_id: str, after: int, limit: int) -> list[HistoryEntry]:
        query = select(HISTORY).where(HISTORY.c.meeting_id == meeting_id, HISTORY.c.revision > after)
        async with self._database.begin() as connection:
            await require_meeting(connection, meeting_id)
            rows = await connection.execute(query.order_by(HISTORY.c.revision).limit(limit))
            return [_entry_of(row) for row in rows]


def _entry_of(row: Row[Any]) -> HistoryEntry:
    return HistoryEntry(
        meeting_id=row.meeting_id,
        revision=row.revision,
        participant_digest=row.participant_digest,
        answer=Answer(row.answer),
        answered_at=row.answered_at,
        notice_version=row.notice_version,
        language=row.language,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
