"""What receipts rest on, in Postgres."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.receipts import AnswerOnRecord, Key, Notice, Terms
from consent_svc.domain.verdict import Answer
from consent_svc.errors import answer_not_found, notice_not_found
from consent_svc.history import participant_digest
from consent_svc.receipts.wordings import settled
from consent_svc.store.history import entry_of
from consent_svc.store.meetings import load_meetings
from consent_svc.store.tables import HISTORY, MEETINGS, NOTICES, TERMS

# One at a time: whoever waited sees what the one before has kept, and two that overlap cannot wait for each other.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('assent notices'))")

# Of keys in one query: Postgres takes 32767 parameters, and whoever answers may name any version.
_AT_ONCE = 1000


class PostgresReceipts:
    """See `consent_svc.domain.receipts.Receipts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, meeting_id: str, participant_id: str, revision: int) -> AnswerOnRecord:
        async with self._database.begin() as connection:
            [meeting] = await load_meetings(connection, [meeting_id])
            salt = await connection.scalar(select(MEETINGS.c.salt).where(MEETINGS.c.meeting_id == meeting_id))
            digest = participant_digest(salt or b"", participant_id)
            row, previous = await _last_two(connection, meeting_id, digest, revision)
            if row is None:
                raise answer_not_found(meeting_id)
            entry = entry_of(row)
            return AnswerOnRecord(
                meeting=meeting,
                consent_id=str(row.consent_id),
                entry=entry,
                previous=entry_of(previous) if previous else None,
                granted_before=await _granted_before(connection, entry),
                notice=await _notice_shown(connection, entry),
                terms=await _terms(connection, row.terms_hash),
            )

    async def register(self, notices: Sequence[Notice]) -> list[Notice]:
        async with self._database.begin() as connection:
            await connection.execute(_LOCK)
            known = await _known(connection, notices)
            kept = settled(notices, known)
            if new := [vars(notice) for key, notice in kept.items() if key not in known]:
                await connection.execute(insert(NOTICES), new)
        return [kept[notice.version, notice.language] for notice in notices]

    async def hashes(self, keys: Collection[Key]) -> dict[Key, str]:
        found: dict[Key, str] = {}
        named = list(keys)
        async with self._database.begin() as connection:
            for start in range(0, len(named), _AT_ONCE):
                chosen = tuple_(NOTICES.c.version, NOTICES.c.language).in_(named[start : start + _AT_ONCE])
                rows = await connection.execute(
                    select(NOTICES.c.version, NOTICES.c.language, NOTICES.c.hash).where(chosen)
                )
                found |= {(row.version, row.language): row.hash for row in rows}
        return found

    async def notice(self, notice_hash: str) -> Notice:
        # Several versions may say the same in a language.
        query = select(NOTICES).where(NOTICES.c.hash == notice_hash)
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(NOTICES.c.registered_at, *NOTICES.primary_key).limit(1))
            row = rows.one_or_none()
        if row is None:
            raise notice_not_found(notice_hash)
        return _notice_of(row)


async def _last_two(
    connection: AsyncConnection, meeting_id: str, digest: str, revision: int
) -> tuple[Row[Any] | None, Row[Any] | None]:
    """This answer of the participant, or the current one for 0, and the one before it."""
    query = select(HISTORY).where(HISTORY.c.meeting_id == meeting_id, HISTORY.c.participant_digest == digest)
    if revision:
        query = query.where(HISTORY.c.revision <= revision)
    rows = (await connection.execute(query.order_by(HISTORY.c.revision.desc()).limit(2))).all()
    if not rows or revision not in (0, rows[0].revision):
        return None, None
    return rows[0], rows[1] if len(rows) > 1 else None


async def _granted_before(connection: AsyncConnection, entry: HistoryEntry) -> bool:
    grants = select(HISTORY.c.revision).where(
        HISTORY.c.meeting_id == entry.meeting_id,
        HISTORY.c.participant_digest == entry.participant_digest,
        HISTORY.c.answer == Answer.GRANTED,
        HISTORY.c.revision < entry.revision,
    )
    return await connection.scalar(grants.limit(1)) is not None


async def _notice_shown(connection: AsyncConnection, entry: HistoryEntry) -> Notice | None:
    key = (NOTICES.c.version == entry.notice_version, NOTICES.c.language == entry.language)
    row = (await connection.execute(select(NOTICES).where(*key))).one_or_none()
    return _notice_of(row) if row else None


async def _terms(connection: AsyncConnection, terms_hash: str | None) -> Terms | None:
    row = (await connection.execute(select(TERMS).where(TERMS.c.hash == terms_hash))).one_or_none()
    return Terms(row.hash, row.document) if row else None


async def _known(connection: AsyncConnection, notices: Sequence[Notice]) -> dict[Key, Notice]:
    keys = [(notice.version, notice.language) for notice in notices]
    query = select(NOTICES).where(tuple_(NOTICES.c.version, NOTICES.c.language).in_(keys))
    return {(row.version, row.language): _notice_of(row) for row in await connection.execute(query)}


def _notice_of(row: Row[Any]) -> Notice:
    return Notice(row.version, row.language, row.wording, row.hash, row.registered_at)
