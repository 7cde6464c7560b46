"""A server that answers with garbage, with too much or with our own key costs a wait, no recording and no secret."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web
from assent.transcript.v1 import transcript_events_pb2 as news
from structlog.testing import capture_logs

from chassis.errors import ServiceError, Unavailable
from deploy.local.sample import MEETING
from tests.transcript.openai_server import KEY, Answerer, Asked, TranscribingServer, spoken, transcribing_server
from tests.transcript.surroundings import Store
from tests.transcript.workshop import Workshop
from transcript_svc.domain import MOST_TRIES, Status, Transcript
from transcript_svc.openai import OpenAI
from transcript_svc.settings import RecogniserSettings

pytestmark = pytest.mark.usefixtures("quick_children")

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def server() -> AsyncIterator[TranscribingServer]:
    async with transcribing_server() as server:
        yield server


def client(server: TranscribingServer) -> OpenAI:
    settings = RecogniserSettings.model_validate({"recogniser": "openai", "openai_url": server.url})
    return OpenAI(settings, KEY, pauses=(0.0,))


async def transcribed(
    shop: Workshop, server: TranscribingServer, answer: Answerer, times: int = 1, recording: Path = MEETING
) -> tuple[Transcript, list[Exception]]:
    """The transcript after so many tries with that answer, and what went wrong."""
    server.answer = answer
    shop.arrive(recording)
    errors = []
    async with aclosing(client(server)) as openai:
        worker = await shop.worker(recogniser=openai)
        for _ in range(times):
            try:
                await worker.transcribe("r1")
            except Exception as error:
                errors.append(error)
    return await shop.transcript(), errors


def saying(**answer: object) -> Answerer:
    text = json.dumps(answer)
    return lambda asked: web.json_response(text=text)


def packed(asked: Asked) -> web.Response:
    """A good answer, packed although nobody asked for that."""
    body = spoken(asked).body
    assert isinstance(body, bytes)
    return web.Response(body=gzip.compress(body), headers={**JSON, "Content-Encoding": "gzip"})


def swelling(megabytes: int) -> bytes:
    """Few bytes that unpack to many."""

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(9, wbits=31)
        for _ in range(megabytes):
            yield packer.compress(b" " * 2**20)
        yield packer.flush()

    return b"".join(pieces())


GARBAGE: dict[str, Answerer] = {
    "a time without end": saying(text="x", words=[{"word": "x", "start": 0, "end": 1e306}]),
    "a pause that is no number": lambda asked: web.Response(status=429, headers={"Retry-After": "\u00b2"}),
    "an error in no encoding": lambda asked: web.Response(
        status=400, body=b"00", headers={"Content-Type": "text/plain; charset=hex"}
    ),
    "half a packing": lambda asked: web.Response(body=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"}),
    "no packing": lambda asked: web.Response(body=b"{}", headers={**JSON, "Content-Encoding": "gzip"}),
    "a packing unheard of": lambda asked: web.Response(body=b"{}", headers={**JSON, "Content-Encoding": "br, gzip"}),
    "a redirect to nowhere": lambda asked: web.Response(status=307, headers={"Location": "http://[::1"}),
    "more text than anybody can say": saying(text="blah " * 1_200),
    "more words than anybody can say": saying(text="", words=[{"word": "x", "start": 0, "end": 1}] * 3_000),
    "more sentences than anybody can say": saying(text="", segments=[{"text": "", "start": 0, "end": 1}] * 6_000),
    "a refusal without end": lambda asked: web.Response(status=400, body=b"no " * 2**20),
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_never_the_recordings_fault(
    shop: Workshop, server: TranscribingServer, beginning: Path, answer: Answerer
) -> None:
    transcript, errors = await transcribed(shop, server, answer, MOST_TRIES + 1, beginning)
    assert [type(error) for error in errors] == [Unavailable] * (MOST_TRIES + 1)
    assert not transcript.status.is_final
    assert transcript.segments == ()


async def test_an_answer_that_swells_is_not_taken_in(shop: Workshop, server: TranscribingServer) -> None:
    body = swelling(200)
    tracemalloc.start()
    try:
        _, errors = await transcribed(
            shop, server, lambda asked: web.Response(body=body, headers={**JSON, "Content-Encoding": "gzip"})
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(errors[0], ServiceError)
    assert most < 32 * 2**20


async def test_an_answer_without_end_is_not_read_to_it(shop: Workshop, server: TranscribingServer) -> None:
    finished = zlib.compressobj(9, wbits=31)
    body = finished.compress(b'{"text": "x"}') + finished.flush() + b"junk" * 2**20
    _, errors = await transcribed(
        shop, server, lambda asked: web.Response(body=body, headers={**JSON, "Content-Encoding": "gzip"})
    )
    assert isinstance(errors[0], Unavailable)


async def test_a_good_answer_may_be_packed(shop: Workshop, server: TranscribingServer) -> None:
    transcript, errors = await transcribed(shop, server, packed)
    assert (errors, transcript.status) == ([], Status.COMPLETED)


@pytest.mark.parametrize("answer", [{"text": "a\0b"}, {"text": "a b", "language": "\0"}])
async def test_a_nul_ends_up_in_no_transcript_and_ends_no_work(
    shop: Workshop, postgres_store: Store, server: TranscribingServer, answer: dict[str, str]
) -> None:
    shop.store = postgres_store
    transcript, errors = await transcribed(shop, server, saying(**answer))
    assert (errors, transcript.status, transcript.language) == ([], Status.COMPLETED, "")
    assert {segment.text for segment in transcript.segments} == {"a b"}


async def test_the_longest_answer_makes_no_event_that_nats_does_not_take(
    shop: Workshop, server: TranscribingServer
) -> None:
    words = [{"word": "\U0001f5e3", "start": 0, "end": 14}] * 2_400
    sentence = {"text": "\U0001f5e3" * 4_900, "start": 0, "end": 14}
    transcript, errors = await transcribed(shop, server, saying(text="", segments=[sentence], words=words))
    assert (errors, transcript.status) == ([], Status.COMPLETED)
    sizes = [told.ByteSize() for told in await shop.store.news_of(news.TranscriptEventAppended)]
    assert 50_000 < max(sizes) < 200_000


CUTS: dict[str, Callable[[str], str]] = {
    "at the end of what is kept": lambda key: "x" * (300 - len(key) + 1) + key,
    "after much space": lambda key: " " * 600_000 + "x" * 290 + key,
    "broken by nothing": lambda key: f"Incorrect API key: {key}.",
}


@pytest.mark.parametrize("echo", CUTS.values(), ids=CUTS)
async def test_no_part_of_the_key_is_told_wherever_the_server_echoes_it(
    shop: Workshop, server: TranscribingServer, echo: Callable[[str], str]
) -> None:
    with capture_logs() as logs:
        transcript, _ = await transcribed(
            shop, server, lambda asked: spoken(asked) if asked.is_silent else web.Response(status=400, text=echo(KEY))
        )
    assert transcript.status is Status.FAILED
    assert any(line["event"] == "recogniser_refuses_audio" for line in logs)
    assert KEY[:4] not in f"{logs} {transcript.failure}"
