"""What becomes of a recording: on both stores, with real buckets and real calls to its neighbours."""

from datetime import timedelta
from typing import Any

import pytest
from assent.consent.v1 import consent_pb2
from assent.recording.v1.recording_events_pb2 import (
    AudioDeleted,
    RecordingDiscovered,
    RecordingMatched,
    RecordingStateChanged,
)

from chassis.errors import Internal, NotFound
from recording_svc.domain.recordings import CopyKind, CopyState, Stage, State
from tests.recording.conftest import both_servers, published
from tests.recording.faults import denied, unreachable
from tests.recording.neighbours import COMPLETED, DELETE, FAILED, KEEP, PROCESSING, WAIT
from tests.recording.world import KEY, World

pytestmark = both_servers


async def test_nobody_refused_keeps_the_audio(world: World) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    kept = await world.settle(recording)
    assert (kept.state, kept.reason) == (State.KEPT, "NOBODY_REFUSED")
    assert kept.match.meeting_ids == ("meeting-1",)
    assert kept.transcription.stage is Stage.COMMITTED
    assert world.answers.durations[-1] == 35_000
    assert len(world.lying()) == 2


async def test_d5_somebody_refused_erases_every_copy_and_proves_it(world: World) -> None:
    recording = await world.arrive()
    mp3 = await world.write_mp3(recording)
    world.neighbours.refuse(revision=3)
    erased = await world.settle(recording)
    assert world.lying() == []
    assert (erased.state, erased.reason, erased.erased_at) == (State.ERASED, "SOMEBODY_REFUSED", world.clock.now)
    statement = world.statement(erased)
    assert statement["grounds"]["refusals"] == [{"meeting_id": "meeting-1", "revision": 3}]
    assert {one["key"] for one in statement["removed"]} == {mp3, KEY}
    assert {copy.state for copy in await world.recordings.copies(recording.recording_id)} == {CopyState.GONE}


async def test_others_hear_of_it_in_order(world: World) -> None:
    recording = await world.arrive()
    world.neighbours.refuse()
    await world.settle(recording)
    told = await published(world.recordings)
    kinds = [RecordingDiscovered, RecordingMatched, RecordingStateChanged, RecordingStateChanged, AudioDeleted]
    assert [type(one) for one in told] == kinds
    deleted = told[-1]
    assert isinstance(deleted, AudioDeleted)
    assert (deleted.recording_id, list(deleted.meeting_ids)) == (recording.recording_id, ["meeting-1"])


@pytest.mark.parametrize("status", [None, PROCESSING])
async def test_r4_the_original_waits_for_its_transcript(world: World, status: Any) -> None:
    world.written.default = status
    world.neighbours.refuse()
    recording = await world.arrive()
    waiting = await world.settle(recording)
    assert waiting.state is (State.TRANSCRIBING if status else State.DISCOVERED)
    assert world.lying() == [("version", KEY)]
    world.written.default = COMPLETED
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []


async def test_r4_a_silent_transcript_service_is_no_transcript(world: World) -> None:
    world.written.error = Internal("broken", reason="INTERNAL")
    world.neighbours.refuse()
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.DISCOVERED
    assert world.lying() == [("version", KEY)]


async def test_r4_failed_for_good_and_refused_is_erased_a_day_later(world: World) -> None:
    world.written.default, world.written.finished_at = FAILED, world.clock.now
    world.neighbours.refuse()
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.FAILED
    world.clock.advance(hours=23, minutes=59)
    assert (await world.settle(recording)).state is State.FAILED
    assert world.lying() == [("version", KEY)]
    world.clock.advance(minutes=1)
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []


