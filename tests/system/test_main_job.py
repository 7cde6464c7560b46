"""The main job, end to end, on a real recording."""

import asyncio
import io
import json
import uuid
from pathlib import Path
from urllib.parse import quote_plus

import av
import pytest

from tests.eventually import eventually
from tests.system.world import SAMPLE, SAMPLE_TEXT, Json, World, slices
from tests.word_error_rate import word_error_rate


async def test_one_refusal_and_the_transcript_is_there_and_every_copy_of_the_audio_is_gone(world: World) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ana", True)
    await world.answer(call, "Ben", False)
    await world.hang_up(call)
    recording = await world.recording(call, "erased")

    async def told_of_it() -> Json | None:
        # By an event, a moment after the recording's own service knows.
        seen = await world.get(f"/v1/transcripts/{recording['transcript_id']}")
        return seen if seen["audio_deleted"] else None

    transcript = await eventually(told_of_it)
    assert transcript
    assert transcript["status"] == "completed"
    heard = " ".join(segment["text"] for segment in transcript["segments"])
    assert word_error_rate(SAMPLE_TEXT.read_text(), heard) < 0.15

    assert await world.stored(recording) == []
    assert world.scratch() == []
    assert {copy["state"] for copy in recording["copies"]} == {"gone"}
    response = await world.ask("GET", f"/v1/transcripts/{recording['transcript_id']}/audio/mp3")
    assert (response.status_code, response.json()["reason"]) == (410, "AUDIO_DELETED")
    certificate = await world.get(f"/v1/recordings/{recording['id']}/certificate")
    assert certificate["certificate"].count(".") == 2


async def test_no_data_directory_holds_a_piece_of_the_erased_audio(world: World) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ben", False)
    await world.hang_up(call)
    await world.recording(call, "erased")
    pieces = slices(SAMPLE.read_bytes()) + slices(_wav(SAMPLE))
    assert len(pieces) > 50
    assert world.files_with(pieces) == []
    # Postgres' own files and JetStream's were among them.
    assert {"PG_VERSION", "meta.inf"} <= world.searched()
    # The search itself finds what is there.
    planted = Path(world.env["ASSENT_SCRATCH_DIR"]) / "planted"
    planted.write_bytes(b"x" * 1000 + pieces[3] + b"y" * 1000)
    try:
        assert world.files_with(pieces) == [str(planted)]
    finally:
        planted.unlink()


async def test_nobody_refuses_and_the_audio_is_there_until_somebody_does(world: World) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ana", True)
    await world.answer(call, "Ben", True)
    await world.hang_up(call)
    recording = await world.recording(call, "kept")
    audio = f"/v1/transcripts/{recording['transcript_id']}/audio/mp3"

    whole = await world.ask("GET", audio)
    assert (whole.status_code, whole.headers["cache-control"]) == (200, "no-store")
    assert 30 < _seconds(whole.content) < 45
    part = await world.ask("GET", audio, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole.content)}"
    refused = await world.ask("GET", f"/v1/recordings/{recording['id']}/certificate")
    assert (refused.status_code, refused.json()["reason"]) == (409, "NOT_ERASED")

    await world.answer(call, "Ben", False)
    erased = await world.recording(call, "erased", within=15)
    gone = await world.ask("GET", audio)
    assert (gone.status_code, gone.json()["reason"]) == (410, "AUDIO_DELETED")
    assert await world.stored(erased) == []


async def test_d4_denied_then_granted_before_the_erasure_keeps_the_audio(world: World) -> None:
    call = await world.call("Ana")
    await world.answer(call, "Ana", False)
    await world.answer(call, "Ana", True)
    await world.whereby.post(f"/control/rooms/{call.whereby_room}/record", json={"at": call.began.isoformat()})
    await world.hang_up(call)
    recording = await world.recording(call, "kept")
    assert len(await world.stored(recording)) == 2  # the original and the mp3


