"""Clients that ask for much and take nothing of it: what they cost the gateway is bounded, in memory and in time."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
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
