"""The short way for the one request that comes by the hundred at once: a participant's answer.

It does what the route in `consent.py` does, and nothing else: whatever is unusual about a request (another kind of
token, one not seen before, a header or a body that is not as our pages send it) takes the long way through the routes,
which alone say what is wrong with it.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import NotFound, ServiceError, internal
from gateway.consent import REQUEST_ID, ROUTE, NewAnswer, request_of, stored_shape
from gateway.doorway import BODY_SECONDS, Figures, body_too_slow, request_id_of
from gateway.parts import Parts
from gateway.problems import problem_of
from gateway.tokens import Participant

log = structlog.get_logger()

_PATH = re.compile(r"/v1/meetings/([A-Za-z0-9_-]{1,64})/consent")
_REQUEST_ID = re.compile(REQUEST_ID.encode())
_SHORT = re.compile(rb"[1-9]\d{0,3}")  # bytes; all that our pages send is far below


_Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]
"""Status, body, and headers but for the length."""


@dataclass(frozen=True)
class _Arrived:
    """A request as far as its head tells."""

    who: Participant
    request_id: str
    idempotency_key: str
    traceparent: str


class ShortWay:
    """ASGI, before everything else: `app` is the long way. `headers` go on every response."""

    def __init__(self, app: ASGIApp, parts: Parts, headers: Mapping[str, str]) -> None:
        self._app = app
        self._parts = parts
        self._figures = Figures(parts.metrics)
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        arrived = self._recognised(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if arrived is None:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            status, body, headers = _parts_of(body_too_slow())
        else:
            new = _read(message)
            answered = await self._answered(arrived, new) if new else None
            if answered is None:
                await self._app(scope, _again(message, receive), send)
                return
            status, body, headers = answered
        length = (b"content-length", str(len(body)).encode())
        known_by = (b"x-request-id", arrived.request_id.encode())
        start = {"type": "http.response.start", "status": status}
        await send({**start, "headers": [*headers, length, known_by, *self._headers]})
        await send({"type": "http.response.body", "body": body})
        self._figures.note(
            scope, ROUTE, status, began, meeting_id=arrived.who.meeting_id, request_id=arrived.request_id
        )

    def _recognised(self, scope: Scope) -> _Arrived | None:
        path = _PATH.fullmatch(scope["path"])
        if path is None:
            return None
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]):  # which of two is meant, the long way knows
            return None
        kind, _, token = headers.get(b"authorization", b"").partition(b" ")
        key = headers.get(b"idempotency-key")
        usual = (
            kind == b"Bearer"
            and headers.get(b"content-type") == b"application/json"
            and (key is None or _REQUEST_ID.fullmatch(key) is not None)
            and _SHORT.fullmatch(headers.get(b"content-length", b"")) is not None
        )
        who = self._parts.tokens.remembered(token.decode("latin-1")) if usual else None
        if not isinstance(who, Participant) or who.meeting_id != path[1]:
            return None
        return _Arrived(
            who,
            request_id_of(headers.get(b"x-request-id", b"").decode("latin-1")),
            key.decode() if key else str(uuid.uuid4()),
            headers.get(b"traceparent", b"").decode("latin-1"),
        )

    async def _answered(self, arrived: _Arrived, new: NewAnswer) -> _Answer | None:
        who, settings = arrived.who, self._parts.settings
        request = request_of(who.meeting_id, who.participant_id, new, arrived.idempotency_key, settings)
        try:
            self._parts.limits.answer(who.meeting_id, who.participant_id)
            stored = await self._parts.answering.submit(request, arrived.traceparent)
        except NotFound:
            return None
        except Exception as error:
            if not isinstance(error, ServiceError):
                log.error("request_failed", method="POST", route=ROUTE, request_id=arrived.request_id, exc_info=error)
            return _parts_of(problem_of(error if isinstance(error, ServiceError) else internal()))
        return 200, stored_shape(stored).model_dump_json().encode(), [(b"content-type", b"application/json")]


def _parts_of(response: Response) -> _Answer:
    rest = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return response.status_code, bytes(response.body), rest


def _read(message: Message) -> NewAnswer | None:
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    try:
        return NewAnswer.model_validate_json(message["body"])
    except ValidationError:
        return None


def _again(message: Message, receive: Receive) -> Receive:
    """The rest of a request, with what was taken from it already."""
    taken = [message]

    async def received() -> Message:
        return taken.pop() if taken else await receive()

    return received
