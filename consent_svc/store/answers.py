"""Answers in Postgres."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from chassis import outbox
from chassis.database import Database
from chassis.database.group_commit import Busy, GroupCommit
from chassis.telemetry import headers
from consent_svc.domain.answers import RecordedAnswer, Submission
from consent_svc.domain.receipts import Terms
from consent_svc.errors import answer_late, meeting_not_found
from consent_svc.events import answer_submitted
from consent_svc.history import participant_digest
from consent_svc.store.batch import REQUEST, Batch, Row, Standing, recorded_of
from consent_svc.store.heads import Head, Heads
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
_REQUESTS = """
SELECT history.* FROM history
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (meeting_id, participant_digest, request_id)
    USING (meeting_id, participant_digest, request_id)
"""
_CURRENT = """
SELECT meeting_id, participant_id, revision FROM answers
JOIN unnest($1::text[], $2::text[]) AS asked (meeting_id, participant_id) USING (meeting_id, participant_id)
"""
_KEEP_TERMS = "INSERT INTO terms (hash, document, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"

# Writes all of it or nothing. Nothing, where a history does not end (any more) as it was thought to: somebody else
# appended to it, or holds it. And nothing, where a request was committed before; those are what is found.
#
# Requests are looked up as they were when the statement began. Where the ends still are as they were known before
# that, no request has been committed since.
_APPEND = f"""
WITH sent AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::timestamptz[], $15::bool[], $16::bool[], $17::bool[]
    ) AS sent (
        meeting_id, revision, consent_id, participant_id, participant_digest, request_id, answer,
        answered_at, notice_version, language, fingerprint_hash, previous_hash, hash, first_granted_at,
        is_first, is_current, is_head
    )
), held AS MATERIALIZED (
    SELECT meetings.meeting_id FROM sent JOIN meetings USING (meeting_id)
    WHERE sent.is_first AND meetings.revision = sent.revision - 1 AND meetings.head_hash = sent.previous_hash
    FOR NO KEY UPDATE OF meetings SKIP LOCKED
), fit AS MATERIALIZED (
    SELECT count(*) = (SELECT count(*) FROM sent WHERE is_first) AS fits FROM held
), repeated AS MATERIALIZED (
    SELECT history.* FROM history JOIN sent USING (meeting_id, participant_digest, request_id)
), writing AS MATERIALIZED (
    SELECT sent.* FROM sent, fit WHERE fits AND NOT EXISTS (SELECT FROM repeated)
), line AS (
    INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
                         notice_version, language, fingerprint_hash, previous_hash, hash, terms_hash)
    SELECT meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
           notice_version, language, fingerprint_hash, previous_hash, hash, $18
    FROM writing
), head AS (
    UPDATE meetings SET revision = writing.revision, head_hash = writing.hash FROM writing
    WHERE meetings.meeting_id = writing.meeting_id AND writing.is_head
), present AS (
    INSERT INTO participants (meeting_id, participant_id)
    SELECT meeting_id, participant_id FROM writing WHERE is_current
    ON CONFLICT DO NOTHING
), current AS (
    INSERT INTO answers (meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
                         notice_version, language)
    SELECT meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
           notice_version, language
    FROM writing WHERE is_current
    ON CONFLICT (meeting_id, participant_id) DO UPDATE SET
        consent_id = excluded.consent_id, revision = excluded.revision, answer = excluded.answer,
        answered_at = excluded.answered_at, notice_version = excluded.notice_version, language = excluded.language,
        first_granted_at = coalesce(answers.first_granted_at, excluded.first_granted_at)
), told AS (
    {outbox.putting(19, "EXISTS (SELECT FROM writing)")}
)
SELECT fits, repeated.* FROM fit LEFT JOIN repeated ON fits
"""  # noqa: S608  # nothing in it comes from outside


@dataclass(frozen=True)
class _Sent:
    submission: Submission
    now: datetime
    # Of the request that brought it: a group is nobody's own.
    trace: Mapping[str, str]


Outcomes = list[Exception | None]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PostgresAnswers:
    """See `consent_svc.domain.answers.Answers`. Answers that wait at the same time are committed together."""

    def __init__(self, database: Database, terms: Terms, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._terms = terms
        self._clock = clock
        self._terms_are_kept = False
        self._heads = Heads()
        self._group = GroupCommit[_Sent, RecordedAnswer](self._commit)

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        return await self._group.submit(submission.meeting_id, _Sent(submission, now, headers()))

    async def of_participant(self, meeting_id: str, participant_id: str) -> RecordedAnswer | None:
        query = select(ANSWERS).where(ANSWERS.c.meeting_id == meeting_id, ANSWERS.c.participant_id == participant_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return recorded_of(row, participant_id) if row else None

    async def _commit(self, group: Sequence[_Sent], wait: bool) -> list[RecordedAnswer | Exception]:
        return await self._commit_onto_known(group) or await self._commit_under_lock(group, wait)

    async def _commit_onto_known(self, group: Sequence[_Sent]) -> list[RecordedAnswer | Exception] | None:
        """In one statement, where we know how the histories end; None, and nothing is done, where they do not so."""
        submissions = [sent.submission for sent in group]
        if not self._terms_are_kept or any(_depends_on_rows(one) for one in submissions):
            return None
        if (heads := self._heads.take({one.meeting_id for one in submissions})) is None:
            return None
        # However long we stand still from here: where a later answer has come, the history ends otherwise.
        outcomes = self._late(submissions)
        async with self._database.on_driver() as connection:
            return await self._append(connection, group, outcomes, heads, Standing())

    async def _commit_under_lock(self, group: Sequence[_Sent], wait: bool) -> list[RecordedAnswer | Exception]:
        submissions = [sent.submission for sent in group]
        async with self._database.begin_on_driver() as connection:
            heads = await _locked(connection, {one.meeting_id for one in submissions}, wait)
            refused = await _refused(connection, submissions, heads, wait)
            # Looked at under the lock: however long we stood still, a later answer has not overtaken this one.
            late = self._late(submissions)
            outcomes = [one or other for one, other in zip(refused, late, strict=True)]
            if any(outcome is None for outcome in outcomes) and not self._terms_are_kept:
                await connection.execute(_KEEP_TERMS, self._terms.hash, self._terms.document, group[0].now)
            standing = await _standing(connection, submissions, outcomes, heads)
            done = await self._append(connection, group, outcomes, heads, standing)
            if done is None:
                raise RuntimeError("a history was appended to while its meeting was locked")
        self._terms_are_kept = self._terms_are_kept or any(outcome is None for outcome in outcomes)
        return done

    def _late(self, submissions: list[Submission]) -> Outcomes:
        now = self._clock()
        return [answer_late() if one.not_after and one.not_after < now else None for one in submissions]

    async def _append(
        self,
        connection: "DriverConnection",
        group: Sequence[_Sent],
        outcomes: Outcomes,
        heads: Mapping[str, Head],
        standing: Standing,
    ) -> list[RecordedAnswer | Exception] | None:
        """Commit those without an outcome; None, and nothing is done, where a history does not end as in `heads`."""
        mine = [place for place, outcome in enumerate(outcomes) if outcome is None]
        sent = [group[place] for place in mine]
        while True:
            batch = Batch(heads, [(one.submission, one.now) for one in sent], standing)
            if not batch.lines:
                break
            # Of several answers in a meeting, the last one's event says it all: see the message's description.
            events = [(answer_submitted(line.recorded), sent[line.place].trace) for line in batch.newest()]
            rows = await connection.fetch(_APPEND, *batch.arrays(), self._terms.hash, *outbox.values_of(events))
            if not rows[0]["fits"]:
                return None
            repeated = _by_request(row for row in rows if row["meeting_id"])
            if not repeated:
                break
            standing = replace(standing, requests={**standing.requests, **repeated})
        self._heads.keep(batch.heads)
        done = dict(zip(mine, batch.outcomes, strict=True))
        return [outcome or done[place] for place, outcome in enumerate(outcomes)]


def _depends_on_rows(submission: Submission) -> bool:
    """Whether it can be committed only after looking at what is stored beside the history's end."""
    return submission.presence_required or submission.known_revision is not None


async def _standing(
    connection: "DriverConnection", submissions: list[Submission], outcomes: Outcomes, heads: Mapping[str, Head]
) -> Standing:
    """What decides about those that are only to be committed where nothing newer stands."""
    asked = [
        one
        for one, outcome in zip(submissions, outcomes, strict=True)
        if outcome is None and one.known_revision is not None
    ]
    if not asked:
        return Standing()
    meeting_ids, people = [one.meeting_id for one in asked], [one.participant_id for one in asked]
    digests = [participant_digest(heads[one.meeting_id].salt, one.participant_id) for one in asked]
    requests = await connection.fetch(_REQUESTS, meeting_ids, digests, [one.request_id for one in asked])
    current = await connection.fetch(_CURRENT, meeting_ids, people)
    return Standing(
        _by_request(requests), {(row["meeting_id"], row["participant_id"]): row["revision"] for row in current}
    )


def _by_request(rows: Iterable[Row]) -> dict[tuple[str, ...], Row]:
    return {tuple(row[name] for name in REQUEST): row for row in rows}


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