def malformed() -> list[consent_pb2.Verdict]:
    stranger = [consent_pb2.Revision(meeting_id="somebody-elses", revision=1)]
    nothing = [consent_pb2.Revision(meeting_id="meeting-1", revision=0)]
    refused = consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED
    deadline = consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE
    return [
        consent_pb2.Verdict(),
        consent_pb2.Verdict(decision=DELETE),
        consent_pb2.Verdict(decision=DELETE, reason=refused),
        consent_pb2.Verdict(decision=DELETE, reason=refused, refusals=stranger),
        consent_pb2.Verdict(decision=DELETE, reason=refused, refusals=nothing),
        consent_pb2.Verdict(decision=DELETE, reason=deadline),
        consent_pb2.Verdict(decision=DELETE, reason=consent_pb2.VERDICT_REASON_NOBODY_REFUSED),
        consent_pb2.Verdict(decision=KEEP, reason=refused),
        consent_pb2.Verdict(decision=KEEP),
    ]


@pytest.mark.parametrize("number", range(len(malformed())))
async def test_r6_a_verdict_that_makes_no_sense_erases_nothing(world: World, number: int) -> None:
    recording = await world.arrive()
    world.answers.verdict = malformed()[number]
    undecided = await world.settle(recording)
    assert (undecided.state, undecided.reason) == (State.UNDECIDED, "CONSENT_MALFORMED")
    assert world.lying() == [("version", KEY)]


@pytest.mark.parametrize("error", [Internal("?", reason="X"), NotFound("?", reason="MEETING_NOT_FOUND")])
async def test_r6_consent_away_is_undecided_and_settled_after_its_return(world: World, error: Any) -> None:
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.KEPT
    world.answers.error = error
    undecided = await world.settle(recording)
    assert undecided.state is State.UNDECIDED
    assert undecided.next_look_at is not None
    assert undecided.next_look_at - world.clock.now < timedelta(seconds=5)
    world.neighbours.return_()
    world.neighbours.refuse()
    world.clock.advance(seconds=5)
    assert await world.sweep.settle_due() == 1
    assert (await world.now(recording)).state is State.ERASED


async def test_waiting_for_answers_is_undecided(world: World) -> None:
    recording = await world.arrive()
    reason = consent_pb2.VERDICT_REASON_ANSWERS_AWAITED
    world.answers.verdict = consent_pb2.Verdict(decision=WAIT, reason=reason)
    assert (await world.settle(recording)).reason == "ANSWERS_AWAITED"
    world.answers.verdict = consent_pb2.Verdict(
        decision=DELETE, reason=consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE
    )
    world.answers.verdict.decide_at.FromDatetime(world.clock.now)
    erased = await world.settle(recording)
    assert world.statement(erased)["grounds"]["deadline"] == "2026-11-22T12:00:00.000Z"


async def test_d1_a_late_denial_erases_what_was_kept(world: World) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    assert (await world.settle(recording)).state is State.KEPT
    world.neighbours.refuse()
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []


async def test_d4_deny_then_grant_before_erasure_keeps(world: World) -> None:
    world.written.default = PROCESSING
    recording = await world.arrive()
    world.neighbours.refuse()
    await world.settle(recording)
    world.neighbours.grant()
    world.written.default = COMPLETED
    assert (await world.settle(recording)).state is State.KEPT
    assert world.lying() == [("version", KEY)]


async def test_d4_a_grant_before_the_first_removal_keeps(world: World) -> None:
    recording = await world.arrive()
    world.neighbours.refuse()

    def fail(**_: Any) -> None:
        raise unreachable()

    world.s3.before["list_object_versions"] = fail
    assert (await world.settle(recording)).state is State.ERASING
    world.s3.before.clear()
    world.neighbours.grant()
    kept = await world.settle(recording)
    assert (kept.state, kept.grounds) == (State.KEPT, None)
    assert world.lying() == [("version", KEY)]


async def test_d4_a_grant_after_the_first_removal_restores_nothing(world: World) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    world.neighbours.refuse()

    async def then_away(_: Any) -> None:
        raise unreachable()

    world.s3.after["delete_objects"] = then_away
    assert (await world.settle(recording)).state is State.ERASING
    world.s3.after.clear()
    world.neighbours.grant()
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []
    assert (await world.settle(recording)).state is State.ERASED


