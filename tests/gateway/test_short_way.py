"""The short way of an answer: what is unusual about a request is left to the routes, and nobody waits for ever."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Stack, bearer

BODY = json.dumps({"consent_given": True}).encode()


async def answered_once(stack: Stack, room: str) -> tuple[str, str]:
    """Somebody whose token is known since their first answer: the meeting, and the token."""
    opened = await stack.opened(room)
    meeting_id, token = opened["meeting"]["id"], opened["participant"]["token"]
    first = await answer(stack, meeting_id, token)
    assert (first.status_code, first.json()["revision"]) == (200, 1)
    return meeting_id, token


async def answer(stack: Stack, meeting_id: str, token: str) -> httpx.Response:
    path = f"/v1/meetings/{meeting_id}/consent"
    return await stack.http.post(path, json={"consent_given": True}, headers=bearer(token))


@pytest.mark.parametrize(("came", "waiting"), [(0, "short_way"), (5, "doorway")])
async def test_a_body_that_does_not_come_is_not_waited_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, came: int, waiting: str
) -> None:
    meeting_id, token = await answered_once(stack, f"slow-{came}")
    monkeypatch.setattr(f"gateway.{waiting}.BODY_SECONDS", 0.1)
    address = httpx.URL(stack.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(head(meeting_id, token) + BODY[:came])
        async with asyncio.timeout(5):
            [status, *headers] = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            problem = json.loads(await reader.readuntil(b"}"))
        assert (status.split()[1], problem["reason"]) == (b"408", "BODY_TOO_SLOW")
        told = {line.split(b":")[0] for line in headers}
        assert {b"x-request-id", b"content-security-policy", b"cache-control", b"content-length"} <= told
        writer.write(BODY[came:])  # too late
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()
    assert (await answer(stack, meeting_id, token)).json()["revision"] == 2


def head(meeting_id: str, token: str) -> bytes:
    """Of a request that is as our pages send it."""
    lines = [
        f"POST /v1/meetings/{meeting_id}/consent HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("name", "before", "status"),
    [
        ("Authorization", "Bearer of-nobody", 401),
        ("Idempotency-Key", "two words", 422),
        ("Content-Type", "text/plain", 422),
    ],
)
async def test_c4_of_a_header_that_comes_twice_the_good_one_is_not_picked(
    stack: Stack, name: str, before: str, status: int
) -> None:
    meeting_id, token = await answered_once(stack, f"twice-{name.lower()}")
    good = {**bearer(token), "Idempotency-Key": "press-2", "Content-Type": "application/json"}
    sent: dict[str, Any] = {"content": BODY, "headers": [(name, before), *good.items()]}
    path = f"{stack.url}/v1/meetings/{meeting_id}/consent"
    reply = await stack.http.post(path, **sent)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stack.app.long_way)) as routes:
        said = await routes.post(path, **sent)
    assert (reply.status_code, reply.json()) == (said.status_code, said.json())
    assert reply.status_code == status
    assert len(stack.backend.answers[meeting_id]) == 1
