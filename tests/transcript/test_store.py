"""What the store promises, in memory and in Postgres."""

import asyncio
from dataclasses import replace

import pytest
from assent.transcript.v1 import transcript_events_pb2 as news
from assent.transcript.v1 import transcript_pb2

from tests.transcript.begun import AUDIO, DONE, LONG, OVER, RECORDING, SEGMENTS, begin
from tests.transcript.surroundings import Store
from transcript_svc import wire
from transcript_svc.domain import (
    Edit,
    Job,
    Locked,
    Occupied,
    Overtaken,
    Status,
)
from transcript_svc.store import Transcripts


async def test_a_recording_has_one_transcript_however_often_it_is_begun(transcripts: Transcripts) -> None:
    first = await begin(transcripts)
    second = await begin(transcripts)
    assert first.transcript_id == second.transcript_id
    assert (first.attempt, second.attempt) == (1, 2)
    assert len(await transcripts.page("m1", "", 10, None)) == 1


async def test_of_many_workers_that_begin_at_once_one_gets_the_job(transcripts: Transcripts) -> None:
    tries = [transcripts.begin(RECORDING, f"instance {number}", LONG) for number in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Job) for result in results) == 1
    assert sum(isinstance(result, Occupied) for result in results) == 7
    assert len(await transcripts.page("m1", "", 10, None)) == 1


async def test_a_job_that_is_held_is_not_begun_by_another_instance(transcripts: Transcripts) -> None:
    await begin(transcripts, "one")
    with pytest.raises(Occupied):
        await begin(transcripts, "two")


async def test_a_job_whose_holder_gave_no_sign_of_life_goes_to_another(transcripts: Transcripts) -> None:
    await begin(transcripts, "one", hold=OVER)
    assert (await begin(transcripts, "two")).attempt == 2


async def test_a_sign_of_life_keeps_the_job(transcripts: Transcripts) -> None:
    job = await begin(transcripts, "one", hold=OVER)
    await transcripts.hold(job, LONG)
    with pytest.raises(Occupied):
        await begin(transcripts, "two")


async def test_an_instance_takes_up_again_what_its_earlier_life_held(transcripts: Transcripts) -> None:
    await begin(transcripts, "one")
    assert (await begin(transcripts, "one")).attempt == 2


async def test_a_job_that_was_handed_back_is_free(transcripts: Transcripts) -> None:
    await transcripts.hand_back(await begin(transcripts, "one"), counts=True)
    assert (await begin(transcripts, "two")).tries == 2


async def test_trouble_of_our_own_does_not_count_as_a_try(transcripts: Transcripts) -> None:
    await transcripts.hand_back(await begin(transcripts, "one"), counts=False)
    job = await begin(transcripts, "two")
    assert (job.attempt, job.tries) == (2, 1)


async def test_a_worker_that_was_overtaken_writes_nothing(store: Store) -> None:
    transcripts = store.transcripts
    paused = await begin(transcripts, "one", hold=OVER)
    await begin(transcripts, "two")
    before = await store.news()
    for write in (
        transcripts.append(paused, wire.progressed(50, 1)),
        transcripts.complete(paused, DONE),
        transcripts.fail(paused, "no"),
        transcripts.hold(paused, LONG),
        transcripts.hand_back(paused, counts=True),
    ):
        with pytest.raises(Overtaken):
            await write
    transcript = await transcripts.of_recording("r1")
    assert transcript is not None
    assert (transcript.status, transcript.segments) == (Status.PROCESSING, ())
    assert await store.news() == before


async def test_of_two_workers_that_end_at_once_only_the_later_attempt_is_committed(store: Store) -> None:
    early = await begin(store.transcripts, "one", hold=OVER)
    late = await begin(store.transcripts, "two")
    results = await asyncio.gather(
        store.transcripts.complete(early, replace(DONE, duration_ms=1)),
        store.transcripts.complete(late, DONE),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Overtaken, type(None)]
    transcript = await store.transcripts.of_recording("r1")
    assert transcript is not None
    assert transcript.duration_ms == 3_000
    assert len(await store.news_of(news.TranscriptCompleted)) == 1


