"""Answers and their history in Postgres."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.database import Database
from consent_svc.domain.answers import Counts, HistoryEntry, RecordedAnswer, Submission
from consent_svc.domain.presence import NOT_PEOPLE
from consent_svc.domain.verdict import Answer, Person, Standing
from consent_svc.errors import meeting_not_found
from consent_svc.events import answer_submitted
from consent_svc.history import next_entry, participant_digest
from consent_svc.store.meetings import load_meetings, require_meeting
from consent_svc.store.tables import ANSWERS, CLIENTS, HISTORY, PARTICIPANTS

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

    async def counts(self, meeting_id: str) -> Counts:
        counted = _people(
            [meeting_id],
            func.count().label("present"),
            func.count().filter(ANSWERS.c.answer == Answer.GRANTED).label("granted"),
            func.count().filter(ANSWERS.c.answer == Answer.DENIED).label("denied"),
        )
        async with self._database.begin() as connection:
            await require_meeting(connection, meeting_id)
            row = (await connection.execute(counted)).one()
        return Counts(row.present, row.granted, row.denied)

    async def standings(self, meeting_ids: list[str]) -> list[Standing]:
        columns = (ANSWERS.c.answer, func.coalesce(ANSWERS.c.revision, 0).label("revision"), ANSWERS.c.first_granted_at)
        async with self._database.begin() as connection:
            meetings = await load_meetings(connection, meeting_ids)
            people: dict[str, list[Person]] = {meeting_id: [] for meeting_id in meeting_ids}
            for row in await connection.execute(_people(meeting_ids, PARTICIPANTS.c.meeting_id, *columns)):
                answer = Answer(row.answer) if row.answer else None
                people[row.meeting_id].append(Person(answer, row.revision, row.first_granted_at))
            strangers = await _strangers(connection, meeting_ids)
        return [
            Standing(meeting, tuple(people[meeting.meeting_id]), strangers.get(meeting.meeting_id, 0))
            for meeting in meetings
        ]


def _people(meeting_ids: list[str], *columns: Any) -> Any:
    """Everyone present, each beside the answer that counts. One statement, so that both are of one moment."""
    both = (ANSWERS.c.meeting_id == PARTICIPANTS.c.meeting_id) & (
        ANSWERS.c.participant_id == PARTICIPANTS.c.participant_id
    )
    joined = PARTICIPANTS.outerjoin(ANSWERS, both)
    return select(*columns).select_from(joined).where(PARTICIPANTS.c.meeting_id.in_(meeting_ids))


async def _strangers(connection: AsyncConnection, meeting_ids: list[str]) -> dict[str, int]:
    query = (
        select(CLIENTS.c.meeting_id, func.count().label("strangers"))
        .where(CLIENTS.c.meeting_id.in_(meeting_ids), CLIENTS.c.participant_id == "", CLIENTS.c.role.not_in(NOT_PEOPLE))
        .group_by(CLIENTS.c.meeting_id)
    )
    return {row.meeting_id: row.strangers for row in await connection.execute(query)}


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
