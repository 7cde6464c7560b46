"""Reads what servers with OpenAI's `/v1/audio/transcriptions` answer: with times, with some, with none, or garbage."""

import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated

import httpx
from pydantic import BaseModel, Field, ValidationError

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment, Word, segments_of
from transcript_svc.recognition import Garbled, ensure_sayable, placed, speakable

# Unpacked; an answer about 30 s has a few KB.
MOST_BYTES = 2**20

# BCP 47, as far as servers tell it: a language, perhaps with a region.
_CODE = re.compile(r"[A-Za-z]{2,3}(-([A-Za-z]{2}|[0-9]{3}))?")
_PACKINGS = ("gzip", "x-gzip", "deflate")
_ANY_ZLIB = zlib.MAX_WBITS | 32
# Servers tell times beyond the chunk now and then. Beyond this they are no times.
_Seconds = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]


class _Word(BaseModel):
    word: str
    start: _Seconds
    end: _Seconds


class _Segment(BaseModel):
    text: str
    start: _Seconds
    end: _Seconds


class Answer(BaseModel):
    """What a server said of one chunk; times are seconds from the chunk's beginning."""

    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    words: list[_Word] | None = None


async def content_of(response: httpx.Response) -> bytes:
    """What a streamed response holds, unpacked and never more than MOST_BYTES. Raises Garbled and httpx.HTTPError."""
    unpack = _unpacking(response.headers.get("content-encoding", ""))
    content, received = bytearray(), 0
    async for piece in response.aiter_raw():
        received += len(piece)
        try:
            # One byte more than there may be, or a few KB would unpack to as much as they like.
            content += unpack.decompress(piece, MOST_BYTES + 1 - len(content)) if unpack else piece
        except zlib.error:
            raise Garbled("an answer that does not unpack") from None
        if max(received, len(content)) > MOST_BYTES:
            raise Garbled(f"an answer of more than {MOST_BYTES} bytes")
    return bytes(content)


def read(content: bytes) -> Answer:
    """The answer that this is. Raises Garbled."""
    try:
        answer = Answer.model_validate_json(content)
    except ValidationError as error:
        raise Garbled(f"an answer that is no transcription ({error.error_count()} faults)") from None
    ensure_sayable([answer.text])
    ensure_sayable([one.text for one in answer.segments or ()])
    ensure_sayable([one.word for one in answer.words or ()])
    return answer


def segments_in(answer: Answer, chunk: Span) -> tuple[Segment, ...]:
    """What was said in this chunk.

    Text and punctuation are the segments', times are the words'. A server that tells neither has heard one segment,
    as long as the chunk.
    """
    words = placed(((word.word, word.start, word.end) for word in answer.words or ()), chunk)
    sentences = placed(((one.text, one.start, one.end) for one in answer.segments or ()), chunk)
    if sentences:
        return tuple(_told(sentences, words))
    if words:
        return tuple(segments_of(words))
    text = speakable(answer.text)
    return (Segment(chunk.start_ms, chunk.end_ms, text),) if text else ()


def language_in(answer: Answer) -> str:
    """The language's code; empty where there is none, or a name ("english")."""
    language = answer.language or ""
    return language if _CODE.fullmatch(language) else ""


def _told(sentences: Sequence[Word], words: Sequence[Word]) -> Iterator[Segment]:
    """Each sentence with the words that are said before it ends; the last one has all that are left.

    A word can be longer than its sentence: what comes after begins no earlier than the sentence before has ended.
    """
    left, earliest = deque(words), 0
    for sentence in sentences:
        own: list[Word] = []
        while left and (sentence is sentences[-1] or left[0].start_ms + left[0].end_ms < 2 * sentence.end_ms):
            word = left.popleft()
            own.append(Word(word.text, max(word.start_ms, earliest), max(word.end_ms, earliest)))
        start_ms = own[0].start_ms if own else max(sentence.start_ms, earliest)
        earliest = own[-1].end_ms if own else max(sentence.end_ms, earliest)
        yield Segment(start_ms, earliest, sentence.text, tuple(own))


def _unpacking(packing: str) -> "zlib._Decompress | None":
    packing = packing.strip().lower()
    if packing in ("", "identity"):
        return None
    if packing not in _PACKINGS:
        raise Garbled("an answer that is packed, though it was asked for as it is")
    return zlib.decompressobj(_ANY_ZLIB)
