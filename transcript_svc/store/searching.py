"""Finds what was said, with Postgres's full-text search in each transcript's own language."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from transcript_svc.domain import Hit, Match, Place
from transcript_svc.store.rows import to_segment, to_transcript
from transcript_svc.store.tables import TRANSCRIPTS

MOST_MATCHES = 5
"""So many segments of a transcript are shown, the best of them in their order."""

_WORD = re.compile(r"\w+")
_IDLE_MINUS = re.compile(r"-(?![\w\"])")
_OR = re.compile(r"\bor\b", re.IGNORECASE)

# A query is read once for each language that there is, so that the index can be used for each of them.
_FOUND = """
WITH mine AS (SELECT id, created_at, search_configuration(language) AS configuration FROM transcripts WHERE {scope}),
queries AS (
    SELECT configuration, websearch_to_tsquery(CAST(configuration AS regconfig), :query) AS query
    FROM (SELECT DISTINCT configuration FROM mine) AS used
),
found AS (
    SELECT mine.id, mine.created_at, mine.configuration, segments.number, segments.start_ms, segments.end_ms,
        segments.text, segments.words, segments.edited_text, segments.speaker,
        ts_rank_cd(segments.search, queries.query) AS rank
    FROM queries
    JOIN segments ON segments.search @@ queries.query
    JOIN mine ON mine.id = segments.transcript_id AND mine.configuration = queries.configuration
)
"""
_RANKED = """,
ranked AS (
    SELECT id, created_at, configuration, round(CAST(sum(rank) AS numeric), 6) AS rank
    FROM found GROUP BY id, created_at, configuration
)
SELECT * FROM ranked {after} ORDER BY rank DESC, created_at DESC, id DESC LIMIT :size
"""
_AFTER = "WHERE (rank, created_at, id) < (CAST(:rank AS numeric), CAST(:created_at AS timestamptz), :last_id)"
_MATCHES = """,
numbered AS (SELECT *, row_number() OVER (PARTITION BY id ORDER BY rank DESC, number) AS place FROM found)
SELECT * FROM numbered WHERE place <= :most ORDER BY id, number
"""
# The words themselves are asked about, so that marks fit the text to the letter.
_MARKED = """
SELECT word FROM unnest(CAST(:words AS text[])) AS word
WHERE tsvector_to_array(to_tsvector(CAST(CAST(:configuration AS text) AS regconfig), word))
    && tsvector_to_array(to_tsvector(CAST(CAST(:configuration AS text) AS regconfig), :query))
"""


async def search(
    connection: AsyncConnection, query: str, meeting_id: str, owner_id: str, size: int, after: Place | None
) -> list[Hit]:
    """As the store's contract says."""
    scope, asked = _scope(meeting_id, owner_id)
    # Each stands for a "not", and of many that deny nothing Postgres makes more than its stack holds.
    query = _IDLE_MINUS.sub(" ", query)
    asked["query"] = query
    ranked = await _ranked(connection, scope, asked, size, after)
    ids = [row.id for row in ranked]
    rows = await connection.execute(select(TRANSCRIPTS).where(TRANSCRIPTS.c.id.in_(ids)))
    transcripts = {row.id: to_transcript(row) for row in rows}
    matches = await _matches(connection, ids, query)
    return [
        Hit(transcripts[row.id], Place(row.rank, row.created_at, row.id), tuple(matches[row.id]))
        for row in ranked
        if row.id in transcripts
    ]


def _scope(meeting_id: str, owner_id: str) -> tuple[str, dict[str, Any]]:
    conditions, asked = [], {}
    if meeting_id:
        conditions.append("meeting_ids @> ARRAY[CAST(:meeting_id AS text)]")
        asked["meeting_id"] = meeting_id
    if owner_id:
        conditions.append("owner_id = :owner_id")
        asked["owner_id"] = owner_id
    return " AND ".join(conditions) or "false", asked


async def _ranked(
    connection: AsyncConnection, scope: str, asked: dict[str, Any], size: int, after: Place | None
) -> Sequence[Row[Any]]:
    if after:
        asked = asked | {"rank": after.rank, "created_at": after.created_at, "last_id": after.transcript_id}
    statement = _FOUND.format(scope=scope) + _RANKED.format(after=_AFTER if after else "")
    return (await connection.execute(text(statement), asked | {"size": size})).all()


async def _matches(connection: AsyncConnection, ids: Sequence[str], query: str) -> dict[str, list[Match]]:
    statement = _FOUND.format(scope="id = ANY(CAST(:ids AS text[]))") + _MATCHES
    rows = (await connection.execute(text(statement), {"ids": ids, "query": query, "most": MOST_MATCHES})).all()
    found: dict[str, list[Match]] = {transcript_id: [] for transcript_id in ids}
    marked = await _marked(connection, rows, query)
    for row in rows:
        segment = to_segment(row)
        marks = (word.span() for word in _WORD.finditer(segment.text) if word[0] in marked[row.configuration])
        found[row.id].append(Match(row.number, segment, tuple(marks)))
    return found


async def _marked(connection: AsyncConnection, rows: Iterable[Row[Any]], query: str) -> dict[str, set[str]]:
    """For each language the words in those texts that were looked for."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        words[row.configuration].update(_WORD.findall(to_segment(row).text))
    asked = {"query": _OR.sub(" ", query)}
    return {
        configuration: set(
            await connection.scalars(text(_MARKED), asked | {"words": sorted(some), "configuration": configuration})
        )
        for configuration, some in words.items()
    }
