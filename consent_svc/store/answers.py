"""Answers and their history in Postgres."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from consent_svc.domain.answers import HistoryEntry, RecordedAnswer, Submission
from consent_svc.domain.verdict import Answer
from consent_svc.errors import meeting_not_found
from consent_svc.events import answer_submitted
from consent_svc.history import next_entry, participant_digest
from consent_svc.store.tables import ANSWERS, HISTORY, PARTICIPANTS

_LOCK_HEAD = text("SELECT salt, revision, head_hash FROM meetings WHERE meeting_id = :meeting_id FOR NO KEY UPDATE")

_BY_REQUEST = select(HISTORY).where(
    *(HISTORY.c[name] == bindparam(name) for name in ("meeting_id", "participant_digest", "request_id"))
)

_APPEND = text("""
WITH line AS (
    INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
                         notice_version, language, fingerprint_hash, previous_hash, hash)
    VALUES (:meeting_id, :revision, :consent_id, :participant_digest, :request_id, :answer, :answered_at,
            :notice_version, :language, :fingerprint_hash, :previous_hash, :hash)
), head AS (
    UPDATE meetings SET revision = :revision, head_hash = :hash WHERE meeting_id = :meeting_id
), present AS (
    INSERT INTO participants (meeting_id, participant_id) VALUES (:meeting_id, :participant_id) ON CONFLICT DO NOTHING
)
INSERT INTO answers (meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
                     notice_version, language)
VALUES (:meeting_id, :participant_id, :consent_id, :revision, :answer, :answered_at, :first_granted_at,
        :notice_version, :language)
ON CONFLICT (meeting_id, participant_id) DO UPDATE SET
    consent_id = excluded.consent_id, revision = excluded.revision, answer = excluded.answer,
    answered_at = excluded.answered_at, notice_version = excluded.notice_version, language = excluded.language,
    first_granted_at = coalesce(answers.first_granted_at, excluded.first_granted_at)
""")


class PostgresAnswers:
    """See `consent_svc.domain.answers.Answers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        async with self._database.begin() as connection:
            head = (await connection.execute(_LOCK_HEAD, {"meeting_id": submission.meeting_id})).one_or_none()
            if head is None or (submission.presence_required and not await _was_there(connection, submission)):
                raise meeting_not_found(submission.meeting_id)
            digest = participant_digest(head.salt, submission.participant_id)
            # A statement of its own, after the lock: together with it, it would look at the time before the wait
            # and miss the same request on another connection.
            if repeated := await _answer_of_request(connection, submission, digest):
                return repeated
            entry = next_entry(submission, digest, head.revision + 1, head.head_hash, now)
            recorded = await _append(connection, submission, entry)
            await outbox.put(connection, answer_submitted(recorded))
        return recorded

    async def of_participant(self, meeting_id: str, participant_id: str) -> RecordedAnswer | None:
        query = select(ANSWERS).where(ANSWERS.c.meeting_id == meeting_id, ANSWERS.c.participant_id == participant_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _recorded_of(row, participant_id) if row else None


async def _was_there(connection: AsyncConnection, submission: Submission) -> bool:
    key = (
        PARTICIPANTS.c.meeting_id == submission.meeting_id,
        PARTICIPANTS.c.participant_id == submission.participant_id,
    )
    return await connection.scalar(select(PARTICIPANTS.c.participant_id).where(*key)) is not None


async def _answer_of_request(connection: AsyncConnection, submission: Submission, digest: str) -> RecordedAnswer | None:
    key = {
        "meeting_id": submission.meeting_id,
        "participant_digest": digest,
        "request_id": submission.request_id,
    }
    row = (await connection.execute(_BY_REQUEST, key)).one_or_none()
    return _recorded_of(row, submission.participant_id) if row else None


async def _append(connection: AsyncConnection, submission: Submission, entry: HistoryEntry) -> RecordedAnswer:
    consent_id = uuid.uuid4()
    granted_at = entry.answered_at if entry.answer is Answer.GRANTED else None
    values = {
        **vars(entry),
        "consent_id": consent_id,
        "participant_id": submission.participant_id,
        "request_id": submission.request_id,
        "fingerprint_hash": submission.fingerprint_hash,
        "first_granted_at": granted_at,
    }
    await connection.execute(_APPEND, values)
    return RecordedAnswer(
        consent_id=str(consent_id),
        meeting_id=entry.meeting_id,
        participant_id=submission.participant_id,
        answer=entry.answer,
        revision=entry.revision,
        answered_at=entry.answered_at,
        notice_version=entry.notice_version,
        language=entry.language,
    )


def _recorded_of(row: Row[Any], participant_id: str) -> RecordedAnswer:
    return RecordedAnswer(
        consent_id=str(row.consent_id),
        meeting_id=row.meeting_id,
        participant_id=participant_id,
        answer=Answer(row.answer),
        revision=row.revision,
        answered_at=row.answered_at,
        notice_version=row.notice_version,
        language=row.language,
    )
