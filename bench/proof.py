"""Holds the database against what was acknowledged: every answer is there, as it was told, and in its place."""

import asyncpg

from bench.contenders import Acknowledged

# A gap, or a line that does not follow from the one before it.
_BROKEN_CHAIN = """
SELECT count(*) FROM (
    SELECT revision, previous_hash, lag(revision, 1, 0::bigint) OVER line AS revision_before,
           lag(hash, 1, repeat('0', 64)) OVER line AS hash_before
    FROM history WINDOW line AS (PARTITION BY meeting_id ORDER BY revision)
) AS lines
WHERE revision <> revision_before + 1 OR previous_hash <> hash_before
"""
# A current answer that is not the newest line of its participant, or the other way round.
_NOT_THE_NEWEST = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (meeting_id, participant_digest) meeting_id, revision, consent_id, answer
    FROM history ORDER BY meeting_id, participant_digest, revision DESC
) AS newest FULL JOIN answers USING (meeting_id, revision)
WHERE newest.consent_id IS DISTINCT FROM answers.consent_id OR newest.answer IS DISTINCT FROM answers.answer
"""
_LINES = "SELECT right(request_id, 12), meeting_id, revision, answer FROM history WHERE left(request_id, 24) = $1"
_COUNT = "SELECT count(*) FROM history WHERE left(request_id, 24) = ANY($1)"
_ANSWERS = ("denied", "granted")


async def faults(
    connection: asyncpg.Connection, people: list[tuple[str, str]], rounds: list[Acknowledged]
) -> dict[str, int]:
    """What is wrong in the history and with the current answers, and how often; nothing is what it should be."""
    found = {
        "lines missing in the history": await _missing(connection, rounds),
        "answers acknowledged otherwise than stored": sum(
            [await _different(connection, people, one) for one in rounds]
        ),
        "breaks in a history's chain": await connection.fetchval(_BROKEN_CHAIN),
        "current answers that are not the newest": await connection.fetchval(_NOT_THE_NEWEST),
    }
    return {fault: times for fault, times in found.items() if times}


async def _missing(connection: asyncpg.Connection, rounds: list[Acknowledged]) -> int:
    lines = await connection.fetchval(_COUNT, [one.key for one in rounds])
    return max(0, sum(len(one.answers) for one in rounds) - int(lines))


async def _different(connection: asyncpg.Connection, people: list[tuple[str, str]], done: Acknowledged) -> int:
    stored = {(end, meeting_id, revision, answer) for end, meeting_id, revision, answer in await connection.fetch(
        _LINES, done.key
    )}  # fmt: skip
    told = {
        (f"{number:012x}", people[person][0], revision, _ANSWERS[granted])
        for number, person, granted, revision in done.answers
    }
    return len(told - stored)
