"""What becomes of a recording of each kind."""

from pathlib import Path

import av
import pytest
from assent.transcript.v1 import transcript_events_pb2 as news

from deploy.local.sample import MEETING, WORDS
from tests.transcript.media_files import write_picture_only
from tests.transcript.surroundings import Store
from tests.transcript.words import plain_words, word_error_rate
from tests.transcript.workshop import HELLO, Workshop
from transcript_svc.domain import Status
from transcript_svc.recognisers import PocketSphinx


async def test_a_spoken_recording_becomes_a_transcript_an_mp3_and_a_waveform(
    postgres_store: Store, shop: Workshop
) -> None:
    shop.store = postgres_store
    shop.arrive(MEETING)
    sphinx = PocketSphinx()
    await (await shop.worker(recogniser=sphinx)).transcribe("r1")
    await sphinx.aclose()
    transcript = await shop.transcript()
    assert (transcript.status, transcript.language, transcript.owner_id) == (Status.COMPLETED, "en", "ana")
    words = plain_words(" ".join(segment.text for segment in transcript.segments))
    assert word_error_rate(plain_words(WORDS.read_text()), words) < 0.15
    events = await shop.store.transcripts.events(transcript.id, 0)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[:2] == ["status", "duration_ms"]
    assert kinds[-3:] == ["waveform", "progress", "status"]
    assert kinds.count("segment") == len(transcript.segments)
    assert events[-2].progress.percent == 100
    assert await shop.completions() == 1


async def test_the_mp3_lies_in_the_audio_bucket_and_can_be_played(shop: Workshop) -> None:
    shop.arrive(MEETING)
    await (await shop.worker()).transcribe("r1")
    audio = (await shop.transcript()).audio
    assert audio is not None
    assert shop.cloud.audio_versions() == [(audio.object_key, audio.version_id)]
    body = shop.cloud.s3.get_object(Bucket=audio.bucket, Key=audio.object_key, VersionId=audio.version_id)[
        "Body"
    ].read()
    assert len(body) == audio.size_bytes
    (shop.folder / "got.mp3").write_bytes(body)
    with av.open(str(shop.folder / "got.mp3")) as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx((await shop.transcript()).duration_ms / 1000, abs=0.2)


async def test_where_somebody_refused_no_mp3_is_written_and_the_transcript_is_made(
    shop: Workshop, spoken: Path
) -> None:
    shop.arrive(spoken)
    shop.recording_svc.fake.refused = True
    on_disk: list[str] = []
    shop.parrot.look = lambda wav: on_disk.extend(path.name for path in wav.parent.iterdir())
    await (await shop.worker()).transcribe("r1")
    transcript = await shop.transcript()
    assert (transcript.status, transcript.segments) == (Status.COMPLETED, (HELLO,))
    assert transcript.audio is None
    assert shop.cloud.audio_versions() == []
    assert sorted(on_disk) == ["audio.wav", "source"]
    assert await shop.store.transcripts.peaks(transcript.id) == ()


async def test_a_refusal_while_we_work_comes_in_time(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    shop.parrot.look = lambda wav: setattr(shop.recording_svc.fake, "refused", True)
    await (await shop.worker()).transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED
    assert (await shop.transcript()).audio is None
    assert shop.cloud.audio_versions() == []


async def test_a_recording_without_an_audio_track_is_an_outcome(shop: Workshop, tmp_path: Path) -> None:
    shop.arrive(write_picture_only(tmp_path / "silent.mp4"))
    await (await shop.worker()).transcribe("r1")
    assert (await shop.transcript()).status is Status.NO_AUDIO
    assert await shop.completions() == 1
    assert shop.left_in_scratch() == []


async def test_a_broken_recording_fails_at_once_and_says_why(shop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a recording")
    shop.arrive(tmp_path / "broken.mp4")
    await (await shop.worker()).transcribe("r1")
    transcript = await shop.transcript()
    assert transcript.status is Status.FAILED
    assert "not a media file" in transcript.failure
    assert len(await shop.store.news_of(news.TranscriptFailed)) == 1
    assert shop.left_in_scratch() == []