async def test_a_completed_transcript_has_all_that_was_heard(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    transcript = await transcripts.get(job.transcript_id)
    assert transcript is not None
    assert transcript.segments == SEGMENTS
    assert (transcript.status, transcript.duration_ms, transcript.language) == (Status.COMPLETED, 3_000, "en")
    assert transcript.audio == AUDIO
    assert transcript.finished_at is not None
    assert await transcripts.peaks(job.transcript_id) == (0.0, 0.5, 1.0)


async def test_what_has_ended_is_not_begun_again(transcripts: Transcripts) -> None:
    await transcripts.complete(await begin(transcripts), DONE)
    assert await transcripts.begin(RECORDING, "two", LONG) is None


async def test_completion_is_news_together_with_its_commit(store: Store) -> None:
    job = await begin(store.transcripts)
    assert await store.news_of(news.TranscriptStarted) == [
        news.TranscriptStarted(transcript_id=job.transcript_id, recording_id="r1")
    ]
    await store.transcripts.complete(job, DONE)
    assert await store.news_of(news.TranscriptCompleted) == [
        news.TranscriptCompleted(transcript_id=job.transcript_id, recording_id="r1", duration_ms=3_000)
    ]


async def test_failure_is_news_with_its_reason(store: Store) -> None:
    job = await begin(store.transcripts)
    await store.transcripts.fail(job, "broken")
    (failed,) = await store.news_of(news.TranscriptFailed)
    assert failed == news.TranscriptFailed(transcript_id=job.transcript_id, recording_id="r1", reason="broken")
    transcript = await store.transcripts.get(job.transcript_id)
    assert transcript is not None
    assert (transcript.status, transcript.failure) == (Status.FAILED, "broken")
    assert transcript.finished_at is not None


async def test_the_meetings_of_a_recording_may_become_known_later(transcripts: Transcripts) -> None:
    await begin(transcripts)
    await transcripts.match(replace(RECORDING, meeting_ids=("m1", "m2"), owner_id="ben"))
    (transcript,) = await transcripts.page("m2", "ben", 10, None)
    assert transcript.meeting_ids == ("m1", "m2")


async def test_a_match_makes_no_transcript(transcripts: Transcripts) -> None:
    await transcripts.match(RECORDING)
    assert await transcripts.of_recording("r1") is None


async def test_a_repeated_discovery_does_not_undo_a_match(transcripts: Transcripts) -> None:
    await transcripts.begin(replace(RECORDING, meeting_ids=(), owner_id=""), "one", OVER)
    await transcripts.match(RECORDING)
    await transcripts.begin(replace(RECORDING, meeting_ids=(), owner_id=""), "two", LONG)
    transcript = await transcripts.of_recording("r1")
    assert transcript is not None
    assert (transcript.meeting_ids, transcript.owner_id) == (("m1",), "ana")


async def test_lists_go_newest_first_page_by_page_without_segments(transcripts: Transcripts) -> None:
    for number in range(5):
        job = await transcripts.begin(replace(RECORDING, id=f"r{number}"), "one", LONG)
        assert job is not None
        await transcripts.complete(job, DONE)
    first = await transcripts.page("m1", "ana", 3, None)
    rest = await transcripts.page("m1", "ana", 3, (first[-1].created_at, first[-1].id))
    assert [transcript.recording_id for transcript in first + rest] == ["r4", "r3", "r2", "r1", "r0"]
    assert all(transcript.segments == () for transcript in first)


async def test_lists_hold_only_what_was_asked_for(transcripts: Transcripts) -> None:
    await begin(transcripts)
    assert await transcripts.page("m1", "somebody else", 10, None) == []
    assert await transcripts.page("m9", "", 10, None) == []
    assert len(await transcripts.page("", "ana", 10, None)) == 1


async def test_what_others_may_have_news_of_comes_page_by_page_the_unmatched_apart(transcripts: Transcripts) -> None:
    for recording_id, owner in (("r1", ""), ("r2", "ana"), ("r3", "ana"), ("r4", "ana"), ("r5", "")):
        job = await transcripts.begin(replace(RECORDING, id=recording_id, owner_id=owner), "one", LONG)
        assert job is not None
        await transcripts.complete(job, DONE)
    await transcripts.drop_audio("r4")
    await transcripts.drop_audio("r5")
    first = await transcripts.unsettled(matched=True, size=1, after="")
    rest = await transcripts.unsettled(matched=True, size=9, after=first[0].id)
    assert {transcript.recording_id for transcript in first + rest} == {"r2", "r3"}
    assert len(first) == len(rest) == 1
    unmatched = await transcripts.unsettled(matched=False, size=9, after="")
    assert {transcript.recording_id for transcript in unmatched} == {"r1", "r5"}
    assert unmatched[0].id < unmatched[1].id


async def test_edits_change_what_they_name_and_nothing_else(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.edit(job.transcript_id, Edit(title="Budget"))
    transcript = await transcripts.edit(job.transcript_id, Edit(reviewed=True))
    assert transcript is not None
    assert (transcript.title, transcript.reviewed, transcript.locked) == ("Budget", True, False)


async def test_a_locked_transcript_can_only_be_unlocked(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.edit(job.transcript_id, Edit(locked=True))
    for edit in (Edit(title="x"), Edit(reviewed=True), Edit(locked=False, title="x"), Edit(locked=True)):
        with pytest.raises(Locked):
            await transcripts.edit(job.transcript_id, edit)
    unlocked = await transcripts.edit(job.transcript_id, Edit(locked=False))
    assert unlocked is not None
    assert not unlocked.locked
    assert unlocked.title == ""


async def test_a_deleted_transcript_leaves_nothing(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    await transcripts.delete(job.transcript_id)
    assert await transcripts.get(job.transcript_id) is None
    assert await transcripts.events(job.transcript_id, 0) == []
    assert await transcripts.peaks(job.transcript_id) == ()


async def test_a_locked_transcript_is_not_deleted_however_late_it_was_locked(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.complete(job, DONE)
    await transcripts.edit(job.transcript_id, Edit(locked=True))
    with pytest.raises(Locked):
        await transcripts.delete(job.transcript_id)
    assert await transcripts.get(job.transcript_id)


async def test_a_worker_whose_transcript_was_deleted_writes_nothing(transcripts: Transcripts) -> None:
    job = await begin(transcripts)
    await transcripts.delete(job.transcript_id)
    with pytest.raises(Overtaken):
        await transcripts.complete(job, DONE)
    assert await transcripts.of_recording("r1") is None


async def test_what_is_unknown_is_none(transcripts: Transcripts) -> None:
    assert await transcripts.get("x") is None
    assert await transcripts.of_recording("x") is None
    assert await transcripts.edit("x", Edit(title="x")) is None
    await transcripts.drop_audio("x")
    await transcripts.delete("x")


def test_every_status_can_be_said_in_protobuf() -> None:
    assert set(wire.STATUSES) == set(Status)
    assert transcript_pb2.TRANSCRIPT_STATUS_UNSPECIFIED not in wire.STATUSES.values()
