"""Reads what servers with OpenAI's `/v1/audio/transcriptions` answer: with times, with some, with none."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, Field, ValidationError

from transcript_svc.cutting import Span
from transcript_svc.domain import Segment, Word, segments_of
from transcript_svc.recognition import placed

CODE_LENGTH = 3


class Garbled(Exception):
    """This is no answer."""


class _Word(BaseModel):
    word: str
    start: float = Field(allow_inf_nan=False)
    end: float = Field(allow_inf_nan=False)


class _Segment(BaseModel):
    text: str
    start: float = Field(allow_inf_nan=False)
    end: float = Field(allow_inf_nan=False)


class Answer(BaseModel):
    """What a server said of one chunk; times are seconds from the chunk's beginning."""

    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    words: list[_Word] | None = None


def read(content: bytes) -> Answer:
    """The answer that this is. Raises Garbled."""
    try:
        return Answer.model_validate_json(content)
    except ValidationError as error:
        raise Garbled(f"an answer that is no transcription ({error.error_count()} faults)") from None


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
    text = answer.text.strip()
    return (Segment(chunk.start_ms, chunk.end_ms, text),) if text else ()


def language_in(answer: Answer) -> str:
    """The language's code; empty where there is none, or a name ("english")."""
    language = answer.language or ""
    return language if len(language) <= CODE_LENGTH else ""


def _told(sentences: Sequence[Word], words: Sequence[Word]) -> Iterator[Segment]:
    """Each sentence with the words that are said before it ends; the last one has all that are left."""
    left, earliest = list(words), 0
    for sentence in sentences:
        own = [word for word in left if sentence is sentences[-1] or word.start_ms + word.end_ms < 2 * sentence.end_ms]
        left = left[len(own) :]
        start_ms = own[0].start_ms if own else max(sentence.start_ms, earliest)
        earliest = own[-1].end_ms if own else max(sentence.end_ms, earliest)
        yield Segment(start_ms, earliest, sentence.text, tuple(own))