async def test_m5_an_unmatched_recording_is_set_aside_until_evidence_comes(world: World) -> None:
    world.answers.default_meetings = []
    recording = await world.arrive()
    unmatched = await world.settle(recording)
    assert (unmatched.state, unmatched.reason, world.answers.asked) == (State.UNMATCHED, "NO_MEETING", [])
    world.answers.default_meetings = ["meeting-1", "meeting-2"]
    world.neighbours.refuse("meeting-2")
    assert (await world.settle(recording)).state is State.ERASED


async def test_m5_an_unreadable_key_is_unmatched(world: World) -> None:
    recording = await world.arrive("unreadable.mp4")
    assert (await world.settle(recording)).reason == "OBJECT_KEY_UNREADABLE"
    assert world.lying() == [("version", "unreadable.mp4")]


async def test_r5_retention_erases_kept_audio(world: World) -> None:
    world.answers.retention_days = 7
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.KEPT
    world.clock.advance(days=7)
    erased = await world.settle(recording)
    assert world.statement(erased)["grounds"]["reason"] == "RETENTION_OVER"
    assert world.lying() == []


async def test_r1_each_version_of_a_key_is_settled_on_its_own(world: World) -> None:
    first = await world.arrive(body=b"first")
    second = await world.arrive(body=b"second")
    world.written.status[second.recording_id] = PROCESSING
    world.neighbours.refuse()
    erased = await world.settle(first)
    assert erased.state is State.ERASED
    assert (await world.settle(second)).state is State.TRANSCRIBING
    assert world.lying() == [("version", KEY)]
    assert world.statement(erased)["listing"][0]["versions_of_other_recordings"] == [second.version_id]
    world.written.status.clear()
    assert (await world.settle(second)).state is State.ERASED
    assert world.lying() == []


async def test_scratch_that_is_held_keeps_it_from_being_certified(world: World) -> None:
    recording = await world.arrive()
    place = (recording.recording_id, CopyKind.SCRATCH, "instance-0", "audio.wav")
    await world.recordings.register(*place, world.clock())
    world.neighbours.refuse()
    held = await world.settle(recording)
    assert (held.state, held.reason, held.certificate) == (State.ERASING, "SCRATCH_HELD", "")
    assert world.lying() == []
    await world.recordings.release_scratch("instance-0", "", world.clock())
    assert (await world.settle(recording)).state is State.ERASED


async def test_d7_a_bucket_that_refuses_is_blocked_and_tried_again(world: World) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    world.neighbours.refuse()

    def refuse(**arguments: Any) -> None:
        if arguments["Bucket"] == world.cloud.recordings:
            raise denied("DeleteObjects")

    world.s3.before["delete_objects"] = refuse
    blocked = await world.settle(recording)
    assert (blocked.state, blocked.reason, blocked.certificate) == (State.BLOCKED, "DELETION_DENIED", "")
    assert world.lying() == [("version", KEY)]
    copies = {copy.kind: copy.state for copy in await world.recordings.copies(recording.recording_id)}
    assert copies[CopyKind.ORIGINAL] is CopyState.BLOCKED
    world.s3.before.clear()
    world.clock.advance(minutes=5)
    assert await world.sweep.settle_due() == 1
    assert (await world.now(recording)).state is State.ERASED
    assert world.lying() == []


async def test_settling_again_and_again_changes_nothing(world: World) -> None:
    recording = await world.arrive()
    world.neighbours.refuse()
    first = await world.settle(recording)
    told = len(await published(world.recordings))
    assert [await world.settle(recording) for _ in range(3)] == [first] * 3
    assert len(await published(world.recordings)) == told


async def test_an_unknown_recording_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.settlement.settle("nobody")