async def test_r1_five_deliveries_of_one_message_and_every_webhook_twice_give_one_of_each(world: World) -> None:
    await world.whereby.post("/control/webhooks", json={"mode": "deliver", "copies": 2})
    try:
        call = await world.call("Ana", "Ben")
        await world.answer(call, "Ana", True)
        put = await world.hang_up(call)
    finally:
        await world.whereby.post("/control/webhooks", json={"mode": "deliver", "copies": 1})
    async with world.sqs() as sqs:
        for _ in range(5):
            body = _notification(world.env["ASSENT_RECORDINGS_BUCKET"], put["key"])
            await sqs.send_message(QueueUrl=world.env["ASSENT_RECORDINGS_QUEUE_URL"], MessageBody=body)
    recording = await world.recording(call, "kept")
    await eventually(lambda: _queue_is_empty(world))
    assert len(await world.recordings(call.meeting_id)) == 1
    transcripts = (await world.get(f"/v1/transcripts?meeting_id={call.meeting_id}"))["transcripts"]
    assert [it["id"] for it in transcripts] == [recording["transcript_id"]]
    counts = (await world.get(f"/v1/meetings/{call.meeting_id}/consent"))["counts"]
    assert counts == {"present": 2, "granted": 1, "denied": 0, "unanswered": 1, "dial_in": 0, "unidentified": 0}


async def test_two_people_who_open_a_room_at_the_same_instant_meet(world: World) -> None:
    room = await world.make_room()
    opened = await asyncio.gather(*(world.open(room) for _ in range(6)))
    assert len({it["meeting"]["id"] for it in opened}) == 1
    assert len({it["participant"]["id"] for it in opened}) == 6
    meetings = (await world.get(f"/v1/rooms/{room}/meetings"))["meetings"]
    assert len(meetings) == 1


async def test_c3_a_late_retry_of_a_grant_does_not_undo_a_refusal(world: World) -> None:
    call = await world.call("Ana")
    key = str(uuid.uuid4())
    first = await world.answer(call, "Ana", True, key)
    denied = await world.answer(call, "Ana", False)
    again = await world.answer(call, "Ana", True, key)
    assert again == first
    assert denied["revision"] > first["revision"]
    consent = await world.get(f"/v1/meetings/{call.meeting_id}/consent", call.people["Ana"].token)
    assert consent["answer"]["consent_given"] is False


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "granted"])
@pytest.mark.parametrize("service", ["consent_svc", "recording_svc", "transcript_svc", "gateway"])
async def test_a_service_killed_in_the_middle_of_the_job_and_started_again_ends_it_as_it_should(
    world: World, service: str, refused: bool
) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ana", True)
    await world.answer(call, "Ben", not refused)
    await world.hang_up(call)
    recording = await world.transcribing(call)
    await world.until_half_way(recording["transcript_id"])
    await world.restart(service)
    settled = await world.recording(call, "erased" if refused else "kept", within=120)
    transcript = await world.get(f"/v1/transcripts/{settled['transcript_id']}")
    assert transcript["status"] == "completed"
    assert world.scratch() == []
    assert (await world.stored(settled) == []) is refused
    transcripts = (await world.get(f"/v1/transcripts?meeting_id={call.meeting_id}"))["transcripts"]
    assert len(transcripts) == 1


def _seconds(mp3: bytes) -> float:
    """How long it plays, found by decoding it to its end."""
    with av.open(io.BytesIO(mp3), "r") as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def _wav(path: Path) -> bytes:
    """The samples that a recogniser hears: 16 kHz, one channel, 16 bits."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [it for frame in container.decode(audio=0) for it in resampler.resample(frame)]
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def _notification(bucket: str, key: str) -> str:
    """What S3 would have sent; the key is form-encoded as S3 does."""
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "size": SAMPLE.stat().st_size}},
    }
    return json.dumps({"Records": [record]})


async def _queue_is_empty(world: World) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    async with world.sqs() as sqs:
        answer = await sqs.get_queue_attributes(QueueUrl=world.env["ASSENT_RECORDINGS_QUEUE_URL"], AttributeNames=names)
    return all(answer["Attributes"][name] == "0" for name in names)
