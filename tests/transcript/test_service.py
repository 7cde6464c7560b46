"""TranscriptService as its callers see it, over gRPC."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2 as pb
from assent.transcript.v1 import transcript_service_pb2 as rpc

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

if TYPE_CHECKING:
    pass
from tests.transcript.caller import Service
from tests.transcript.memory_transcripts import MemoryTranscripts
from transcript_svc.domain import Recording


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
        (rpc.ListTranscriptsRequest(meeting_id="m1", page_token="W1tb" * 50_000), "PAGE_TOKEN_INVALID"),
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


async def test_who_listens_before_a_worker_begins_hears_that_it_is_queued(service: Service) -> None:
    assert isinstance(service.transcripts, MemoryTranscripts)
    recording = Recording("r1", "recordings", "room.mp4", "v1", ("m1",), "ana")
    transcript_id = service.transcripts.announce(recording)
    asked = rpc.ListTranscriptEventsRequest(transcript_id=transcript_id)
    (event,) = (await service.call.ListTranscriptEvents(asked)).events
    assert (event.status, event.sequence) == (pb.TRANSCRIPT_STATUS_QUEUED, 0)
    listed = await service.call.ListTranscripts(rpc.ListTranscriptsRequest(meeting_id="m1"))
    assert [one.status for one in listed.transcripts] == [pb.TRANSCRIPT_STATUS_QUEUED]
    await service.transcripts.begin(recording, "one", timedelta(minutes=1))
    (event,) = (await service.call.ListTranscriptEvents(asked)).events
    assert (event.status, event.sequence) == (pb.TRANSCRIPT_STATUS_PROCESSING, 1)


@pytest.mark.parametrize("after", [0, -1, 10**6])
async def test_a_number_that_no_event_has_had_asks_for_everything(service: Service, after: int) -> None:
    transcript_id = await service.transcribed()
    whole = await service.call.ListTranscriptEvents(rpc.ListTranscriptEventsRequest(transcript_id=transcript_id))
    asked = rpc.ListTranscriptEventsRequest(transcript_id=transcript_id, after_sequence=after)
    answer = await service.call.ListTranscriptEvents(asked)
    assert (answer.events, answer.after_sequence) == (whole.events, 0)
    last = whole.events[-1].sequence
    asked = rpc.ListTranscriptEventsRequest(transcript_id=transcript_id, after_sequence=last)
    answer = await service.call.ListTranscriptEvents(asked)
    assert (list(answer.events), answer.after_sequence) == ([], last)


async def test_deleting_a_transcript_erases_its_audio_first(service: Service) -> None:
    transcript_id = await service.transcribed()
    await service.call.DeleteTranscript(rpc.DeleteTranscriptRequest(transcript_id=transcript_id))
    assert service.recording_svc.fake.recordings["r1"].state == recording_pb2.RECORDING_STATE_ERASED
    assert await service.transcripts.get(transcript_id) is None


async def test_a_locked_transcript_is_not_deleted_and_keeps_its_audio(service: Service) -> None:
    transcript_id = await service.transcribed()
    await edit(service, transcript_id, locked=True)
    with pytest.raises(FailedPrecondition) as error:
        await service.call.DeleteTranscript(rpc.DeleteTranscriptRequest(transcript_id=transcript_id))
    assert error.value.reason == "TRANSCRIPT_LOCKED"
    assert service.recording_svc.fake.recordings["r1"].state != recording_pb2.RECORDING_STATE_ERASED
    assert await service.transcripts.get(transcript_id) is not None


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
