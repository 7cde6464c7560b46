"""A server with OpenAI's `/v1/audio/transcriptions` that answers as it is told, and remembers what it was asked."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

KEY = "sk-our-secret-key"


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    authorization: str
    form: dict[str, list[str]]
    pcm: bytes

    @property
    def seconds(self) -> float:
        """Of audio."""
        return len(self.pcm) / 32_000

    @property
    def is_silent(self) -> bool:
        """Nobody speaks in it."""
        return not any(self.pcm)


Answerer = Callable[[Asked], web.Response]


def spoken(asked: Asked) -> web.Response:
    """A good answer: two words in one sentence, from the chunk's beginning to its end."""
    words = [
        {"word": "Well", "start": 0.1, "end": 0.5},
        {"word": "said", "start": 0.5, "end": round(asked.seconds, 3)},
    ]
    sentences = [{"id": 0, "text": " Well said.", "start": 0.0, "end": round(asked.seconds, 3)}]
    return web.json_response({"text": "Well said.", "language": "english", "segments": sentences, "words": words})


@dataclass
class TranscribingServer:
    """What it was asked, how it answers, and how busy it was."""

    url: str = ""
    answer: Answerer = spoken
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    # Cleared, it lets nobody go until it is set.
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def transcribe(self, request: web.Request) -> web.Response:
        """`POST /v1/audio/transcriptions`."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            asked = await _read(request)
            self.asked.append(asked)
            await self.may_answer.wait()
            return self.answer(asked)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def transcribing_server() -> AsyncIterator[TranscribingServer]:
    """Listens on a free port until the block ends."""
    server = TranscribingServer()
    server.may_answer.set()
    app = web.Application(client_max_size=8 * 2**20)
    app.router.add_post("/v1/audio/transcriptions", server.transcribe)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    server.may_answer.set()
    await runner.cleanup()


def refusal(status: int, message: str, **headers: str) -> web.Response:
    """An error as OpenAI words it."""
    return web.Response(status=status, text=json.dumps({"error": {"message": message}}), headers=headers)


async def _read(request: web.Request) -> Asked:
    form: dict[str, list[str]] = {}
    pcm = b""
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name
        if part.name == "file":
            assert part.filename == "audio.wav"
            pcm = _pcm(await part.read())
        else:
            form.setdefault(part.name, []).append(await part.text())
    return Asked(request.headers.get("Authorization", ""), form, pcm)


def _pcm(content: bytes) -> bytes:
    with wave.open(io.BytesIO(content)) as audio:
        assert audio.getparams()[:3] == (1, 2, 16_000)
        pcm: bytes = audio.readframes(audio.getnframes())
    return pcm
