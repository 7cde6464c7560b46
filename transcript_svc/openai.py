"""Hears words by asking a server that has OpenAI's `POST /v1/audio/transcriptions`.

https://platform.openai.com/docs/api-reference/audio/createTranscription, which others offer too.
"""

import asyncio
import io
import random
import re
import wave
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import structlog

from chassis.errors import Unavailable
from transcript_svc.cutting import Span
from transcript_svc.endpointing import chunks_in
from transcript_svc.openai_answers import Answer, content_of, language_in, read, segments_in
from transcript_svc.recognition import Garbled, Heard, Unfit, Unrecognisable, side_by_side
from transcript_svc.settings import RecogniserSettings
from transcript_svc.speech import RATE, samples

log = structlog.get_logger()

# Seconds before it is tried again. Afterwards the whole recording is, later.
PAUSES = (0.5, 2.0, 8.0)
LONGEST_PAUSE = 30.0
LOOK_SECONDS = 5.0

# What says that not the audio is to blame, and that it may be better soon.
PASSING = frozenset({408, 409, 425, 429})
# What says that the request is to blame: the audio, or what we want done with it.
REFUSING = frozenset({400, 413, 415, 422})

WITH_TIMES = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
WITHOUT_TIMES = {"response_format": "json"}
SILENCE = bytes(RATE * 2)


class _Passing(Exception):
    """It may be better soon. `seconds` is how long the server wants to be left alone."""

    def __init__(self, what: str, seconds: float = 0.0) -> None:
        super().__init__(what)
        self.seconds = seconds


class _Refused(Exception):
    """The server does not want this request as it is."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class OpenAI:
    """A client of one server. Audio goes there chunk by chunk, from memory; nothing is written anywhere."""

    def __init__(self, settings: RecogniserSettings, key: str, pauses: Sequence[float] = PAUSES) -> None:
        if not (key.isascii() and key.isprintable()):
            raise Unfit("what lies in ASSENT_OPENAI_KEY_FILE is no key: it must be one line of plain letters")
        self.language = settings.recogniser_language
        self._settings = settings
        self._url = str(settings.openai_url)
        self._key = key
        self._pauses = pauses
        self._form: dict[str, Any] = WITH_TIMES
        self._turns = asyncio.Semaphore(settings.openai_at_once)
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=settings.openai_timeout_seconds,
        )

    async def look(self) -> None:
        """Say in the log if nobody answers there now. It is no reason not to start: recordings wait."""
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._http.stream("GET", "models") as answer:
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError) as error:
            log.warning("recogniser_unreachable", url=self._url, error=type(error).__name__)
            return
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            log.warning("recogniser_key_refused", url=self._url, status=status)

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        """Chunks are heard side by side and handed on in order. Raises Unavailable, Unrecognisable, WorkerDied."""
        chunks = await chunks_in(wav)
        at_once = self._settings.openai_at_once
        async with aclosing(side_by_side(chunks, partial(self._heard, wav), at_once)) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _heard(self, wav: Path, chunk: Span) -> Heard:
        # Two recordings at once share the turns, so that the server never has more of our requests than was set.
        async with self._turns:
            audio = await asyncio.to_thread(samples, wav, chunk)
            try:
                answer = await self._insistently(audio)
            except _Refused as refusal:
                await self._blame(chunk, refusal)
                raise
        return Heard(chunk.end_ms, segments_in(answer, chunk), self.language or language_in(answer))

    async def _blame(self, chunk: Span, refusal: _Refused) -> None:
        """Whoever is at fault: the audio, unless the server refuses a second of silence just as well."""
        try:
            await self._insistently(SILENCE)
        except _Refused:
            log.error("recogniser_refuses_everything", url=self._url, answer=str(refusal))
            raise _unavailable("refuses every request: ASSENT_OPENAI_MODEL may be unknown to it") from None
        log.warning("recogniser_refuses_audio", start_ms=chunk.start_ms, end_ms=chunk.end_ms, answer=str(refusal))
        raise Unrecognisable(
            f"the recogniser refused the audio from {chunk.start_ms} to {chunk.end_ms} ms (status {refusal.status})"
        ) from None

    async def _insistently(self, audio: bytes) -> Answer:
        for pause in (*self._pauses, None):
            try:
                return await self._answer(audio)
            except _Passing as passing:
                if pause is None:
                    raise _unavailable(f"does not answer as it should ({passing}): it is tried again later") from None
                patience = max(pause * random.uniform(0.5, 1.5), passing.seconds)  # noqa: S311  it guards nothing
                await asyncio.sleep(min(patience, LONGEST_PAUSE))
        raise AssertionError("the last pause is None")

    async def _answer(self, audio: bytes) -> Answer:
        form = self._form
        try:
            return await self._post(audio, form)
        except _Refused as refusal:
            if form is WITHOUT_TIMES or not ("response_format" in str(refusal) or "granularit" in str(refusal)):
                raise
        log.warning("recogniser_tells_no_times", url=self._url, model=self._settings.openai_model)
        self._form = WITHOUT_TIMES
        return await self._post(audio, WITHOUT_TIMES)

    async def _post(self, audio: bytes, form: dict[str, Any]) -> Answer:
        asked = {"model": self._settings.openai_model, **form}
        if self.language:
            asked["language"] = self.language
        file = {"file": ("audio.wav", _wav(audio), "audio/wav")}
        try:
            # httpx counts the seconds between two bytes; a server that sends one now and then would keep us for good.
            async with (
                asyncio.timeout(self._settings.openai_timeout_seconds),
                self._http.stream("POST", "audio/transcriptions", data=asked, files=file) as answer,
            ):
                return await self._read(answer)
        except Garbled as error:
            raise _Passing(str(error)) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise _Passing(type(error).__name__) from None

    async def _read(self, answer: httpx.Response) -> Answer:
        status = answer.status_code
        if answer.is_success:
            return read(await content_of(answer))
        if status in PASSING or answer.is_server_error:
            raise _Passing(f"status {status}", _retry_after(answer))
        if status in REFUSING:
            raise _Refused(status, self._without_key((await content_of(answer)).decode(errors="replace")))
        # A wrong key, model or URL: not the recording's fault, and only the operator can help.
        log.error("recogniser_refuses_us", url=self._url, status=status)
        raise _unavailable(f"answers {status}: check ASSENT_OPENAI_URL, ASSENT_OPENAI_KEY_FILE, ASSENT_OPENAI_MODEL")

    def _without_key(self, text: str) -> str:
        # Before anything is cut, or a part of the key would be left.
        whole = text.replace(self._key, "***") if self._key else text
        return " ".join(whole.split())[:300]


def key_in(file: Path | None) -> str:
    """The key that lies in this file; empty where there is none."""
    return file.read_text(encoding="utf-8").strip() if file else ""


def _unavailable(what: str) -> Unavailable:
    return Unavailable(f"the recogniser at ASSENT_OPENAI_URL {what}", reason="RECOGNISER_UNAVAILABLE")


def _retry_after(answer: httpx.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", given) else 0.0


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, RATE, 0, "NONE", ""))
        audio.writeframes(pcm)
    return file.getvalue()
