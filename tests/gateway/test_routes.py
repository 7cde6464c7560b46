"""What is asked of the front door whatever the route: errors as problems, bounds, ids, figures, the description."""

import json
from typing import Any
from unittest.mock import AsyncMock

import pytest

from chassis import errors
from gateway.problems import STATUSES
from tests.gateway.conftest import Stack

PROBLEM = {"type", "title", "status", "detail", "reason"}


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/v1/rooms/", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/v1", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/No_Room", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/static/nothing.js", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/static/../app.py", 404, "ROUTE_NOT_FOUND"),
        ("PUT", "/v1/rooms", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/whereby", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/rooms", 401, "TOKEN_MISSING"),
        ("POST", "/v1/rooms/Not%00A%20Name/meeting", 404, "NOT_FOUND"),
        ("POST", "/v1/rooms/no-such-room/meeting", 404, "ROOM_NOT_FOUND"),
    ],
)
async def test_every_error_is_a_problem(stack: Stack, method: str, path: str, status: int, reason: str) -> None:
    reply = await stack.http.request(method, path)
    assert (reply.status_code, reply.json()["reason"]) == (status, reason)
    assert reply.json().keys() == PROBLEM
    assert reply.json()["status"] == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"]
    assert reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/rooms", "GET, POST"),
        ("POST", "/v1/rooms/weekly", "GET, PATCH, DELETE"),
        ("DELETE", "/v1/transcripts/t1/audio/mp3", "GET, HEAD"),
        ("GET", "/v1/whereby", "POST"),
        ("POST", "/weekly", "GET, HEAD"),
        ("POST", "/static/style.css", "GET, HEAD"),
        ("OPTIONS", "/v1/meetings/4711/consent", "GET, POST"),
    ],
)
async def test_a_method_that_is_not_taken_names_those_that_are(
    stack: Stack, method: str, path: str, allowed: str
) -> None:
    reply = await stack.http.request(method, path)
    assert (reply.status_code, reply.json()["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == allowed


async def test_whatever_is_to_be_tried_again_says_when(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, status in ((errors.Unavailable, 503), (errors.DeadlineExceeded, 503), (errors.ResourceExhausted, 429)):
        refused = AsyncMock(side_effect=kind("no", reason=kind.code.name))
        monkeypatch.setattr(stack.app.state.parts.meetings, "ListRooms", refused)
        reply = await stack.http.get("/v1/rooms", headers=stack.owner())
        assert (reply.status_code, reply.headers["retry-after"]) == (status, "2")


def test_every_error_of_the_services_has_its_status() -> None:
    kinds = set(errors.ServiceError.__subclasses__())
    assert kinds == STATUSES.keys()


async def test_what_we_did_not_foresee_is_a_problem_without_our_insides(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(stack.app.state.parts.meetings, "ListRooms", broken)
    reply = await stack.http.get("/v1/rooms", headers=stack.owner())
    assert (reply.status_code, reply.json()["reason"]) == (500, "INTERNAL")
    assert "hunter2" not in reply.text
    assert reply.headers["x-request-id"]


async def test_a_large_body_is_refused_before_it_is_read(stack: Stack) -> None:
    for content in (b"x" * (64 * 1024 + 1), _without_length()):
        reply = await stack.http.post("/v1/whereby", content=content)
        assert (reply.status_code, reply.json()["reason"]) == (413, "BODY_TOO_LARGE")
    fits = await stack.http.post("/v1/whereby", content=b"x" * (64 * 1024))
    assert fits.status_code == 401


async def _without_length() -> Any:
    for _ in range(70):
        yield b"x" * 1024


async def test_request_ids_come_back(stack: Stack) -> None:
    assert (await stack.http.get("/healthz", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    odd = (await stack.http.get("/healthz", headers={"X-Request-Id": "a b\t<script>"})).headers["x-request-id"]
    assert len(odd) == 32


async def test_openapi_names_every_route_and_its_problems(stack: Stack) -> None:
    described = (await stack.http.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert {
        "/v1/rooms",
        "/v1/rooms/{room_name}/meeting",
        "/v1/meetings/{meeting_id}/consent",
        "/v1/whereby",
        "/v1/recordings/{recording_id}/certificate",
        "/v1/transcripts/{transcript_id}/audio/mp3",
    } <= described["paths"].keys()
    assert "HTTPValidationError" not in json.dumps(described)
    answer = described["paths"]["/v1/meetings/{meeting_id}/consent"]["post"]["responses"]
    assert answer["503"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    assert set(described["components"]["schemas"]["Problem"]["required"]) == PROBLEM
    changes = described["components"]["schemas"]["RoomChanges"]["properties"]
    assert not any("default" in one for one in changes.values())


async def test_metrics_count_by_route_and_status(stack: Stack) -> None:
    await stack.http.get("/v1/meetings/secret-id")
    counted = (await stack.http.get("/metrics")).text
    assert 'assent_gateway_requests_total{method="GET",route="/v1/meetings/{meeting_id}",status="401"}' in counted
    assert "secret-id" not in counted


async def test_the_door_names_what_is_missing(stack: Stack) -> None:
    ready = await stack.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "missing": []})
    assert "retry-after" not in ready.headers
