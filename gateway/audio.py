"""A transcript's audio over HTTP, for as long as it may be heard: mp3 with ranges, and its waveform."""

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import structlog
from assent.transcript.v1 import transcript_service_pb2 as rpc
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from chassis.errors import FailedPrecondition, OutOfRange, ServiceError
from gateway.access import transcript_for
from gateway.auth import Known
from gateway.doorway import CutOff
from gateway.parts import Gateway, Parts
from gateway.problems import may_fail, problem, problem_of
from gateway.ranges import ByteRange, names, parse_range
from gateway.revalidation import UNCHANGED, IfNoneMatch, shown
from gateway.shapes import Id

log = structlog.get_logger()
router = APIRouter(tags=["transcripts"])

STREAM_SECONDS = 3600.0
"""A listener may take this long: players read only as fast as they play."""
ASK_AGAIN_SECONDS = 1.0
"""How soon a listener is cut off who may hear no more."""

_MP3 = "/v1/transcripts/{transcript_id}/audio/mp3"
_AUDIO = {"description": "The mp3, or a part of it.", "content": {"audio/mpeg": {}}}
_UNCHANGED = {"description": "The audio is still that of the If-None-Match header."}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _AUDIO,
    206: _AUDIO,
    304: _UNCHANGED,
    **may_fail(401, 403, 404, 409, 410, 412, 416, 503),
}
_ASKED_WITH = {
    "parameters": [
        {"in": "header", "name": name, "required": False, "schema": {"type": "string"}, "description": description}
        for name, description in (
            ("Range", "One part, as `bytes=0-999`: 206, or 416 where nothing of the audio lies in it."),
            ("If-Range", "The part only while this is the audio's `ETag`, or else the whole."),
            ("If-Match", "412 unless it names the audio's `ETag`."),
            ("If-None-Match", "304 while it names the audio's `ETag`."),
        )
    ]
}
# D2: whoever keeps a copy would keep it past the erasure.
_NO_STORE = {"Cache-Control": "no-store"}


class Waveform(BaseModel):
    """Peaks at equal distances."""

    waveform: list[float] = Field(description="From 0 to 1.")


@router.head(_MP3, response_class=Response, responses=_RESPONSES, openapi_extra=_ASKED_WITH)
async def head_audio(transcript_id: Id, identity: Known, request: Request, gateway: Gateway) -> Response:
    """Length and type of the audio."""
    return await _answer(transcript_id, identity, request, gateway, with_body=False)


@router.get(_MP3, response_class=Response, responses=_RESPONSES, openapi_extra=_ASKED_WITH)
async def get_audio(transcript_id: Id, identity: Known, request: Request, gateway: Gateway) -> Response:
    """The audio: 410 (AUDIO_DELETED) once erased, 409 (CONSENT_UNDECIDED) while withheld.

    One range at a time: a request for several is answered with the whole. A stream ends when the audio is erased.
    """
    return await _answer(transcript_id, identity, request, gateway, with_body=True)


@router.get(
    "/v1/transcripts/{transcript_id}/audio/waveform",
    response_model=Waveform,
    responses={**UNCHANGED, **may_fail(401, 403, 404, 409, 410, 503)},
)
async def get_waveform(
    transcript_id: Id, identity: Known, gateway: Gateway, if_none_match: IfNoneMatch = None
) -> Response:
    """The audio's waveform, under the audio's own conditions."""
    await transcript_for(identity, transcript_id, gateway)
    # D2: asked for first, whatever the client has: a 304 would tell that the audio is still there.
    found = await gateway.transcripts.GetWaveform(rpc.GetWaveformRequest(transcript_id=transcript_id))
    return shown(Waveform(waveform=list(found.waveform.peaks)), if_none_match, _NO_STORE["Cache-Control"])


async def _answer(transcript_id: str, identity: Known, request: Request, parts: Parts, *, with_body: bool) -> Response:
    await transcript_for(identity, transcript_id, parts)
    info = await parts.transcripts.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id=transcript_id))
    etag = f'"{info.etag.strip(chr(34))}"'
    if "if-match" in request.headers and not names(request.headers["if-match"], etag, weakly=False):
        return problem(
            412, "AUDIO_CHANGED", f"the audio's entity tag is {etag}: ask without If-Match for what there is"
        )
    if names(request.headers.get("if-none-match"), etag, weakly=True):
        return Response(status_code=304, headers={**_NO_STORE, "ETag": etag})
    try:
        part = parse_range(_range_header(request, etag), info.size_bytes)
    except OutOfRange as error:
        return problem_of(error, {"Content-Range": f"bytes */{info.size_bytes}"})
    headers = {**_NO_STORE, "Accept-Ranges": "bytes", "ETag": etag, "Content-Type": info.media_type}
    headers["Content-Length"] = str(part.length if part else info.size_bytes)
    if part:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{info.size_bytes}"
    status = 206 if part else 200
    if not with_body or not info.size_bytes:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(await _stream(transcript_id, part, parts), status, headers)


def _range_header(request: Request, etag: str) -> str | None:
    # A part of another version would not fit what the client has.
    if request.headers.get("if-range", etag) != etag:
        return None
    return request.headers.get("range")


async def _stream(transcript_id: str, part: ByteRange | None, parts: Parts) -> AsyncIterator[bytes]:
    """The bytes as they come. A refusal is raised here, before a status is sent."""
    asked = rpc.StreamAudioRequest(transcript_id=transcript_id)
    if part:
        asked.offset, asked.length = part.first, part.length
    call = parts.transcripts.StreamAudio(asked, timeout=STREAM_SECONDS)
    chunks = call.__aiter__()
    first = await anext(chunks, None)

    async def body() -> AsyncIterator[bytes]:
        asked_at = time.monotonic()
        try:
            if first is not None:
                yield first.data
            async for chunk in chunks:
                # What has come as far as here was read when it might still be heard; a slow listener takes it later.
                if time.monotonic() - asked_at >= ASK_AGAIN_SECONDS:
                    await parts.transcripts.GetAudioInfo(rpc.GetAudioInfoRequest(transcript_id=transcript_id))
                    asked_at = time.monotonic()
                yield chunk.data
        except ServiceError as error:
            # Erased, or withheld, while it was heard: that is as it must be. Anything else is not.
            level = logging.INFO if isinstance(error, FailedPrecondition) else logging.WARNING
            log.log(level, "audio_cut_off", transcript_id=transcript_id, reason=error.reason)
            raise CutOff from None
        finally:
            call.cancel()  # the listener may have gone before the end

    return body()
