"""Edited texts: what is shown, what was heard, and that no edit is ever lost."""

import asyncio
import json

import pytest
from assent.transcript.v1 import transcript_events_pb2 as news
from assent.transcript.v1 import transcript_service_pb2 as rpc
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from chassis.database import Database
from chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.transcript.begun import DONE, SEGMENTS, begin
from tests.transcript.caller import Service
from tests.transcript.surroundings import Store
from transcript_svc.domain import Edit, Locked, NoSegment, NotCompleted, Segment
from transcript_svc.store import PostgresTranscripts, Transcripts


async def made(transcripts: Transcripts) -> str:
    """A completed transcript's id."""
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    return job.transcript_id


async def segments(transcripts: Transcripts, transcript_id: str) -> tuple[Segment, ...]:
    transcript = await transcripts.get(transcript_id)
    assert transcript is not None
    return transcript.segments


async def test_an_edit_is_shown_and_what_was_heard_stays_with_its_words(transcripts: Transcripts) -> None:
    transcript_id = await made(transcripts)
    await transcripts.edit_segment(transcript_id, 0, "Hello, dear!", "ana")
    first, second = await segments(transcripts, transcript_id)
    assert (first.text, first.original, first.heard) == ("Hello, dear!", "hello there", "hello there")
    assert first.words == SEGMENTS[0].words
    assert second == SEGMENTS[1]
    await transcripts.edit_segment(transcript_id, 0, "Hello, Ben!", "ana")
    first, _ = await segments(transcripts, transcript_id)
    assert (first.text, first.original) == ("Hello, Ben!", "hello there")


async def test_who_writes_again_what_was_heard_takes_the_edit_back(transcripts: Transcripts) -> None:
    transcript_id = await made(transcripts)
    await transcripts.edit_segment(transcript_id, 0, "x", "ana")
    await transcripts.edit_segment(transcript_id, 0, "hello there", "ana")
    assert await segments(transcripts, transcript_id) == SEGMENTS


async def test_an_edited_segment_is_still_spoken_by_whom_it_was(store: Store) -> None:
    transcript_id = await made(store.transcripts)
    after = await store.transcripts.edit_segment(transcript_id, 1, "No!", "ana")
    assert after is not None
    assert (after.text, after.speaker) == ("No!", "Ben")
    assert (await segments(store.transcripts, transcript_id))[1] == after
    (*_, told) = await store.news_of(news.TranscriptEventAppended)
    assert told.event.segment.speaker == "Ben"  # type: ignore[attr-defined]


async def test_listeners_hear_of_each_edit_and_latecomers_of_the_latest(store: Store) -> None:
    transcript_id = await made(store.transcripts)
    told = len(await store.news_of(news.TranscriptEventAppended))
    for index, words in [(0, "one"), (0, "two"), (0, "two"), (1, "three")]:
        await store.transcripts.edit_segment(transcript_id, index, words, "ana")
    heard = [message.event for message in await store.news_of(news.TranscriptEventAppended)][told:]  # type: ignore[attr-defined]
    assert [(event.segment.index, event.segment.text) for event in heard] == [(0, "one"), (0, "two"), (1, "three")]
    kept = [event for event in await store.transcripts.events(transcript_id, 0) if event.segment.edited]
    assert [(event.segment.index, event.segment.text) for event in kept] == [(0, "two"), (1, "three")]
    assert [event.sequence for event in kept] == [event.sequence for event in heard[1:]]


async def test_words_that_are_locked_or_not_there_are_not_edited(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    with pytest.raises(NotCompleted):
        await transcripts.edit_segment(job.transcript_id, 0, "x", "ana")
    await transcripts.complete(job, DONE)
    for index in (-1, 2, 2**31 - 1):
        with pytest.raises(NoSegment):
            await transcripts.edit_segment(job.transcript_id, index, "x", "ana")
    await transcripts.edit(job.transcript_id, Edit(locked=True))
    with pytest.raises(Locked):
        await transcripts.edit_segment(job.transcript_id, 0, "x", "ana")
    assert await segments(transcripts, job.transcript_id) == SEGMENTS
    assert await transcripts.edit_segment("never-was", 0, "x", "ana") is None


async def test_no_edit_is_lost_however_many_come_at_once_and_none_can_be_undone(database: Database) -> None:
    transcripts = PostgresTranscripts(database)
    transcript_id = await made(transcripts)
    await asyncio.gather(*(transcripts.edit_segment(transcript_id, 0, f"text {n}", f"u{n}") for n in range(8)))
    async with database.begin() as connection:
        rows = (await connection.execute(text("SELECT * FROM edits ORDER BY sequence"))).all()
    assert sorted(row.editor_id for row in rows) == [f"u{n}" for n in range(8)]
    assert [row.before for row in rows] == ["hello there", *(row.after for row in rows[:-1])]
    assert (await segments(transcripts, transcript_id))[0].text == rows[-1].after
    for statement in ("UPDATE edits SET after = 'x'", "DELETE FROM edits"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.begin() as connection:
                await connection.execute(text(statement))
    await transcripts.delete(transcript_id)
    async with database.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM edits")) == 0


async def edit(service: Service, transcript_id: str, index: int, words: str) -> rpc.EditSegmentResponse:
    request = rpc.EditSegmentRequest(transcript_id=transcript_id, index=index, text=words, editor_id="ana")
    return await service.call.EditSegment(request)


async def test_every_format_shows_the_edit_and_on_demand_what_was_heard(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    edited = (await edit(service, transcript_id, 0, "  a > b ")).segment
    assert (edited.text, edited.original_text, edited.edited, edited.index) == ("a > b", "a < b", True, 0)
    shown = (await service.call.GetTranscript(rpc.GetTranscriptRequest(transcript_id=transcript_id))).transcript
    assert list(shown.segments) == [edited]

    async def rendered(form: rpc.TextFormat.ValueType, original: bool) -> str:
        request = rpc.RenderTranscriptRequest(transcript_id=transcript_id, format=form, original=original)
        return (await service.call.RenderTranscript(request)).text

    for form in (rpc.TEXT_FORMAT_TXT, rpc.TEXT_FORMAT_VTT, rpc.TEXT_FORMAT_SRT):
        assert "a > b" in (await rendered(form, False)).replace("&gt;", ">")
        assert "a < b" in (await rendered(form, True)).replace("&lt;", "<")
    (segment,) = json.loads(await rendered(rpc.TEXT_FORMAT_JSON, False))["segments"]
    assert (segment["text"], segment["original_text"], segment["edited"]) == ("a > b", "a < b", True)
    (segment,) = json.loads(await rendered(rpc.TEXT_FORMAT_JSON, True))["segments"]
    assert (segment["text"], "edited" in segment) == ("a < b", False)


async def test_an_edit_that_cannot_be_made_says_why(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    for words in ("", " \n", "x" * 5_001, "a\0b"):
        with pytest.raises(InvalidArgument, match="characters"):
            await edit(service, transcript_id, 0, words)
    for which, index, reason in [("x", 0, "TRANSCRIPT_NOT_FOUND"), (transcript_id, 1, "SEGMENT_NOT_FOUND")]:
        with pytest.raises(NotFound) as missing:
            await edit(service, which, index, "x")
        assert missing.value.reason == reason
    await service.transcripts.edit(transcript_id, Edit(locked=True))
    with pytest.raises(FailedPrecondition) as refused:
        await edit(service, transcript_id, 0, "x")
    assert refused.value.reason == "TRANSCRIPT_LOCKED"
