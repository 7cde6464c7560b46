"""What was said is found again: by owner or meeting, best first, with the places where it was said."""

from dataclasses import replace

import pytest
from assent.transcript.v1 import transcript_service_pb2 as rpc
from sqlalchemy import text

from chassis.database import Database
from chassis.errors import InvalidArgument
from tests.transcript.begun import DONE, LONG, RECORDING
from tests.transcript.caller import Service
from transcript_svc.domain import Hit, Segment
from transcript_svc.store import PostgresTranscripts, Transcripts


async def said(
    transcripts: Transcripts,
    recording_id: str,
    *texts: str,
    language: str = "xx",
    meeting: str = "m1",
    owner: str = "ana",
) -> str:
    """A completed transcript in which these texts were said; its id."""
    recording = replace(RECORDING, id=recording_id, meeting_ids=(meeting,), owner_id=owner)
    job = await transcripts.begin(recording, "one", LONG)
    assert job is not None
    segments = tuple(Segment(number * 1_000, number * 1_000 + 900, words) for number, words in enumerate(texts))
    await transcripts.complete(job, replace(DONE, segments=segments, language=language))
    return job.transcript_id


async def found(transcripts: Transcripts, query: str, meeting: str = "", owner: str = "ana") -> list[Hit]:
    return await transcripts.search(query, meeting, owner, 50, None)


def marked(hit: Hit) -> list[tuple[int, list[str]]]:
    """The numbers of the segments, and what is marked in them."""
    return [(match.index, [match.segment.text[start:end] for start, end in match.marks]) for match in hit.matches]


async def test_what_was_said_is_found_with_its_segments_and_marks(transcripts: Transcripts) -> None:
    told = await said(transcripts, "r1", "Über das Budget", "nothing", "budget 😀 budget: das reicht")
    await said(transcripts, "r2", "something else")
    (hit,) = await found(transcripts, "BUDGET das")
    assert (hit.transcript.id, hit.transcript.segments) == (told, ())
    assert marked(hit) == [(0, ["das", "Budget"]), (2, ["budget", "budget", "das"])]
    assert hit.matches[1].segment.start_ms == 2_000
    assert await found(transcripts, "budget absent") == []


async def test_what_is_found_is_told_with_who_said_it(transcripts: Transcripts) -> None:
    job = await transcripts.begin(RECORDING, "one", LONG)
    assert job is not None
    await transcripts.complete(job, DONE)
    (hit,) = await found(transcripts, "yes")
    assert [match.segment.speaker for match in hit.matches] == ["Ben"]


async def test_nobody_finds_what_is_not_theirs(transcripts: Transcripts) -> None:
    mine = await said(transcripts, "r1", "a secret", meeting="m1", owner="ana")
    theirs = await said(transcripts, "r2", "a secret", meeting="m2", owner="ben")
    await said(transcripts, "r3", "a secret", meeting="m3", owner="")
    assert [hit.transcript.id for hit in await found(transcripts, "secret", owner="ana")] == [mine]
    assert [hit.transcript.id for hit in await found(transcripts, "secret", "m2", "")] == [theirs]
    assert await found(transcripts, "secret", "m2", "ana") == []


async def test_better_hits_come_first_page_by_page_and_none_twice(transcripts: Transcripts) -> None:
    made = [await said(transcripts, f"r{n}", *["apple tree"] * (1 + n % 3)) for n in range(7)]
    whole = await found(transcripts, "apple")
    assert sorted(hit.transcript.id for hit in whole) == sorted(made)
    assert [len(hit.matches) for hit in whole] == [3, 3, 2, 2, 1, 1, 1]
    paged: list[Hit] = []
    while page := await transcripts.search("apple", "", "ana", 2, paged[-1].place if paged else None):
        paged += page
    assert paged == whole


async def test_an_edit_is_found_and_what_it_replaced_is_not(transcripts: Transcripts) -> None:
    transcript_id = await said(transcripts, "r1", "hello bob")
    await transcripts.edit_segment(transcript_id, 0, "hello Rob", "ana")
    assert await found(transcripts, "bob") == []
    (hit,) = await found(transcripts, "rob")
    assert hit.matches[0].segment.original == "hello bob"
    await transcripts.edit_segment(transcript_id, 0, "hello bob", "ana")
    assert len(await found(transcripts, "bob")) == 1


@pytest.mark.parametrize("query", ["-" * 300, "- " * 150, "hello " + "-" * 290, '-"' * 150, "(-" * 150, "a -" * 100])
async def test_however_many_minus_signs_there_are_they_break_nothing(transcripts: Transcripts, query: str) -> None:
    await said(transcripts, "r1", "hello there")
    assert len(await found(transcripts, query)) == int("hello" in query)


