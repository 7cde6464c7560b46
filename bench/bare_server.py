"""What the bench's own servers share that must cost next to nothing: connections, requests, replies, a main."""

import asyncio
import sys
from abc import ABC, abstractmethod
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class


class HttpConnection(Connection, ABC):
    """One client's connection that speaks as much of HTTP as is needed: each request is answered by one `reply`."""

    _read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        if separator and len(body) >= int(headers.get(b"content-length", 0)):
            self._read = b""
            self.answer(first.split(b" ", 2)[1].decode(), headers, body)

    @abstractmethod
    def answer(self, target: str, headers: dict[bytes, bytes], body: bytes) -> None:
        """Answer a request to this path and query; names and values of headers are in small letters."""

    def reply(self, body: bytes, content_type: bytes) -> None:
        """Send a 200."""
        if not self.transport.is_closing():  # whoever asked may have been stopped
            self.transport.write(_HEAD % (content_type, len(body)) + body)


def serve(connection: type[asyncio.Protocol]) -> None:
    """Serve on 127.0.0.1, on the port that the command line names, until ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", int(sys.argv[1]))
        await server.serve_forever()

    uvloop.run(run())
