"""WebSockets: a meeting's counts and recordings, a transcript as it is made.

The token comes at the handshake: as the subprotocol `bearer.<token>` beside `assent.v1` from a browser, or in the
Authorization header; without either, whoever signed in in this browser counts. A browser cannot read a refused
handshake, so it is let in and closed at once with 4000 + the HTTP status; anybody else gets that status as a problem.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from chassis.errors import ServiceError
from chassis.tasks import end
from gateway.access import ensure_origin, meeting_for, transcript_for
from gateway.auth import token_missing
from gateway.doorway import BEARER
from gateway.frames import writer_of
from gateway.parts import Gateway, Parts
from gateway.problems import problem_of, status_of
from gateway.shapes import Id
from gateway.tokens import Identity
from gateway.transcript_feed import TooSlow

log = structlog.get_logger()
router = APIRouter()

PROTOCOL = "assent.v1"
_SEND_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_TRY_AGAIN_LATER = 1013
_EXPIRED = 4401


@router.websocket("/v1/meetings/{meeting_id}/events")
async def meeting_events(websocket: WebSocket, meeting_id: Id, gateway: Gateway) -> None:
    """CONSENT and RECORDING, for participants and the owner."""

    async def allow(identity: Identity) -> None:
        await meeting_for(identity, meeting_id, gateway)

    await _serve(websocket, gateway, "meeting", allow, lambda: gateway.meeting_feed.follow(meeting_id))


@router.websocket("/v1/transcripts/{transcript_id}/events")
async def transcript_events(websocket: WebSocket, transcript_id: Id, gateway: Gateway) -> None:
    """STATUS, PROGRESS, TRANSCRIPT, DURATION, WAVEFORM, AUDIO_DELETED, for participants and the owner.

    Each with its `sequence`; `?after=` that number goes on from there, for whoever comes back.
    """

    async def allow(identity: Identity) -> None:
        await transcript_for(identity, transcript_id, gateway)

    after, write = _sequence(websocket.query_params.get("after", "")), writer_of(websocket.scope)
    feed = gateway.transcript_feed
    await _serve(websocket, gateway, "transcript", allow, lambda: feed.follow(transcript_id, after, write))


async def _serve(
    websocket: WebSocket,
    parts: Parts,
    feed: str,
    allow: Callable[[Identity], Awaitable[None]],
    follow: Callable[[], AsyncIterator[str]],
) -> None:
    try:
        ensure_origin(websocket, parts.settings)
        identity = await _identified(websocket, parts)
        await allow(identity)
    except ServiceError as error:
        await _refuse(websocket, error)
        return
    await websocket.accept(_subprotocol(websocket))
    with parts.metrics.sockets.labels(feed).track_inprogress():
        code, reason = await _send_until_over(websocket, follow(), identity.expires_at)
    if code == _TRY_AGAIN_LATER:
        parts.metrics.dropped.labels(feed).inc()
    # The other side may take nothing any more, not even this.
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await websocket.close(code, reason)


async def _send_until_over(websocket: WebSocket, texts: AsyncIterator[str], expires_at: float) -> tuple[int, str]:
    """Send until the client leaves, its token expires or it falls behind; the close code and its reason."""
    sending = asyncio.create_task(_send(websocket, texts))
    reading = asyncio.create_task(_read(websocket))
    left = None if expires_at == float("inf") else max(0.0, expires_at - time.time())
    try:
        done, _ = await asyncio.wait({sending, reading}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(sending, reading)
    if sending in done:
        return _end_of(sending.exception())
    return (1000, "") if reading in done else (_EXPIRED, "TOKEN_EXPIRED")


def _end_of(error: BaseException | None) -> tuple[int, str]:
    if isinstance(error, TooSlow):
        return _TRY_AGAIN_LATER, "too slow: connect again"
    if isinstance(error, ServiceError):
        return 4000 + status_of(error), error.reason
    if not isinstance(error, WebSocketDisconnect | None):
        log.error("socket_failed", exc_info=error)
        return 1011, "INTERNAL"
    return 1000, ""


async def _send(websocket: WebSocket, texts: AsyncIterator[str]) -> None:
    async with aclosing(texts):  # type: ignore[type-var]  # every feed is a generator
        async for text in texts:
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await websocket.send_text(text)
            except TimeoutError:
                raise TooSlow from None


async def _read(websocket: WebSocket) -> None:
    # Nothing is expected; reading is how we learn that the client has left.
    with suppress(WebSocketDisconnect):
        while (await websocket.receive())["type"] != "websocket.disconnect":
            continue


async def _identified(websocket: WebSocket, parts: Parts) -> Identity:
    token = _token(websocket)
    identity = await parts.tokens.identify(token) if token else parts.sessions.holder(websocket)
    if identity is None:
        raise token_missing()
    return identity


def _token(websocket: WebSocket) -> str:
    """What was presented; empty where nothing was, so that the browser's cookie counts."""
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(BEARER):
            return str(offered.removeprefix(BEARER))
    if "authorization" not in websocket.headers:
        return ""
    scheme, _, token = websocket.headers["authorization"].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise token_missing()
    return token.strip()


def _sequence(after: str) -> int:
    # What is no number of ours asks for everything, like a number that no event has had.
    return int(after) if re.fullmatch("[0-9]{1,18}", after) else 0


def _subprotocol(websocket: WebSocket) -> str | None:
    return PROTOCOL if PROTOCOL in websocket.scope["subprotocols"] else None


async def _refuse(websocket: WebSocket, error: ServiceError) -> None:
    log.info("socket_refused", reason=error.reason)
    if PROTOCOL in websocket.scope["subprotocols"] and error.reason != "ORIGIN_REFUSED":
        await websocket.accept(PROTOCOL)
        await websocket.close(4000 + status_of(error), error.reason)
    else:
        await websocket.send_denial_response(problem_of(error))
