"""Clients that ask for much and take nothing of it: what they cost the gateway is bounded, in memory and in time."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from assent.transcript.v1 import transcript_pb2

from gateway.settings import Settings
from tests.eventually import eventually
from tests.gateway.conftest import Stack
from tests.gateway.test_process import STARTS, environment, free_port, readiness, running

MEBIBYTE = 1024 * 1024
LISTENERS, LARGE = 20, 20 * MEBIBYTE


@dataclass(frozen=True)
class Process:
    """A gateway of its own, so that its memory is all the gateway's."""

    port: int
    pid: int

    def resident(self) -> int:
        """Bytes that it holds in memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Process]:
    port = free_port()
    async with running(environment(settings, port)) as process:

        async def is_ready() -> bool:
            answer = await readiness(f"http://127.0.0.1:{port}")
            return answer is not None and answer.status_code == 200

        await eventually(is_ready, within=STARTS)
        yield Process(port, process.pid)


@pytest.fixture(scope="module")
async def gateway(stack: Stack, settings: Settings) -> AsyncIterator[Process]:
    async with started(settings) as process:
        yield process


@contextmanager
def narrow(port: int) -> Iterator[socket.socket]:
    """A connection that takes hardly anything unless it is read."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", port))
        line.setblocking(False)
        yield line


async def test_audio_that_nobody_takes_stays_where_it_is(stack: Stack, gateway: Process, transcript: str) -> None:
    stack.backend.transcripts[transcript].status = transcript_pb2.TRANSCRIPT_STATUS_COMPLETED
    stack.backend.audio[transcript] = bytes(LARGE)
    held, left, loop = gateway.resident(), stack.backend.streamed, asyncio.get_running_loop()
    head = f"GET /v1/transcripts/{transcript}/audio/mp3 HTTP/1.1\r\nHost: here\r\n"
    head += f"Authorization: {stack.owner()['Authorization']}\r\n\r\n"
    with ExitStack() as listening:
        lines = [listening.enter_context(narrow(gateway.port)) for _ in range(LISTENERS)]
        for line in lines:
            await loop.sock_sendall(line, head.encode())
        for line in lines:
            assert (await loop.sock_recv(line, 1024)).startswith(b"HTTP/1.1 200")
        seen = left

        async def nothing_more_leaves() -> bool:
            nonlocal seen
            before, seen = seen, stack.backend.streamed
            return seen == before

        await eventually(nothing_more_leaves, every=0.5)
        assert seen - left < LISTENERS * 2 * MEBIBYTE
        assert gateway.resident() - held < 60 * MEBIBYTE


def chunked(path: bytes) -> bytes:
    """The head of a request whose body may be of any length."""
    return b"POST " + path + b" HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


WITHOUT_END = {
    "trailers": (chunked(b"/v1/rooms") + b"0\r\n", b"a: " + b"x" * 50 + b"\r\n"),
    "short trailers": (chunked(b"/healthz") + b"0\r\n", b"a:\r\n"),
    "one trailer": (chunked(b"/v1/rooms") + b"0\r\na: ", b"x"),
    "chunk extension": (chunked(b"/v1/rooms") + b"5;", b"x"),
    "body after its refusal": (b"POST /v1/rooms HTTP/1.1\r\nHost: here\r\nContent-Length: 100000000000\r\n\r\n", b"x"),
    "short headers": (b"GET /healthz HTTP/1.1\r\nHost: here\r\n", b"a:\r\n"),
}


@pytest.mark.parametrize("name", WITHOUT_END)
async def test_no_part_of_a_request_is_without_bounds(gateway: Process, name: str) -> None:
    head, unit = WITHOUT_END[name]
    held, part = gateway.resident(), unit * (100_000 // len(unit))
    with narrow(gateway.port) as line:
        await _sent(line, head, 1)
        with pytest.raises(ConnectionError):
            await _sent(line, part, 64 * MEBIBYTE // len(part))
    assert gateway.resident() - held < 20 * MEBIBYTE


async def test_whoever_asks_and_asks_and_reads_nothing_is_not_heard_out(gateway: Process) -> None:
    held = gateway.resident()
    requests = b"GET /v1/session HTTP/1.1\r\nHost: here\r\n\r\n" * 3000
    with ExitStack() as asking:
        lines = [asking.enter_context(narrow(gateway.port)) for _ in range(20)]
        for line in lines:
            with suppress(ConnectionError):
                await _sent(line, requests, 1)
        async with asyncio.timeout(20):
            for line in lines:
                await _ended(line)
    assert gateway.resident() - held < 20 * MEBIBYTE


async def _ended(line: socket.socket) -> None:
    with suppress(ConnectionError):
        while await asyncio.get_running_loop().sock_recv(line, 65_536):
            pass


async def _sent(line: socket.socket, part: bytes, times: int) -> None:
    async with asyncio.timeout(10):
        for _ in range(times):
            await asyncio.get_running_loop().sock_sendall(line, part)


async def test_pings_whose_answers_nobody_takes_end_the_connection(stack: Stack, gateway: Process) -> None:
    opened = await stack.opened("pinged")
    head = f"GET /v1/meetings/{opened['meeting']['id']}/events HTTP/1.1\r\nHost: here\r\n"
    head += f"Authorization: Bearer {opened['participant']['token']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ping = bytes([0x89, 0x80 | 125]) + bytes(4) + b"x" * 125
    held = gateway.resident()
    with narrow(gateway.port) as line:
        await _sent(line, head.encode(), 1)
        assert (await asyncio.get_running_loop().sock_recv(line, 1024)).startswith(b"HTTP/1.1 101")
        with pytest.raises(ConnectionError):
            await _sent(line, ping * 1000, 32 * MEBIBYTE // len(ping * 1000))
    assert gateway.resident() - held < 20 * MEBIBYTE