async def test_a_word_behind_a_minus_is_not_wanted(transcripts: Transcripts) -> None:
    await said(transcripts, "r1", "hello there")
    await said(transcripts, "r2", "hello world")
    if isinstance(transcripts, PostgresTranscripts):
        assert [hit.transcript.recording_id for hit in await found(transcripts, "hello -world")] == ["r1"]


async def test_what_was_deleted_is_not_found(transcripts: Transcripts) -> None:
    transcript_id = await said(transcripts, "r1", "apple")
    await transcripts.delete(transcript_id)
    assert await found(transcripts, "apple") == []


ODD = [
    "'",
    '"',
    "a & b | !c",
    "((",
    "\\",
    "%",
    "<->",
    "-",
    "--- or or",
    "😀",
    "\x01",
    "a:*",
    "﷽" * 100,
    "or",
    "the",
    ";--",
]


@pytest.mark.parametrize("query", ODD)
async def test_an_odd_query_finds_nothing_and_hurts_nobody(transcripts: Transcripts, query: str) -> None:
    await said(transcripts, "r1", "something else", language="en")
    assert await found(transcripts, query) == []


@pytest.mark.parametrize(
    ("language", "words", "query", "marks"),
    [
        ("en", "We were meeting the new neighbours", "meetings neighbour", ["meeting", "neighbours"]),
        ("en-US", "the budgets were agreed", '"were agreed" budget', ["budgets", "agreed"]),
        ("de", "die Häuser am See", "haus", ["Häuser"]),
        ("nb", "vi har hatt møtene", "møte", ["møtene"]),
        ("xx", "the meetings", "the meetings", ["the", "meetings"]),
        ("en", "apples and pears", "apple -plum", ["apples"]),
        ("en", "only pears", "apple or pear", ["pears"]),
    ],
)
async def test_words_are_found_as_their_language_bends_them(
    database: Database, language: str, words: str, query: str, marks: list[str]
) -> None:
    transcripts = PostgresTranscripts(database)
    await said(transcripts, "r1", words, language=language)
    await said(transcripts, "r2", "nichts davon", language="de")
    hits = await found(transcripts, query)
    assert [marked(hit) for hit in hits] == [[(0, marks)]]


async def test_segments_are_found_through_their_index(database: Database) -> None:
    transcripts = PostgresTranscripts(database)
    for number in range(3):
        await said(transcripts, f"r{number}", *(f"word{n} talk" for n in range(50)))
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = "EXPLAIN SELECT 1 FROM segments WHERE search @@ websearch_to_tsquery('simple', 'word7')"
        plan = "\n".join(await connection.scalars(text(query)))
    assert "segments_by_words" in plan


async def test_a_search_goes_page_by_page_through_the_service(service: Service) -> None:
    made = [await service.transcribed(number, with_audio=False) for number in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        request = rpc.SearchTranscriptsRequest(owner_id="ana", query="b", page_size=2, page_token=token)
        page = await service.call.SearchTranscripts(request)
        seen += [hit.transcript.transcript_id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    (match,) = page.hits[0].matches
    assert (match.segment.text, match.segment.index, [(mark.start, mark.end) for mark in match.marks]) == (
        "a < b",
        0,
        [(4, 5)],
    )
    assert not match.segment.words


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (rpc.SearchTranscriptsRequest(query="x"), "LIST_UNBOUNDED"),
        (rpc.SearchTranscriptsRequest(owner_id="ana", query=" "), "QUERY_INVALID"),
        (rpc.SearchTranscriptsRequest(owner_id="ana", query="a\0b"), "QUERY_INVALID"),
        (rpc.SearchTranscriptsRequest(owner_id="ana", query="x" * 301), "QUERY_INVALID"),
        (rpc.SearchTranscriptsRequest(owner_id="ana", query="x", page_token="WzFd"), "PAGE_TOKEN_INVALID"),
        (
            rpc.SearchTranscriptsRequest(owner_id="ana", query="x", page_token="WyJOYU4iLCIiLCIiXQ=="),
            "PAGE_TOKEN_INVALID",
        ),
    ],
)
async def test_a_search_that_cannot_be_made_is_refused(
    service: Service, request_: rpc.SearchTranscriptsRequest, reason: str
) -> None:
    with pytest.raises(InvalidArgument) as error:
        await service.call.SearchTranscripts(request_)
    assert error.value.reason == reason
