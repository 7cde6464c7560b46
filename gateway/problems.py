"""Turns every error into `application/problem+json` (RFC 9457) with a stable reason: the one table of statuses.

Somebody else's room, meeting, recording or transcript is 404 like one that never was. A participant token on
another meeting is 403 OTHER_MEETING before anything is looked up, so it tells nothing about that meeting.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from chassis.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    ServiceError,
    Unauthenticated,
    Unavailable,
)
from gateway.limits import TooManyRequests

STATUSES: dict[type[ServiceError], int] = {
    InvalidArgument: 400,
    Unauthenticated: 401,
    PermissionDenied: 403,
    NotFound: 404,
    AlreadyExists: 409,
    FailedPrecondition: 409,
    OutOfRange: 416,
    ResourceExhausted: 429,
    Unavailable: 503,
    # Late or away is the same to whoever asked: ask again.
    DeadlineExceeded: 503,
    Internal: 500,
}
STATUSES_BY_REASON = {"AUDIO_DELETED": 410}

# Said where a dependency's own words would tell about our insides.
_SENTENCES = {
    429: "too many requests at once: try again in a moment",
    500: "something failed on our side; it is logged: try again, then tell the operator",
    503: "a part of the service cannot be reached in time: try again in a moment",
}
_RETRY_AFTER = "2"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HTTP_REASONS = {400: "JSON_INVALID", 404: "ROUTE_NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


class Problem(BaseModel):
    """An error, by RFC 9457, with a `reason` for programs and a `detail` for people."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Gone"])
    status: int = Field(examples=[410])
    detail: str = Field(examples=["the audio was erased: a participant refused"])
    reason: str = Field(examples=["AUDIO_DELETED"])


def may_fail(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documents problem responses in OpenAPI; to be given to a route as `responses`."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def status_of(error: ServiceError) -> int:
    """The HTTP status that an error amounts to."""
    of_kind = (STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    return STATUSES_BY_REASON.get(error.reason) or next(of_kind, 500)


def problem(status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One problem as a response."""
    body = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, reason=reason)
    every = {"Cache-Control": "no-store", **(headers or {})}
    if status in (429, 503):
        every.setdefault("Retry-After", _RETRY_AFTER)
    if status == 401:
        every["WWW-Authenticate"] = "Whereby-Signature" if reason.startswith("SIGNATURE") else "Bearer"
    return JSONResponse(body.model_dump(), status, every, media_type="application/problem+json")


def problem_of(error: ServiceError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """What the outside sees of a service's error."""
    status = status_of(error)
    # A reason that is a bare gRPC status comes from the transport, not from a service that speaks to people.
    foreign = error.reason in grpc.StatusCode.__members__
    detail = _SENTENCES.get(status, HTTPStatus(status).phrase) if foreign else error.message
    if isinstance(error, TooManyRequests):
        headers = {**(headers or {}), "Retry-After": str(error.seconds)}
    return problem(status, error.reason, detail, headers)


def install(app: FastAPI) -> None:
    """Make the app answer every error it knows of with a problem."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(WebSocketRequestValidationError, _on_impossible_socket)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.router.default = _no_route


async def _no_route(_scope: Scope, _receive: Receive, _send: Send) -> None:
    # Starlette's own closes a WebSocket without a word.
    raise HTTPException(404)


async def _on_service_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return problem_of(error)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    reason = _HTTP_REASONS.get(error.status_code, HTTPStatus(error.status_code).name)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, reason, str(error.detail), headers)


def _allowed(request: Request) -> str:
    """Every method that the address takes: Starlette names those of the first route that fits."""
    methods = [method for method in _METHODS if _fits(request.app, {**request.scope, "method": method})]
    return ", ".join(methods)


def _fits(app: FastAPI, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


async def _on_impossible_socket(_socket: Request, _error: Exception) -> JSONResponse:
    return _impossible()


def _impossible() -> JSONResponse:
    return problem(404, "NOT_FOUND", "no such thing: that cannot be the name or id of one")


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return _impossible()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(400, "JSON_INVALID", "the body is not JSON")
    # What was sent is left out: it may be long, or somebody's secret.
    detail = "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:10])
    return problem(422, "REQUEST_INVALID", detail)
