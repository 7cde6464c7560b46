"""From the announcement of a recording to its committed transcript, whatever goes wrong on the way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2
from assent.transcript.v1 import transcript_events_pb2 as news

from chassis.errors import ServiceError, Unavailable
from deploy.local.sample import MEETING, WORDS
from tests.eventually import eventually
from tests.transcript.conftest import Cloud, RecordingSvc, Store
from tests.transcript.media_files import tone, write_audio, write_picture_only
from tests.transcript.test_recognition import plain_words, word_error_rate
from transcript_svc import transcription
from transcript_svc.buckets import Buckets
from transcript_svc.domain import MOST_TRIES, Job, Occupied, Outcome, Segment, Status, Transcript
from transcript_svc.recognition import Heard, PocketSphinx, Recogniser
from transcript_svc.scratch import Scratch
from transcript_svc.transcription import Transcription

HELLO = Segment(0, 900, "hello there")


@dataclass
class Parrot:
    """Hears the same in everything, as soon as it may; looks around before it does."""

    language: str = "en"
    may_speak: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    look: Callable[[Path], None] = lambda wav: None

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        self.look(wav)
        self.listening.set()
        await self.may_speak.wait()
        yield Heard(1_000, (HELLO,))

    async def aclose(self) -> None:
        """Nothing to let go of."""


@dataclass
class Workshop:
    """One worker with all its surroundings."""

    store: Store
    recording_svc: RecordingSvc
    cloud: Cloud
    buckets: Buckets
    folder: Path
    stack: AsyncExitStack
    parrot: Parrot = field(default_factory=Parrot)

    def arrive(self, file: Path, recording_id: str = "r1") -> None:
        """A recording has come in and its row is committed."""
        key = f"room-{recording_id}.mp4"
        version = self.cloud.put(key, file.read_bytes())
        self.recording_svc.fake.add(recording_id, self.cloud.recordings, key, version)

    async def worker(self, instance: str = "one", recogniser: Recogniser | None = None) -> Transcription:
        """A worker that is ready."""
        scratch = Scratch(self.scratch(instance), instance, self.recording_svc.stub)
        await self.stack.enter_async_context(scratch)
        return Transcription(
            self.store.transcripts,
            self.recording_svc.stub,
            self.buckets,
            scratch,
            recogniser or self.parrot,
            instance,
        )

    def scratch(self, instance: str = "one") -> Path:
        """Where that worker's audio may lie."""
        return self.folder / "scratch" / instance

    def left_in_scratch(self) -> list[Path]:
        """Files that lie in anybody's scratch."""
        return [path for path in (self.folder / "scratch").rglob("*") if path.parent.parent.name != self.folder.name]

    async def transcript(self, recording_id: str = "r1") -> Transcript:
        """The recording's only transcript."""
        found = await self.store.transcripts.of_recording(recording_id)
        assert found is not None
        return found

    async def completions(self) -> int:
        """How often the completion was told."""
        return len(await self.store.news_of(news.TranscriptCompleted))


