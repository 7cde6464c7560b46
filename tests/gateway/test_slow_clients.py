"""Clients that are slow, or send far too much: nobody else notices, and they are let go of."""

import asyncio
import gzip
import json
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway import heads
from tests.gateway.conftest import Stack, bearer

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

SLOW, ANSWERS = 500, 200
MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Connection]:
    host, _, port = stack.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a head that never ends, a letter now and then, until the connection does."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\nX-Long: ")
    ended = asyncio.create_task(reader.read())
    while not ended.done():
        writer.write(b"x")
        await asyncio.wait([ended], timeout=0.5)
    with suppress(ConnectionError):
        assert await ended == b""


async def test_five_hundred_whose_heads_never_end_hold_nobody_up_and_are_let_go_of(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 6.0)
    # Both ends of every connection lie in this process.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    people = [await stack.opened("besieged") for _ in range(4)]
    async with AsyncExitStack() as siege:
        slow = [await siege.enter_async_context(connected(stack)) for _ in range(SLOW)]
        dawdling = [asyncio.create_task(dawdle(*connection)) for connection in slow]
        took = []
        for number in range(ANSWERS):
            one, began = people[number % len(people)], time.perf_counter()
            path = f"/v1/meetings/{one['meeting']['id']}/consent"
            answer = {"consent_given": number % 2 == 0}
            reply = await stack.http.post(path, json=answer, headers=bearer(one["participant"]["token"]))
            took.append(time.perf_counter() - began)
            assert reply.status_code == 200
        assert sorted(took)[int(0.99 * ANSWERS)] < 1.0
        async with asyncio.timeout(60):
            await asyncio.gather(*dawdling)


async def test_a_head_without_bounds_is_refused(stack: Stack) -> None:
    async with connected(stack) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n")
        with suppress(ConnectionError):
            for number in range(10_000):
                writer.write(b"X-%d: %b\r\n" % (number, b"x" * 1000))
                await writer.drain()
        with suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")


async def test_whoever_keeps_a_connection_may_ask_again_and_again(stack: Stack) -> None:
    async with connected(stack) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))


async def test_a_body_of_a_gibibyte_costs_no_memory(stack: Stack) -> None:
    opened = await stack.opened("flooded")
    path = f"/v1/meetings/{opened['meeting']['id']}/consent"
    before = _resident()
    announced = {"Content-Length": str(1024 * MEBIBYTE), "Content-Type": "application/json"}
    for headers in (announced, {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}):
        async with connected(stack) as (reader, writer):
            every = {**headers, **bearer(opened["participant"]["token"]), "Host": "here"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in every.items())
            writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
            assert (await _sent_far_too_much(reader, writer)).startswith(b"HTTP/1.1 413")
    assert _resident() - before < 50 * MEBIBYTE


async def _sent_far_too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first line of what is answered; all the rest that is sent nobody takes."""
    part = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    writer.write(part * 2)
    answered = await reader.readline()
    with pytest.raises(ConnectionError):
        await _sent(writer, part, 100 * 16)
    return answered


async def _sent(writer: asyncio.StreamWriter, part: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(part)
        await writer.drain()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(b" " * 20 * MEBIBYTE), {"Content-Encoding": "gzip"}),
        (b"[" * 60_000, {}),
        (b'{"consent_given":' * 3_500 + b"true" + b"}" * 3_500, {}),
        (b'{"consent_given": true, "x": "' + b"\\u0041" * 10_000 + b'"}', {}),
    ],
    ids=["gzip", "deep list", "deep object", "escapes"],
)
async def test_what_unfolds_when_read_is_refused_or_read_as_it_is(
    stack: Stack, body: bytes, headers: dict[str, str]
) -> None:
    opened, before = await stack.opened("folded"), _resident()
    every = {"Content-Type": "application/json", **headers, **bearer(opened["participant"]["token"])}
    for _ in range(20):
        reply = await stack.http.post(f"/v1/meetings/{opened['meeting']['id']}/consent", content=body, headers=every)
        assert reply.status_code in (200, 400, 422)
        assert reply.status_code == 200 or json.loads(reply.text)["reason"] in {"JSON_INVALID", "REQUEST_INVALID"}
    assert _resident() - before < 50 * MEBIBYTE


def _resident() -> int:
    """Bytes that this process, and so the gateway in it, holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
