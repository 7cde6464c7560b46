"""What the gateway in memory knows of transcripts: which of them fit a query, and what an edit makes of a segment."""

import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

_NO_STORE = {"Cache-Control": "no-store", "Accept-Ranges": "bytes"}


def piece_of(mp3: bytes, request: Request) -> Response:
    """The audio, or the range of it that is asked for."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if asked is None:
        return Response(mp3, media_type="audio/mpeg", headers=_NO_STORE)
    start, end = int(asked[1]), min(int(asked[2] or len(mp3) - 1), len(mp3) - 1)
    place = {"Content-Range": f"bytes {start}-{end}/{len(mp3)}"}
    return Response(mp3[start : end + 1], 206, media_type="audio/mpeg", headers=_NO_STORE | place)


def found(transcripts: Iterable[dict[str, Any]], query: str) -> list[dict[str, Any]]:
    """All of them without a query; else those with a segment that holds all its words, with the places of them."""
    wanted = set(re.findall(r"\w+", query.casefold()))
    if not wanted:
        return [{**transcript, "matches": []} for transcript in transcripts]
    hits = [{**transcript, "matches": _matches(transcript["segments"], wanted)} for transcript in transcripts]
    return [hit for hit in hits if hit["matches"]]


def edited(segment: dict[str, Any], text: str) -> dict[str, Any]:
    """The segment with another text; what was heard stays."""
    heard = segment["original_text"] or segment["text"]
    changed = text != heard
    return {**segment, "text": text, "edited": changed, "original_text": heard if changed else None}


def _matches(segments: list[dict[str, Any]], wanted: set[str]) -> list[dict[str, Any]]:
    return [
        {
            **{key: segment[key] for key in ("index", "start_ms", "end_ms", "text", "speaker")},
            "marks": [
                {"start": word.start(), "end": word.end()}
                for word in re.finditer(r"\w+", segment["text"])
                if word[0].casefold() in wanted
            ],
        }
        for segment in segments
        if wanted <= set(re.findall(r"\w+", segment["text"].casefold()))
    ]
