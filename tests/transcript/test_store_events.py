"""What the store tells whoever watches a transcript, and what it drops once the audio is gone."""

import asyncio

import pytest
from assent.transcript.v1 import transcript_events_pb2 as news

from tests.transcript.begun import DONE, SEGMENTS, begin
from tests.transcript.surroundings import Store
from transcript_svc import wire
from transcript_svc.domain import (
    Overtaken,
    Status,
)
from transcript_svc.store import Transcripts


def kinds(events: list[wire.Event]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


async def test_events_are_numbered_without_a_gap_and_told_to_whoever_watches(store: Store) -> None:
    job = await begin(store.transcripts)
    await store.transcripts.append(job, wire.heard(SEGMENTS[0]), wire.heard(SEGMENTS[1]))
    await store.transcripts.append(job, wire.lasted(3_000))
    events = await store.transcripts.events(job.transcript_id, 0)
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert kinds(events) == ["status", "segment", "segment", "duration_ms"]
    told = [message.event for message in await store.news_of(news.TranscriptEventAppended)]  # type: ignore[attr-defined]
    assert told == events


async def test_a_listener_who_comes_back_gets_what_it_missed(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.append(job, wire.heard(SEGMENTS[0]), wire.heard(SEGMENTS[1]))
    assert [event.sequence for event in await transcripts.events(job.transcript_id, 2)] == [3]


async def test_of_all_progress_only_the_latest_is_kept(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    for percent in (10, 20, 30):
        await transcripts.append(job, wire.progressed(percent, 1))
    progress = [event for event in await transcripts.events(job.transcript_id, 0) if event.HasField("progress")]
    assert [event.progress.percent for event in progress] == [30]
    assert progress[0].sequence == 4


async def test_a_new_attempt_voids_what_the_last_one_heard(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.append(job, wire.heard(SEGMENTS[0]), wire.progressed(50, 1), wire.lasted(3_000))
    await begin(transcripts)
    events = await transcripts.events(job.transcript_id, 0)
    assert kinds(events) == ["status", "status"]
    assert [event.sequence for event in events] == [1, 5]


async def test_erased_audio_leaves_the_words_and_takes_the_waveform(store: Store) -> None:
    transcripts = store.transcripts
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    await transcripts.drop_audio("r1")
    transcript = await transcripts.get(job.transcript_id)
    assert transcript is not None
    assert (transcript.audio_deleted, transcript.audio) == (True, None)
    assert transcript.segments == SEGMENTS
    assert transcript.status is Status.COMPLETED
    assert await transcripts.peaks(job.transcript_id) == ()
    events = await transcripts.events(job.transcript_id, 0)
    assert "waveform" not in kinds(events)
    assert kinds(events)[-1] == "audio_deleted"


async def test_erased_audio_is_told_once_however_often_it_is_heard(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    await asyncio.gather(*(transcripts.drop_audio("r1") for _ in range(5)))
    assert kinds(await transcripts.events(job.transcript_id, 0)).count("audio_deleted") == 1


async def test_audio_erased_before_it_was_transcribed_ends_the_work(store: Store) -> None:
    job = await begin(store.transcripts)
    await store.transcripts.drop_audio("r1")
    with pytest.raises(Overtaken):
        await store.transcripts.complete(job, DONE)
    transcript = await store.transcripts.get(job.transcript_id)
    assert transcript is not None
    assert (transcript.status, transcript.audio_deleted) == (Status.FAILED, True)
    assert len(await store.news_of(news.TranscriptFailed)) == 1
