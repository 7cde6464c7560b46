"""Writes a transcript as text: plain, WebVTT, SubRip or JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from transcript_svc.domain import Segment

# https://www.w3.org/TR/webvtt1/#webvtt-cue-text: these three may not stand bare in a cue.
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(segments: Sequence[Segment]) -> str:
    """One line a segment, begun with who speaks."""
    return "".join(f"{_line(segment)}\n" for segment in segments)


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT, for a <track> beside the audio."""
    cues = (f"{_times(segment, '.')}\n{_voice(segment)}{_escaped(segment.text)}\n" for segment in _spoken(segments))
    return "\n".join(["WEBVTT\n", *cues])


def srt(segments: Sequence[Segment]) -> str:
    """SubRip. It knows no escapes, so an arrow inside the text is broken up lest it be read as times."""
    cues = (
        f"{number}\n{_times(segment, ',')}\n{_line(segment).replace('-->', '-- >')}\n"
        for number, segment in enumerate(_spoken(segments), start=1)
    )
    return "\n".join(cues)


def as_json(segments: Sequence[Segment]) -> str:
    """The segments with their words and times in milliseconds."""
    return json.dumps({"segments": [_fields(segment) for segment in segments]}, ensure_ascii=False)


def _fields(segment: Segment) -> dict[str, Any]:
    fields = asdict(segment)
    original, speaker = fields.pop("original"), fields.pop("speaker")
    # Whoever edited nothing, or spoke alone, has nothing to tell apart.
    edited = {} if original is None else {"edited": True, "original_text": original}
    return fields | edited | ({"speaker": speaker} if speaker else {})


FORMATS: dict[str, tuple[str, Callable[[Sequence[Segment]], str]]] = {
    "txt": ("text/plain; charset=utf-8", plain),
    "vtt": ("text/vtt; charset=utf-8", vtt),
    "srt": ("application/x-subrip; charset=utf-8", srt),
    "json": ("application/json", as_json),
}


def timestamp(milliseconds: int, decimal: str) -> str:
    """HH:MM:SS with three decimals; hours grow beyond two digits where they must."""
    seconds, millis = divmod(max(milliseconds, 0), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal}{millis:03}"


def _times(segment: Segment, decimal: str) -> str:
    # A cue must end after it begins.
    end_ms = max(segment.end_ms, segment.start_ms + 1)
    return f"{timestamp(segment.start_ms, decimal)} --> {timestamp(end_ms, decimal)}"


def _voice(segment: Segment) -> str:
    # https://www.w3.org/TR/webvtt1/#webvtt-cue-voice-span: as it is all there is, it need not be ended.
    return f"<v {_escaped(segment.speaker)}>" if segment.speaker else ""


def _escaped(text: str) -> str:
    return _one_line(text).translate(_VTT_ESCAPES)


def _line(segment: Segment) -> str:
    return _one_line(f"{segment.speaker}: {segment.text}" if segment.speaker else segment.text)


def _one_line(text: str) -> str:
    # A blank line would end the cue.
    return " ".join(text.split())


def _spoken(segments: Sequence[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.text.strip()]
