"""TranscriptService as its callers see it, over gRPC."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2 as pb
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import (
    TranscriptServiceStub,
    add_TranscriptServiceServicer_to_server,
)

from chassis.channel import Tls, connect
from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ServiceError, Unavailable
from chassis.server import Server
from tests.transcript.conftest import Cloud, RecordingSvc, Store
from transcript_svc.buckets import Buckets
from transcript_svc.domain import Audio, Outcome, Recording, Segment, Status, Word
from transcript_svc.listening import Listening
from transcript_svc.servicer import TranscriptServicer
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceAsyncStub

SEGMENTS = (Segment(0, 900, "a < b", (Word("a", 0, 300), Word("b", 500, 900))),)
SOUND = bytes(itertools.islice(itertools.cycle(range(251)), 700_000))


@dataclass
class Service:
    """The service under test, what it stands on, and a caller."""

    call: "TranscriptServiceAsyncStub"
    transcripts: Transcripts
    recording_svc: RecordingSvc
    buckets: Buckets
    cloud: Cloud
    folder: Path
    # What the service's clock shows; a look at it moves it.
    moments: list[float] = field(default_factory=lambda: [0.0])

    async def transcribed(self, number: int = 1, *, with_audio: bool = True) -> str:
        """A transcript that was made; its id."""
        recording = Recording(f"r{number}", "recordings", "room.mp4", "v1", ("m1",), "ana")
        self.recording_svc.fake.add(recording.id, recording.bucket, recording.object_key, recording.version_id)
        job = await self.transcripts.begin(recording, "one", timedelta(minutes=1))
        assert job is not None
        audio = await self._upload(recording.id) if with_audio else None
        outcome = Outcome(Status.COMPLETED, 3_000, "en", SEGMENTS, (0.0, 0.5) if audio else (), audio)
        await self.transcripts.complete(job, outcome)
        return job.transcript_id

    async def _upload(self, recording_id: str) -> Audio:
        mp3 = self.folder / f"{recording_id}.mp3"
        mp3.write_bytes(SOUND)
        return await self.buckets.upload(mp3, mp3.name)

    async def sound(self, transcript_id: str, offset: int = 0, length: int = 0) -> bytes:
        """What StreamAudio gives."""
        request = rpc.StreamAudioRequest(transcript_id=transcript_id, offset=offset, length=length)
        return b"".join([piece.data async for piece in self.call.StreamAudio(request)])


@pytest.fixture
async def service(
    memory_store: Store, recording_svc: RecordingSvc, cloud: Cloud, buckets: Buckets, tls: Tls, tmp_path: Path
) -> AsyncIterator[Service]:
    server = Server("127.0.0.1:0", tls=tls)
    async with connect(f"localhost:{server.port}", tls) as channel:
        service = Service(
            TranscriptServiceStub(channel), memory_store.transcripts, recording_svc, buckets, cloud, tmp_path
        )

        def clock() -> float:
            return service.moments.pop(0) if len(service.moments) > 1 else service.moments[0]

        servicer = TranscriptServicer(
            memory_store.transcripts, recording_svc.stub, Listening(recording_svc.stub, buckets, clock)
        )
        server.add(
            add_TranscriptServiceServicer_to_server, servicer, rpc.DESCRIPTOR.services_by_name["TranscriptService"]
        )
        await server.start()
        yield service
        await server.stop()


async def test_a_transcript_is_found_by_its_id_and_by_its_recording(service: Service) -> None:
    transcript_id = await service.transcribed()
    by_id = (await service.call.GetTranscript(rpc.GetTranscriptRequest(transcript_id=transcript_id))).transcript
    by_recording = (await service.call.GetTranscript(rpc.GetTranscriptRequest(recording_id="r1"))).transcript
    assert by_id == by_recording
    assert by_id.status == pb.TRANSCRIPT_STATUS_COMPLETED
    assert (by_id.duration_ms, by_id.language, list(by_id.meeting_ids)) == (3_000, "en", ["m1"])
    assert [word.text for word in by_id.segments[0].words] == ["a", "b"]
    assert by_id.HasField("finished_at")


@pytest.mark.parametrize(
    "ask",
    [
        lambda call: call.GetTranscript(rpc.GetTranscriptRequest(transcript_id="x")),
        lambda call: call.GetTranscript(rpc.GetTranscriptRequest(recording_id="x")),
        lambda call: call.GetTranscript(rpc.GetTranscriptRequest()),
        lambda call: call.DeleteTranscript(rpc.DeleteTranscriptRequest(transcript_id="x")),
        lambda call: call.RenderTranscript(rpc.RenderTranscriptRequest(transcript_id="x", format=rpc.TEXT_FORMAT_TXT)),
        lambda call: call.ListTranscriptEvents(rpc.ListTranscriptEventsRequest(transcript_id="x")),
        lambda call: call.GetWaveform(rpc.GetWaveformRequest(transcript_id="x")),
        lambda call: call.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id="x")),
        lambda call: call.UpdateTranscript(
            rpc.UpdateTranscriptRequest(transcript_id="x", update_mask={"paths": ["title"]})  # type: ignore[arg-type]
        ),
    ],
)
async def test_an_unknown_transcript_is_not_found(service: Service, ask: Callable[..., AsyncIterator[object]]) -> None:
    with pytest.raises(NotFound) as error:
        await ask(service.call)  # type: ignore[misc]
    assert error.value.reason == "TRANSCRIPT_NOT_FOUND"


async def test_lists_go_page_by_page_and_lose_nothing(service: Service) -> None:
    made = [await service.transcribed(number, with_audio=False) for number in range(5)]
    listed: list[str] = []
    token = ""
    while True:
        request = rpc.ListTranscriptsRequest(meeting_id="m1", owner_id="ana", page_size=2, page_token=token)
        page = await service.call.ListTranscripts(request)
        assert all(not transcript.segments for transcript in page.transcripts)
        listed += [transcript.transcript_id for transcript in page.transcripts]
        token = page.next_page_token
        if not token:
            break
    assert listed == made[::-1]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (rpc.ListTranscriptsRequest(), "LIST_UNBOUNDED"),
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="%%%"), "PAGE_TOKEN_INVALID"),
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="WzFd"), "PAGE_TOKEN_INVALID"),
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="WyJ5ZXN0ZXJkYXkiLCAieCJd"), "PAGE_TOKEN_INVALID"),
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="\u00e9"), "PAGE_TOKEN_INVALID"),
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="WyIyMDI2LTAxLTAxIiwgIngiXQ=="), "PAGE_TOKEN_INVALID"),
    ],
)
async def test_a_list_that_cannot_be_made_is_refused(
    service: Service, request_: rpc.ListTranscriptsRequest, reason: str
) -> None:
    with pytest.raises(InvalidArgument) as error:
        await service.call.ListTranscripts(request_)
    assert error.value.reason == reason


async def edit(service: Service, transcript_id: str, *paths: str, **values: object) -> pb.Transcript:
    request = rpc.UpdateTranscriptRequest(transcript_id=transcript_id, **values)  # type: ignore[arg-type]
    request.update_mask.paths.extend(paths or values)
    return (await service.call.UpdateTranscript(request)).transcript


async def test_only_what_the_mask_names_is_changed(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    await edit(service, transcript_id, title="Budget")
    edited = await edit(service, transcript_id, "reviewed", reviewed=True, title="ignored")
    assert (edited.title, edited.reviewed, edited.locked) == ("Budget", True, False)
    assert len(edited.segments) == 1


async def test_a_locked_transcript_says_so_until_it_is_unlocked(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    await edit(service, transcript_id, locked=True)
    with pytest.raises(FailedPrecondition) as error:
        await edit(service, transcript_id, title="x")
    assert error.value.reason == "TRANSCRIPT_LOCKED"
    await edit(service, transcript_id, locked=False)
    assert (await edit(service, transcript_id, title="x")).title == "x"


@pytest.mark.parametrize(("paths", "title"), [((), "x"), (("status",), "x"), (("title",), "x" * 301)])
async def test_an_edit_that_makes_no_sense_is_refused(service: Service, paths: tuple[str, ...], title: str) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    request = rpc.UpdateTranscriptRequest(transcript_id=transcript_id, title=title)
    request.update_mask.paths.extend(paths)
    with pytest.raises(InvalidArgument):
        await service.call.UpdateTranscript(request)


@pytest.mark.parametrize(
    ("form", "media_type", "text"),
    [
        (rpc.TEXT_FORMAT_TXT, "text/plain", "a < b\n"),
        (rpc.TEXT_FORMAT_VTT, "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\na &lt; b\n"),
        (rpc.TEXT_FORMAT_SRT, "application/x-subrip", "1\n00:00:00,000 --> 00:00:00,900\na < b\n"),
    ],
)
async def test_a_transcript_is_rendered_as_text(
    service: Service, form: rpc.TextFormat.ValueType, media_type: str, text: str
) -> None:
    request = rpc.RenderTranscriptRequest(transcript_id=await service.transcribed(with_audio=False), format=form)
    rendered = await service.call.RenderTranscript(request)
    assert rendered.media_type.split(";")[0] == media_type
    assert rendered.text == text


async def test_json_is_one_of_the_formats_and_no_format_is_refused(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    request = rpc.RenderTranscriptRequest(transcript_id=transcript_id, format=rpc.TEXT_FORMAT_JSON)
    assert json.loads((await service.call.RenderTranscript(request)).text)["segments"][0]["text"] == "a < b"
    with pytest.raises(InvalidArgument):
        await service.call.RenderTranscript(rpc.RenderTranscriptRequest(transcript_id=transcript_id))


async def test_a_listener_reads_what_happened_after_what_it_saw(service: Service) -> None:
    transcript_id = await service.transcribed()
    whole = await service.call.ListTranscriptEvents(rpc.ListTranscriptEventsRequest(transcript_id=transcript_id))
    seen = whole.events[0].sequence
    rest = await service.call.ListTranscriptEvents(
        rpc.ListTranscriptEventsRequest(transcript_id=transcript_id, after_sequence=seen)
    )
    assert list(rest.events) == list(whole.events)[1:]
    assert whole.events[-1].status == pb.TRANSCRIPT_STATUS_COMPLETED


async def test_audio_comes_whole_with_its_length_and_type(service: Service) -> None:
    transcript_id = await service.transcribed()
    info = await service.call.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id=transcript_id))
    assert (info.size_bytes, info.media_type) == (len(SOUND), "audio/mpeg")
    assert info.etag
    assert await service.sound(transcript_id) == SOUND


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (1_000, 5_000), (len(SOUND) - 1, 1), (300_000, 300_000), (5, 0), (100, 10**9)]
)
async def test_a_range_of_the_audio_is_exactly_that_range(service: Service, offset: int, length: int) -> None:
    transcript_id = await service.transcribed()
    end = offset + length if length else len(SOUND)
    assert await service.sound(transcript_id, offset, length) == SOUND[offset:end]


@pytest.mark.parametrize(("offset", "length"), [(len(SOUND), 0), (10**12, 1), (-1, 0), (0, -5)])
async def test_a_range_outside_the_audio_is_refused(service: Service, offset: int, length: int) -> None:
    transcript_id = await service.transcribed()
    with pytest.raises(OutOfRange) as error:
        await service.sound(transcript_id, offset, length)
    assert error.value.reason == "RANGE_INVALID"


async def refusals(service: Service, transcript_id: str) -> set[str]:
    """The reasons for which each of the three ways to the sound is closed."""
    answers = await asyncio.gather(
        service.call.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id=transcript_id)),
        service.call.GetWaveform(rpc.GetWaveformRequest(transcript_id=transcript_id)),
        service.sound(transcript_id),
        return_exceptions=True,
    )
    return {answer.reason if isinstance(answer, ServiceError) else "HANDED OUT" for answer in answers}


async def test_nothing_is_handed_out_while_consent_is_undecided(service: Service) -> None:
    transcript_id = await service.transcribed()
    service.recording_svc.fake.undecided = True
    assert await refusals(service, transcript_id) == {"CONSENT_UNDECIDED"}


async def test_nothing_is_handed_out_after_erasure_even_before_we_heard_of_it(service: Service) -> None:
    transcript_id = await service.transcribed()
    service.recording_svc.fake.recordings["r1"].state = recording_pb2.RECORDING_STATE_ERASED
    assert await refusals(service, transcript_id) == {"AUDIO_DELETED"}


async def test_nothing_is_handed_out_once_we_heard_of_the_erasure_whatever_else_is_said(service: Service) -> None:
    transcript_id = await service.transcribed()
    await service.transcripts.drop_audio("r1")
    assert await refusals(service, transcript_id) == {"AUDIO_DELETED"}


async def test_nothing_is_handed_out_while_nobody_can_say_whether_it_may_be(service: Service) -> None:
    transcript_id = await service.transcribed()
    await service.recording_svc.server.stop()
    assert len(await refusals(service, transcript_id) - {"UNAVAILABLE", "DEADLINE_EXCEEDED"}) == 0


async def test_every_request_asks_anew(service: Service) -> None:
    transcript_id = await service.transcribed()
    assert await service.sound(transcript_id) == SOUND
    service.recording_svc.fake.undecided = True
    with pytest.raises(FailedPrecondition):
        await service.sound(transcript_id)


async def test_a_stream_that_runs_when_consent_ends_is_cut(service: Service) -> None:
    transcript_id = await service.transcribed()
    # The clock shows a later second at each look, so each piece is asked for.
    service.moments = [float(second) for second in range(0, 100, 2)]
    stream = service.call.StreamAudio(rpc.StreamAudioRequest(transcript_id=transcript_id))
    received = b""
    service.recording_svc.fake.authorised = 0

    async def read() -> None:
        nonlocal received
        async for piece in stream:
            received += piece.data
            service.recording_svc.fake.undecided = True

    with pytest.raises(FailedPrecondition) as error:
        await asyncio.wait_for(read(), 10)
    assert error.value.reason == "CONSENT_UNDECIDED"
    assert len(received) < len(SOUND)


async def test_a_transcript_without_audio_says_that_there_is_none(service: Service) -> None:
    transcript_id = await service.transcribed(with_audio=False)
    assert await refusals(service, transcript_id) == {"AUDIO_NOT_FOUND"}


async def test_audio_that_vanished_from_its_bucket_is_not_found(service: Service) -> None:
    transcript_id = await service.transcribed()
    for key, version in service.cloud.audio_versions():
        service.cloud.s3.delete_object(Bucket=service.cloud.audio, Key=key, VersionId=version)
    with pytest.raises(NotFound) as error:
        await service.sound(transcript_id)
    assert error.value.reason == "AUDIO_NOT_FOUND"


async def test_the_waveform_is_handed_out_where_the_audio_is(service: Service) -> None:
    transcript_id = await service.transcribed()
    answer = await service.call.GetWaveform(rpc.GetWaveformRequest(transcript_id=transcript_id))
    assert list(answer.waveform.peaks) == [0.0, 0.5]


async def test_deleting_a_transcript_erases_its_audio_first(service: Service) -> None:
    transcript_id = await service.transcribed()
    await service.call.DeleteTranscript(rpc.DeleteTranscriptRequest(transcript_id=transcript_id))
    assert service.recording_svc.fake.recordings["r1"].state == recording_pb2.RECORDING_STATE_ERASED
    assert await service.transcripts.get(transcript_id) is None


async def test_a_transcript_stays_while_its_audio_is_not_erased(service: Service) -> None:
    transcript_id = await service.transcribed()
    service.recording_svc.fake.erasure_pending = True
    with pytest.raises(Unavailable) as error:
        await service.call.DeleteTranscript(rpc.DeleteTranscriptRequest(transcript_id=transcript_id))
    assert error.value.reason == "ERASURE_PENDING"
    assert await service.transcripts.get(transcript_id) is not None


async def test_the_page_token_survives_a_new_transcript_in_between(service: Service) -> None:
    made = [await service.transcribed(number, with_audio=False) for number in range(3)]
    first = await service.call.ListTranscripts(rpc.ListTranscriptsRequest(owner_id="ana", page_size=2))
    await service.transcribed(9, with_audio=False)
    rest = await service.call.ListTranscripts(
        rpc.ListTranscriptsRequest(owner_id="ana", page_size=2, page_token=first.next_page_token)
    )
    assert [transcript.transcript_id for transcript in rest.transcripts] == [made[0]]
