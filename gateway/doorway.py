"""What every request passes on its way in and out: its id, a bounded body, the log, the figures, the last net."""

import asyncio
import itertools
import re
import time
import uuid
from collections.abc import Mapping

import structlog
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from chassis.errors import internal
from chassis.telemetry import span
from gateway.metrics import Metrics
from gateway.problems import problem, problem_of
from gateway.sessions import SESSION_COOKIE

log = structlog.get_logger()

LARGEST_BODY = 64 * 1024
BODY_SECONDS = 10.0
BEARER = "bearer."
"""How a subprotocol begins that brings a token."""
_PROCESS, _NUMBERS = uuid.uuid4().hex[:12], itertools.count(1)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Asked every few seconds by machines.
_QUIET = {"/healthz", "/readyz", "/metrics"}


class CutOff(Exception):
    """A response that has begun cannot go on, and why is logged: only a broken connection tells so to the client."""


class Figures:
    """Counts and logs requests when they are answered."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)

    def note(self, scope: Scope, route: str, status: int, began: float, **fields: str) -> None:
        """One request, with a line in the log; `began` by the performance counter."""
        seconds = time.perf_counter() - began
        self.count(scope["method"], route, status, seconds)
        if route not in _QUIET:
            ms = round(seconds * 1000, 1)
            log.info("request", method=scope["method"], route=route, status=status, ms=ms, **fields)


def request_id_of(asked: str) -> str:
    """What a request is known by in the logs: what its sender wishes, where that can be one."""
    return asked if asked and _REQUEST_ID.fullmatch(asked) else f"{_PROCESS}{next(_NUMBERS):020x}"


def body_too_slow() -> JSONResponse:
    """For a body that does not come."""
    return problem(408, "BODY_TOO_SLOW", f"send the body within {BODY_SECONDS:.0f} s", {"Connection": "close"})


class Doorway:
    """ASGI middleware around the whole app. `headers` go on every response that does not name its own."""

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: Mapping[str, str]) -> None:
        self._app = app
        self._figures = Figures(metrics)
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        received = Headers(scope=scope)
        request_id = request_id_of(received.get("x-request-id", ""))
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with span(f"{scope['type']} {scope.get('method', 'GET')}", received):
            if scope["type"] == "http":
                await self._http(scope, receive, send, request_id)
            else:
                await self._websocket(scope, receive, send, request_id)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        is_begun = False

        async def sent(message: Message) -> None:
            nonlocal is_begun
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                is_begun = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["X-Request-Id"] = request_id
                if message["type"] == "websocket.http.response.start":
                    self._add_to(headers)
            await send(message)

        try:
            await (_ambiguous() if _is_ambiguous(scope) else self._app)(scope, receive, sent)
        except (OSError, WebSocketDisconnect):
            return  # the client has left
        except Exception as error:
            log.error("socket_failed", exc_info=error)
            if not is_begun:
                await _internal()(scope, receive, sent)

    def _add_to(self, headers: MutableHeaders) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)

    async def _http(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.perf_counter()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                # No cache in between knows that the answer is for one person; what a cookie opened, even the browser
                # that goes back after signing out must not show.
                headers.setdefault("Cache-Control", "private, no-cache")
                if _is_by_cookie(scope):
                    headers["Cache-Control"] = "no-store"
                self._add_to(headers)
            await send(message)

        try:
            await self._answer(scope, receive, sent)
        except CutOff:
            raise
        except Exception as error:
            log.error("request_failed", method=scope["method"], route=_route(scope), exc_info=error)
            if status:
                raise  # too late for a problem: the connection breaks, and the client knows that it is incomplete
            await _internal()(scope, receive, sent)
        finally:
            route = _route(scope)
            # Ids of the API; a page's address may be a secret of its own.
            ids = scope.get("path_params", {}) if route.startswith("/v1/") else {}
            self._figures.note(scope, route, status, began, **ids)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_ambiguous(scope):
            await _ambiguous()(scope, receive, send)
            return
        try:
            body = await _read_body(scope, receive)
        except TimeoutError:
            await body_too_slow()(scope, receive, send)
            return
        if body is None:
            response = problem(413, "BODY_TOO_LARGE", f"send at most {LARGEST_BODY} bytes")
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


def _is_ambiguous(scope: Scope) -> bool:
    """Whether the sender says more than once who they are: whoever picked one could be made to pick the wrong one."""
    offered = [one for one in scope.get("subprotocols", ()) if one.startswith(BEARER)]
    return len(Headers(scope=scope).getlist("authorization")) + len(offered) > 1


def _ambiguous() -> JSONResponse:
    return problem(401, "TOKEN_INVALID", "send one token: one Authorization header, or one bearer subprotocol")


def _internal() -> JSONResponse:
    return problem_of(internal())


def _is_by_cookie(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    is_signed_in = "authorization" not in headers and SESSION_COOKIE in headers.get("cookie", "")
    return is_signed_in and scope["path"].startswith("/v1/")


def _route(scope: Scope) -> str:
    # Not the path: ids would make a figure each, and paths may hold somebody's secret.
    return getattr(scope.get("route"), "path", "page" if "endpoint" in scope else "none")


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body before anything reads it; None where it is larger than allowed. Raises TimeoutError."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if length == "0" and "transfer-encoding" not in headers:
        return b""
    if length.isdigit() and int(length) > LARGEST_BODY:
        return None
    body = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY:
                return None
            if not message.get("more_body", False):
                return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
