"""Requests on one connection: what honest clients send in one go is served, and the others are let go of in time."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import heads
from gateway.server import HttpServer
from tests.eventually import eventually
from tests.gateway.conftest import Stack
from tests.gateway.test_slow_clients import connected

ASK = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
LARGE = 16 * 1024 * 1024


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The first line of the next response, which is read as a whole."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length"):
                await reader.readexactly(int(line.split(b":")[1]))
    return head.split(b"\r\n")[0]


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the connection does."""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            await reader.read()


async def test_a_connection_takes_as_much_as_it_likes_one_large_request_after_the_other(stack: Stack) -> None:
    head = b"POST /v1/rooms HTTP/1.1\r\nHost: here\r\nContent-Length: 65536\r\nX-Long: " + b"x" * 64_000 + b"\r\n\r\n"
    async with connected(stack) as (reader, writer):
        for _ in range(20):
            writer.write(head + b" " * 65_536)
            assert (await answered(reader)).startswith(b"HTTP/1.1 401")


async def test_a_few_requests_in_one_go_are_answered_in_turn(stack: Stack) -> None:
    async with connected(stack) as (reader, writer):
        for _ in range(20):
            writer.write(ASK * heads.MOST_OPEN)
            for _ in range(heads.MOST_OPEN):
                assert (await answered(reader)).startswith(b"HTTP/1.1 200")


async def test_whoever_waits_to_be_asked_for_the_body_is_asked(stack: Stack) -> None:
    async with connected(stack) as (reader, writer):
        for _ in range(3):
            writer.write(b"POST /v1/rooms HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (await answered(reader)).startswith(b"HTTP/1.1 100")
            writer.write(b"{}")
            assert (await answered(reader)).startswith(b"HTTP/1.1 401")


async def test_a_body_that_is_refused_may_still_come_and_the_connection_goes_on(stack: Stack) -> None:
    async with connected(stack) as (reader, writer):
        writer.write(b"POST /v1/rooms HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 413")
        writer.write(b" " * 100_000 + ASK)
        assert (await answered(reader)).startswith(b"HTTP/1.1 200")


async def test_a_body_that_trickles_after_its_refusal_is_not_waited_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", 0.5)
    async with connected(stack) as (reader, writer):
        writer.write(b"POST /v1/rooms HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n")
        assert (await answered(reader)).startswith(b"HTTP/1.1 413")
        gone = asyncio.create_task(ended(reader))
        while not gone.done():
            writer.write(b" ")
            await asyncio.wait([gone], timeout=0.1)
        await gone


class Large:
    """Answers with more than a kernel keeps for a client that takes nothing, in so many parts."""

    def __init__(self, parts: int) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = b" " * (LARGE // self._parts)
        for number in range(1, self._parts + 1):
            await send({"type": "http.response.body", "body": body, "more_body": number < self._parts})


@asynccontextmanager
async def asking(app: ASGIApp) -> AsyncIterator[tuple[HttpServer, asyncio.StreamReader]]:
    """Somebody who has asked `app`, and of the answer takes only what is read."""
    async with HttpServer(app, "127.0.0.1:0") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4096)
        writer.write(ASK)
        try:
            yield server, reader
        finally:
            writer.transport.abort()


@pytest.mark.parametrize(("limit", "parts"), [("TAKE_SECONDS", 1), ("PAUSE_SECONDS", 256)])
async def test_an_answer_of_which_nobody_takes_anything_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, limit: str, parts: int
) -> None:
    monkeypatch.setattr(heads, limit, 0.5)
    async with asking(Large(parts)) as (server, reader):
        await reader.readexactly(1)
        connections = server._server.server_state.connections

        async def is_let_go_of() -> bool:
            return not connections

        await eventually(is_let_go_of, within=20)
        with suppress(ConnectionError):
            assert len(await reader.read()) < LARGE


@pytest.mark.parametrize("parts", [1, 256])
async def test_an_answer_that_is_taken_slowly_is_taken_whole(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    monkeypatch.setattr(heads, "TAKE_SECONDS", 1.0)
    monkeypatch.setattr(heads, "PAUSE_SECONDS", 1.0)
    async with asking(Large(parts)) as (_, reader):
        for _ in range(16):
            await reader.readexactly(LARGE // 16)
            await asyncio.sleep(0.15)


async def test_an_idle_connection_keeps_nothing_of_what_was_asked() -> None:
    async with asking(Large(1)) as (server, reader):
        while not (await reader.read(LARGE)).endswith(b"\r\n0\r\n\r\n"):
            pass
        connection = next(iter(server._server.server_state.connections))
        assert [vars(connection)[name] for name in ("scope", "headers", "cycle")] == [None] * 3


async def test_a_body_does_not_wait_until_its_head_was_received() -> None:
    async with asking(Large(1)) as (server, reader):
        await reader.readexactly(1)
        connection = next(iter(server._server.server_state.connections))
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def leave_before_all_is_answered() -> None:
    """Ask three times in one go, and be gone before the first answer."""
    began, may_go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await may_go_on.wait()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})
        finally:
            over.set()

    async with HttpServer(app, "127.0.0.1:0") as server, asyncio.timeout(20):
        connections = server._server.server_state.connections
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASK * 3)
        await began.wait()
        # The kernel tells of it only when it likes.
        next(iter(connections)).transport.abort()

        async def is_gone() -> bool:
            return not connections

        await eventually(is_gone, within=20)
        may_go_on.set()
        await over.wait()
        writer.close()


async def test_who_leaves_before_all_is_answered_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    # As in production: writing to a connection that is gone raises there.
    await asyncio.to_thread(uvloop.run, leave_before_all_is_answered())
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "sent",
    [
        (b"POST", b"Content-Length: 2\r\n", b"{}"),
        (b"POST", b"", b""),
        (b"GET", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"GET", b"Content-Length: 2\r\n", b"{}"),
    ],
)
async def test_what_cannot_begin_a_websocket_is_told_so(stack: Stack, sent: tuple[bytes, bytes, bytes]) -> None:
    method, length, body = sent
    handshake = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    handshake += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    async with connected(stack) as (reader, writer):
        writer.write(method + b" /v1/meetings/1/events HTTP/1.1\r\nHost: here\r\n" + handshake + length)
        writer.write(b"\r\n" + body)
        assert (await answered(reader)).startswith(b"HTTP/1.1 400")
