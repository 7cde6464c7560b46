"""Answers in Postgres."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from chassis import outbox
from chassis.database import Database
from chassis.telemetry import headers
from consent_svc.domain.answers import RecordedAnswer, Submission
from consent_svc.domain.receipts import Terms
from consent_svc.errors import answer_late, meeting_not_found
from consent_svc.events import answer_submitted
from consent_svc.store.batch import REQUEST, Batch, Head, recorded_of
from consent_svc.store.group_commit import Busy, GroupCommit
from consent_svc.store.tables import ANSWERS

if TYPE_CHECKING:
    from chassis.database import DriverConnection

_LOCK = "SELECT meeting_id, salt, revision, head_hash FROM meetings WHERE meeting_id = ANY($1::text[])"
# Always in the same order, or two groups could wait for each other for ever.
_LOCK_HEADS = f"{_LOCK} ORDER BY meeting_id FOR NO KEY UPDATE"
_LOCK_FREE_HEADS = f"{_LOCK_HEADS} SKIP LOCKED"

_KNOWN = "SELECT meeting_id FROM meetings WHERE meeting_id = ANY($1::text[])"
_PRESENT = """
SELECT meeting_id, participant_id FROM participants
JOIN unnest($1::text[], $2::text[]) AS asked (meeting_id, participant_id) USING (meeting_id, participant_id)
"""
_KEEP_TERMS = "INSERT INTO terms (hash, document, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"

# The requests are looked up here, after the lock, and not together with it: that would look at the time before the
# wait, and miss the same request on another connection. Where one is found, nothing is written at all.
_APPEND = """
WITH sent AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::timestamptz[], $15::bool[], $16::bool[]
    ) AS sent (
        meeting_id, revision, consent_id, participant_id, participant_digest, request_id, answer,
        answered_at, notice_version, language, fingerprint_hash, previous_hash, hash, first_granted_at,
        is_current, is_head
    )
), repeated AS MATERIALIZED (
    SELECT history.* FROM history JOIN sent USING (meeting_id, participant_digest, request_id)
), line AS (
    INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
                         notice_version, language, fingerprint_hash, previous_hash, hash, terms_hash)
    SELECT meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
           notice_version, language, fingerprint_hash, previous_hash, hash, $17
    FROM sent WHERE NOT EXISTS (SELECT FROM repeated)
), head AS (
    UPDATE meetings SET revision = sent.revision, head_hash = sent.hash FROM sent
    WHERE meetings.meeting_id = sent.meeting_id AND sent.is_head AND NOT EXISTS (SELECT FROM repeated)
), present AS (
    INSERT INTO participants (meeting_id, participant_id)
    SELECT meeting_id, participant_id FROM sent WHERE is_current AND NOT EXISTS (SELECT FROM repeated)
    ON CONFLICT DO NOTHING
), current AS (
    INSERT INTO answers (meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
                         notice_version, language)
    SELECT meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
           notice_version, language
    FROM sent WHERE is_current AND NOT EXISTS (SELECT FROM repeated)
    ON CONFLICT (meeting_id, participant_id) DO UPDATE SET
        consent_id = excluded.consent_id, revision = excluded.revision, answer = excluded.answer,
        answered_at = excluded.answered_at, notice_version = excluded.notice_version, language = excluded.language,
        first_granted_at = coalesce(answers.first_granted_at, excluded.first_granted_at)
)
SELECT * FROM repeated
"""


@dataclass(frozen=True)
class _Sent:
    submission: Submission
    now: datetime
    # Of the request that brought it: a group is nobody's own.
    trace: Mapping[str, str]


Outcomes = list[RecordedAnswer | Exception | None]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PostgresAnswers:
    """See `consent_svc.domain.answers.Answers`. Answers that wait at the same time are committed together."""

    def __init__(self, database: Database, terms: Terms, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._terms = terms
        self._clock = clock
        self._terms_are_kept = False
        self._group = GroupCommit[_Sent, RecordedAnswer](self._commit)

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        return await self._group.submit(submission.meeting_id, _Sent(submission, now, headers()))

    async def of_participant(self, meeting_id: str, participant_id: str) -> RecordedAnswer | None:
        query = select(ANSWERS).where(ANSWERS.c.meeting_id == meeting_id, ANSWERS.c.participant_id == participant_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return recorded_of(row, participant_id) if row else None

    async def _commit(self, group: Sequence[_Sent], wait: bool) -> list[RecordedAnswer | Exception]:
        submissions = [sent.submission for sent in group]
        async with self._database.begin_on_driver() as connection:
            heads = await _locked(connection, {one.meeting_id for one in submissions}, wait)
            outcomes = await _refused(connection, submissions, heads, wait)
            # Looked at under the lock: however long we stood still, a later answer has not overtaken this one.
            now = self._clock()
            for place, one in enumerate(submissions):
                if one.not_after and one.not_after < now and outcomes[place] is None:
                    outcomes[place] = answer_late()
            mine = [place for place, outcome in enumerate(outcomes) if outcome is None]
            batch = await self._append(connection, [group[place] for place in mine], heads)
        self._terms_are_kept = self._terms_are_kept or bool(batch.lines)
        for place, outcome in zip(mine, batch.outcomes, strict=True):
            outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    async def _append(self, connection: "DriverConnection", sent: list[_Sent], heads: dict[str, Head]) -> Batch:
        pairs = [(one.submission, one.now) for one in sent]
        batch = Batch(heads, pairs)
        if batch.lines and (repeated := await connection.fetch(_APPEND, *batch.arrays(), self._terms.hash)):
            batch = Batch(heads, pairs, {tuple(row[name] for name in REQUEST): row for row in repeated})
            if batch.lines:
                await connection.fetch(_APPEND, *batch.arrays(), self._terms.hash)
        if batch.lines:
            if not self._terms_are_kept:
                await connection.execute(_KEEP_TERMS, self._terms.hash, self._terms.document, sent[0].now)
            # Of several answers in a meeting, the last one's event says it all: see the message's description.
            last = {line.entry.meeting_id: line for line in batch.lines}.values()
            events = [(answer_submitted(line.recorded), sent[line.place].trace) for line in last]
            await outbox.put_on_driver(connection, events)
        return batch


async def _locked(connection: "DriverConnection", meeting_ids: set[str], wait: bool) -> dict[str, Head]:
    rows = await connection.fetch(_LOCK_HEADS if wait else _LOCK_FREE_HEADS, sorted(meeting_ids))
    return {row["meeting_id"]: Head(row["salt"], row["revision"], row["head_hash"]) for row in rows}


async def _refused(
    connection: "DriverConnection", submissions: list[Submission], heads: dict[str, Head], wait: bool
) -> Outcomes:
    """Beside each answer that cannot be committed now, why."""
    outcomes: Outcomes = [None] * len(submissions)
    missing = {one.meeting_id for one in submissions} - heads.keys()
    busy = set() if wait or not missing else {row["meeting_id"] for row in await connection.fetch(_KNOWN, [*missing])}
    asked = [one for one in submissions if one.presence_required]
    there = await _there(connection, asked) if asked else set()
    for place, one in enumerate(submissions):
        if one.meeting_id in busy:
            outcomes[place] = Busy()
        elif one.meeting_id in missing or (one.presence_required and (one.meeting_id, one.participant_id) not in there):
            outcomes[place] = meeting_not_found(one.meeting_id)
    return outcomes


async def _there(connection: "DriverConnection", submissions: list[Submission]) -> set[tuple[str, str]]:
    meeting_ids = [one.meeting_id for one in submissions]
    participant_ids = [one.participant_id for one in submissions]
    rows = await connection.fetch(_PRESENT, meeting_ids, participant_ids)
    return {(row["meeting_id"], row["participant_id"]) for row in rows}