@pytest.fixture
async def shop(
    memory_store: Store, recording_svc: RecordingSvc, cloud: Cloud, buckets: Buckets, tmp_path: Path
) -> AsyncIterator[Workshop]:
    async with AsyncExitStack() as stack:
        shop = Workshop(memory_store, recording_svc, cloud, buckets, tmp_path, stack)
        shop.parrot.may_speak.set()
        yield shop


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Two seconds of sound."""
    return write_audio(tmp_path / "spoken.mp4", tone(2))


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


async def test_every_copy_is_registered_before_its_first_byte(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    already_there: list[str] = []

    def look(request: recording_service_pb2.RegisterCopyRequest) -> None:
        if request.kind == pb.COPY_KIND_SCRATCH:
            already_there.extend(str(path) for path in shop.left_in_scratch())
        else:
            already_there.extend(key for key, _ in shop.cloud.audio_versions())

    shop.recording_svc.fake.on_register = look
    await (await shop.worker()).transcribe("r1")
    assert already_there == []
    kinds = [place[0] for _, place in shop.recording_svc.fake.registered]
    assert kinds[0] == pb.COPY_KIND_SCRATCH
    assert pb.COPY_KIND_MP3 in kinds


async def test_scratch_is_private_while_at_work_and_empty_afterwards(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    modes: dict[str, int] = {}

    def look(wav: Path) -> None:
        for path in (wav.parent, shop.scratch()):
            modes[path.name] = path.stat().st_mode & 0o777
        assert shop.recording_svc.fake.scratch() == {"r1"}

    shop.parrot.look = look
    await (await shop.worker()).transcribe("r1")
    assert modes == {"r1": 0o700, "one": 0o700}
    assert shop.left_in_scratch() == []
    assert shop.recording_svc.fake.scratch() == set()


async def test_scratch_is_wiped_before_the_original_may_be_erased(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    left: list[Path] = []
    complete = shop.store.transcripts.complete

    async def look(job: Job, outcome: Outcome) -> None:
        left.extend(shop.left_in_scratch())
        await complete(job, outcome)

    shop.store.transcripts.complete = look  # type: ignore[method-assign]
    await (await shop.worker()).transcribe("r1")
    assert left == []
    assert (await shop.transcript()).status is Status.COMPLETED


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


async def test_a_recording_that_is_announced_many_times_is_transcribed_once(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    workers = [await shop.worker("one"), await shop.worker("two")]
    tries = [worker.transcribe("r1") for worker in workers * 4]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), Occupied}
    for worker in workers:
        await worker.transcribe("r1")
    assert await shop.completions() == 1
    assert len(shop.cloud.audio_versions()) == 1


async def test_a_worker_that_wakes_after_it_was_overtaken_writes_nothing(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    sleeper = Parrot()
    sleeping = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.listening.wait()
    # Its instance was started again elsewhere, so the job is free for the new one at once.
    successor = Transcription(
        shop.store.transcripts,
        shop.recording_svc.stub,
        shop.buckets,
        await shop.stack.enter_async_context(Scratch(shop.scratch("new one"), "new one", shop.recording_svc.stub)),
        shop.parrot,
        "one",
    )
    await successor.transcribe("r1")
    after_success = (await shop.transcript(), shop.cloud.audio_versions(), await shop.store.news())
    sleeper.may_speak.set()
    await sleeping
    assert (await shop.transcript(), shop.cloud.audio_versions(), await shop.store.news()) == after_success
    assert len(shop.cloud.audio_versions()) == 1
    assert shop.left_in_scratch() == []


async def test_a_worker_that_is_overtaken_stops_of_its_own_accord(
    shop: Workshop, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "SIGN_OF_LIFE_SECONDS", 0.01)
    shop.arrive(spoken)
    sleeper = Parrot()
    sleeping = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.listening.wait()
    await shop.store.transcripts.drop_audio("r1")
    async with asyncio.timeout(10):
        await sleeping
    assert shop.left_in_scratch() == []
    assert await shop.completions() == 0


async def test_a_worker_that_is_asked_to_stop_wipes_its_scratch_and_hands_the_job_back(
    shop: Workshop, spoken: Path
) -> None:
    shop.arrive(spoken)
    sleeper = Parrot()
    working = asyncio.create_task((await shop.worker("one", sleeper)).transcribe("r1"))
    await sleeper.listening.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert shop.left_in_scratch() == []
    assert shop.recording_svc.fake.scratch() == set()
    assert (await shop.transcript()).tries == 0
    await (await shop.worker("two")).transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_storage_that_is_away_is_waited_for(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    recording = shop.recording_svc.fake.recordings["r1"]
    bucket, recording.bucket = recording.bucket, "no-such-bucket"
    worker = await shop.worker()
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(Unavailable):
            await worker.transcribe("r1")
    recording.bucket = bucket
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_a_recording_that_keeps_bringing_us_down_is_given_up(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)

    def stumble(wav: Path) -> None:
        raise RuntimeError("no")

    shop.parrot.look = stumble
    worker = await shop.worker()
    for _ in range(MOST_TRIES):
        with pytest.raises(RuntimeError):
            await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.PROCESSING
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.FAILED
    assert shop.left_in_scratch() == []


async def test_a_release_that_is_not_heard_is_repeated_and_holds_nothing_up(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    worker = await shop.worker()
    await worker.transcribe("unknown")
    sleeper = shop.parrot
    sleeper.look = lambda wav: setattr(shop.recording_svc.fake, "deaf_to_releases", True)
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED
    assert shop.recording_svc.fake.scratch() == {"r1"}
    shop.recording_svc.fake.deaf_to_releases = False

    async def released() -> bool:
        return not shop.recording_svc.fake.scratch()

    assert await eventually(released)


async def test_what_an_earlier_life_left_is_wiped_and_released_at_the_start(shop: Workshop, spoken: Path) -> None:
    left = shop.scratch() / "r0" / "source"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"audio")
    place = (int(pb.COPY_KIND_SCRATCH), "one", "r0")
    shop.recording_svc.fake.present.add(("r0", place))
    shop.arrive(spoken)
    await (await shop.worker()).transcribe("r1")
    assert not left.exists()
    assert shop.recording_svc.fake.scratch() == set()


async def test_two_instances_do_not_share_a_scratch(shop: Workshop) -> None:
    await shop.worker("one")
    with pytest.raises(RuntimeError, match="ASSENT_SCRATCH_DIR"):
        await shop.worker("one")


@pytest.mark.parametrize("state", [pb.RECORDING_STATE_ERASED, pb.RECORDING_STATE_ERASING])
async def test_a_late_announcement_of_erased_audio_does_nothing(
    shop: Workshop, spoken: Path, state: pb.RecordingState.ValueType
) -> None:
    shop.arrive(spoken)
    shop.recording_svc.fake.recordings["r1"].state = state
    await (await shop.worker()).transcribe("r1")
    assert await shop.store.transcripts.of_recording("r1") is None
    assert shop.recording_svc.fake.registered == []


async def test_a_forged_announcement_does_nothing(shop: Workshop) -> None:
    await (await shop.worker()).transcribe("forged")
    assert await shop.store.transcripts.of_recording("forged") is None


async def test_audio_erased_under_our_hands_ends_the_work(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    recording = shop.recording_svc.fake.recordings["r1"]
    shop.parrot.look = lambda wav: setattr(recording, "state", pb.RECORDING_STATE_ERASED)
    worker = await shop.worker()
    try:
        await worker.transcribe("r1")
    except ServiceError as error:
        pytest.fail(f"should have ended: {error}")
    assert shop.cloud.audio_versions() == []
    assert shop.left_in_scratch() == []
