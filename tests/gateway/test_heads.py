"""Requests on one connection: what honest clients send in one go is served, and the others are let go of in time."""

import asyncio
from contextlib import suppress

import pytest

from gateway import heads
from tests.gateway.conftest import Stack
from tests.gateway.test_slow_clients import connected

ASK = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
KIBIBYTE = 1024


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
