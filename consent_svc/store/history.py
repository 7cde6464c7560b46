"""The history in Postgres."""

from typing import Any, cast

import structlog
from sqlalchemy import Row, func, select

from chassis.database import Database
from consent_svc.domain.answers import HistoryEnd, HistoryEntry, HistoryLine
from consent_svc.domain.verdict import Answer
from consent_svc.errors import history_not_intact, meeting_not_found
from consent_svc.store.meetings import require_meeting
from consent_svc.store.tables import HISTORY, MEETINGS

log = structlog.get_logger()

# As it is hashed, and as text: a time that somebody made impossible must still be read, to be named.
_TIME = func.to_char(func.timezone("UTC", HISTORY.c.answered_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
_LINE = [
    func.coalesce(_TIME, "").label(name) if name == "answered_at" else HISTORY.c[name]
    for name in HistoryLine.__annotations__
]


class PostgresHistory:
    """See `consent_svc.domain.answers.History`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, meeting_id: str, after: int, limit: int) -> list[HistoryEntry]:
        query = select(HISTORY).where(HISTORY.c.meeting_id == meeting_id, HISTORY.c.revision > after)
        async with self._database.begin() as connection:
            await require_meeting(connection, meeting_id)
            rows = await connection.execute(query.order_by(HISTORY.c.revision).limit(limit))
            return [entry_of(row) for row in rows]

    async def end(self, meeting_id: str) -> HistoryEnd:
        last = select(func.max(HISTORY.c.revision)).where(HISTORY.c.meeting_id == meeting_id).scalar_subquery()
        # One statement sees both at the same moment; answers may come in meanwhile.
        query = select(MEETINGS.c.revision, MEETINGS.c.head_hash, func.coalesce(last, 0).label("last_line"))
        async with self._database.begin() as connection:
            row = (await connection.execute(query.where(MEETINGS.c.meeting_id == meeting_id))).one_or_none()
        if row is None:
            raise meeting_not_found(meeting_id)
        return HistoryEnd(meeting_id, row.revision, row.head_hash, row.last_line)

    async def lines(self, meeting_id: str, after: int, until: int, limit: int) -> list[HistoryLine]:
        query = select(*_LINE).where(HISTORY.c.meeting_id == meeting_id, HISTORY.c.revision > after)
        query = query.where(HISTORY.c.revision <= until).order_by(HISTORY.c.revision).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).mappings()
            return [cast(HistoryLine, dict(row)) for row in rows]  # its columns are the line's fields


def entry_of(row: Row[Any]) -> HistoryEntry:
    """The entry in a row of HISTORY. Raises Internal (HISTORY_NOT_INTACT) where it was changed to no answer at all."""
    return HistoryEntry(
        meeting_id=row.meeting_id,
        revision=row.revision,
        participant_digest=row.participant_digest,
        answer=_answer_of(row),
        answered_at=row.answered_at,
        notice_version=row.notice_version,
        language=row.language,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _answer_of(row: Row[Any]) -> Answer:
    try:
        return Answer(row.answer)
    except ValueError:
        log.error("history_not_intact", meeting_id=row.meeting_id, revision=row.revision)
        raise history_not_intact(row.revision) from None
