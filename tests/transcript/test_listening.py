"""Audio is handed out only where consent stands at that moment, and in exactly the range asked for."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc

from chassis.errors import FailedPrecondition, NotFound, OutOfRange, ServiceError

if TYPE_CHECKING:
    pass
from tests.transcript.caller import SOUND, Service


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


async def test_who_asks_for_erased_audio_tells_us_of_the_erasure(service: Service) -> None:
    transcript_id = await service.transcribed()
    service.recording_svc.fake.recordings["r1"].state = recording_pb2.RECORDING_STATE_ERASED
    with pytest.raises(FailedPrecondition):
        await service.call.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id=transcript_id))
    transcript = await service.transcripts.get(transcript_id)
    assert transcript is not None
    assert transcript.audio_deleted
    assert await service.transcripts.peaks(transcript_id) == ()


async def test_audio_withheld_for_the_moment_stays(service: Service) -> None:
    transcript_id = await service.transcribed()
    service.recording_svc.fake.undecided = True
    assert await refusals(service, transcript_id) == {"CONSENT_UNDECIDED"}
    transcript = await service.transcripts.get(transcript_id)
    assert transcript is not None
    assert not transcript.audio_deleted


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
