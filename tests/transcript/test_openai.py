"""Words come from a server that speaks as OpenAI's does: whatever it answers, nothing is lost and nothing made up."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from chassis.errors import Unavailable
from deploy.local.sample import MEETING
from tests.eventually import eventually
from tests.transcript.openai_server import KEY, Asked, TranscribingServer, refusal, spoken, transcribing_server
from tests.transcript.workshop import Workshop
from transcript_svc import media
from transcript_svc.domain import Segment, Status, Word
from transcript_svc.endpointing import cut
from transcript_svc.openai import OpenAI, key_in
from transcript_svc.recognisers import recogniser
from transcript_svc.recognition import Heard, Unfit, Unrecognisable
from transcript_svc.settings import RecogniserSettings
from transcript_svc.speech import samples

pytestmark = pytest.mark.usefixtures("quick_children")

NO_PAUSES = (0.0, 0.0, 0.0)


@pytest.fixture
async def server() -> AsyncIterator[TranscribingServer]:
    async with transcribing_server() as server:
        yield server


@pytest.fixture(scope="module")
async def meeting(tmp_path_factory: pytest.TempPathFactory, quick_children: None) -> Path:
    async def ignore(done_ms: int, total_ms: int) -> None:
        """Nobody watches."""

    wav = tmp_path_factory.mktemp("sample") / "meeting.wav"
    await media.decode(MEETING, wav, None, ignore)
    return wav


def settings(url: str, **others: object) -> RecogniserSettings:
    return RecogniserSettings.model_validate({"recogniser": "openai", "openai_url": url, **others})


@asynccontextmanager
async def client(server: TranscribingServer, **others: object) -> AsyncIterator[OpenAI]:
    async with aclosing(OpenAI(settings(server.url, **others), KEY, NO_PAUSES)) as openai:
        yield openai


async def heard_in(wav: Path, server: TranscribingServer, **others: object) -> list[Heard]:
    async with client(server, **others) as openai:
        return [piece async for piece in openai.hear(wav)]


def first_then(*answers: Callable[[Asked], web.Response]) -> Callable[[Asked], web.Response]:
    """These answers one after the other, and then only good ones."""
    left = list(answers)
    return lambda asked: left.pop(0)(asked) if left else spoken(asked)


def always(status: int, message: str = "no", **headers: str) -> Callable[[Asked], web.Response]:
    return lambda asked: refusal(status, message, **headers)


async def test_each_chunk_is_sent_once_as_it_is_and_heard_in_order(meeting: Path, server: TranscribingServer) -> None:
    chunks = cut(str(meeting))
    heard = await heard_in(meeting, server)
    assert sorted(asked.pcm for asked in server.asked) == sorted(samples(meeting, chunk) for chunk in chunks)
    assert [piece.until_ms for piece in heard] == [chunk.end_ms for chunk in chunks]
    for piece, chunk in zip(heard, chunks, strict=True):
        (segment,) = piece.segments
        assert segment.text == "Well said."
        assert segment.words[0] == Word("Well", chunk.start_ms + 100, chunk.start_ms + 500)
        assert segment.words[1].end_ms == chunk.end_ms == segment.end_ms


async def test_it_is_asked_for_words_in_the_language_and_by_the_model_that_are_set(
    meeting: Path, server: TranscribingServer
) -> None:
    heard = await heard_in(meeting, server, openai_model="large", recogniser_language="de")
    assert server.asked[0].authorization == f"Bearer {KEY}"
    assert server.asked[0].form == {
        "model": ["large"],
        "language": ["de"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
    }
    assert {piece.language for piece in heard} == {"de"}


async def test_no_more_requests_are_under_way_than_are_set(meeting: Path, server: TranscribingServer) -> None:
    server.may_answer.clear()
    async with client(server, openai_at_once=2) as openai:

        async def hear() -> int:
            return len([piece async for piece in openai.hear(meeting)])

        both = asyncio.gather(*(hear() for _ in range(2)))

        async def too_many() -> bool:
            return server.at_once > 2

        with pytest.raises(TimeoutError):
            await eventually(too_many, within=1)
        assert server.at_once == 2
        server.may_answer.set()
        assert await both == [len(cut(str(meeting)))] * 2
    assert server.most_at_once == 2


@pytest.mark.parametrize(
    "trouble",
    [
        always(429, "slow down", **{"Retry-After": "0.01"}),
        always(500),
        always(503, "loading", **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        always(408),
        lambda asked: web.Response(text="<html>Welcome to our network</html>"),
        lambda asked: web.json_response(["no", "transcription"]),
        lambda asked: web.json_response({"text": "x", "words": [{"word": "x", "start": None, "end": "soon"}]}),
        lambda asked: web.Response(body=b'{"text": "x", "words": [{"word": "x", "start": NaN, "end": NaN}]}'),
        lambda asked: web.Response(body=b'{"text": "cut o', headers={"Content-Type": "application/json"}),
    ],
)
async def test_trouble_that_passes_leaves_no_trace(
    meeting: Path, server: TranscribingServer, trouble: Callable[[Asked], web.Response]
) -> None:
    undisturbed = await heard_in(meeting, server)
    server.answer = first_then(trouble, trouble)
    assert await heard_in(meeting, server) == undisturbed


@pytest.mark.parametrize("trouble", [always(429), always(502), lambda asked: web.Response(text="hello")])
async def test_trouble_that_stays_is_not_the_recordings_fault(
    meeting: Path, server: TranscribingServer, trouble: Callable[[Asked], web.Response]
) -> None:
    server.answer = trouble
    with pytest.raises(Unavailable) as raised:
        await heard_in(meeting, server, openai_at_once=1)
    assert raised.value.reason == "RECOGNISER_UNAVAILABLE"
    assert len(server.asked) == 1 + len(NO_PAUSES)


async def test_a_server_that_hangs_is_given_up_on_time(meeting: Path, server: TranscribingServer) -> None:
    server.may_answer.clear()
    with pytest.raises(Unavailable, match="Timeout"):
        await heard_in(meeting, server, openai_timeout_seconds=0.05)


async def test_a_server_that_is_not_there_is_not_the_recordings_fault(meeting: Path) -> None:
    async with transcribing_server() as gone:
        pass
    with pytest.raises(Unavailable, match="ConnectError"):
        await heard_in(meeting, gone)


@pytest.mark.parametrize("status", [301, 401, 403, 404])
async def test_a_key_a_model_or_a_url_that_is_refused_is_for_the_operator(
    meeting: Path, server: TranscribingServer, status: int
) -> None:
    server.answer = always(status, f"Incorrect API key provided: {KEY}")
    with capture_logs() as logs, pytest.raises(Unavailable, match=f"{status}.*ASSENT_OPENAI_KEY_FILE") as raised:
        await heard_in(meeting, server, openai_at_once=1)
    assert len(server.asked) == 1
    assert [line["event"] for line in logs] == ["recogniser_refuses_us"]
    assert KEY not in f"{logs} {raised.value}"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_audio_that_is_refused_fails_while_other_audio_is_taken(
    meeting: Path, server: TranscribingServer, status: int
) -> None:
    server.answer = lambda asked: spoken(asked) if asked.is_silent else refusal(status, f"bad audio, says {KEY}")
    with capture_logs() as logs, pytest.raises(Unrecognisable, match=str(status)) as raised:
        await heard_in(meeting, server)
    assert KEY not in f"{logs} {raised.value}"


async def test_a_server_that_refuses_everything_is_to_blame_itself(meeting: Path, server: TranscribingServer) -> None:
    server.answer = always(400, "no such model")
    with pytest.raises(Unavailable, match="ASSENT_OPENAI_MODEL"):
        await heard_in(meeting, server)


async def test_a_model_that_tells_no_times_is_asked_for_the_text_alone(
    meeting: Path, server: TranscribingServer
) -> None:
    def without_times(asked: Asked) -> web.Response:
        if asked.form["response_format"] != ["json"]:
            return refusal(400, "response_format 'verbose_json' is not compatible with model 'x'")
        return web.json_response({"text": " Well said. "})

    server.answer = without_times
    heard = await heard_in(meeting, server, openai_at_once=1)
    chunks = cut(str(meeting))
    assert [piece.segments for piece in heard] == [
        (Segment(chunk.start_ms, chunk.end_ms, "Well said."),) for chunk in chunks
    ]
    assert len(server.asked) == len(chunks) + 1


async def test_silence_is_never_sent(tmp_path: Path, server: TranscribingServer) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as audio:
        audio.setparams((1, 2, 16_000, 0, "NONE", ""))
        audio.writeframes(bytes(3 * 32_000))
    assert await heard_in(tmp_path / "silence.wav", server) == []
    assert server.asked == []


async def test_leaving_early_ends_the_requests(meeting: Path, server: TranscribingServer) -> None:
    async with client(server, openai_at_once=2) as openai, aclosing(openai.hear(meeting)) as pieces:
        await anext(pieces)
        server.may_answer.clear()

    async def none_left() -> bool:
        return not any(task.get_name().startswith("hear ") for task in asyncio.all_tasks())

    assert await eventually(none_left)


async def test_a_server_that_does_not_answer_at_start_is_told_and_waited_for(tmp_path: Path) -> None:
    async with transcribing_server() as gone:
        pass
    with capture_logs() as logs:
        async with aclosing(await recogniser(settings(gone.url))):
            pass
    assert [(line["event"], line["url"]) for line in logs] == [("recogniser_unreachable", gone.url)]


async def test_a_server_without_a_list_of_models_is_there_all_the_same(server: TranscribingServer) -> None:
    with capture_logs() as logs:
        async with aclosing(await recogniser(settings(server.url))):
            pass
    assert logs == []


async def test_the_key_lies_in_a_file_and_must_be_one(tmp_path: Path, server: TranscribingServer) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert key_in(tmp_path / "key") == KEY
    (tmp_path / "key").write_text("two\nlines")
    with pytest.raises(Unfit, match="ASSENT_OPENAI_KEY_FILE"):
        await recogniser(settings(server.url, openai_key_file=tmp_path / "key"))


async def test_a_recording_is_transcribed_by_the_server_in_the_language_that_it_hears(
    shop: Workshop, server: TranscribingServer
) -> None:
    def in_german(asked: Asked) -> web.Response:
        return web.json_response({"text": "Ja.", "language": "de"})

    server.answer = in_german
    shop.arrive(MEETING)
    async with client(server) as openai:
        await (await shop.worker(recogniser=openai)).transcribe("r1")
    transcript = await shop.transcript()
    assert (transcript.status, transcript.language) == (Status.COMPLETED, "de")
    assert {segment.text for segment in transcript.segments} == {"Ja."}
    assert shop.left_in_scratch() == []


async def test_a_recording_that_the_server_refuses_has_failed_and_one_that_it_cannot_take_now_has_not(
    shop: Workshop, server: TranscribingServer
) -> None:
    server.answer = always(500)
    shop.arrive(MEETING)
    async with client(server) as openai:
        worker = await shop.worker(recogniser=openai)
        with pytest.raises(Unavailable):
            await worker.transcribe("r1")
        waiting = await shop.transcript()
        server.answer = lambda asked: spoken(asked) if asked.is_silent else refusal(400, "bad audio")
        await worker.transcribe("r1")
    assert (waiting.status.is_final, waiting.tries) == (False, 0)
    transcript = await shop.transcript()
    assert transcript.status is Status.FAILED
    assert "recogniser refused the audio" in transcript.failure
    assert shop.left_in_scratch() == []
