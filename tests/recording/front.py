"""An address that a service is told once, and behind which a test puts one peer after another, or none."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from chassis.channel import Tls


class Front:
    """Passes bytes on to the peer that it has at the moment; connections end when that changes."""

    CLOSES, KEEPS_SILENT = "closes", "keeps silent"

    def __init__(self) -> None:
        self._peer = self.CLOSES
        self._open: set[StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.become(self.CLOSES)
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def become(self, peer: str) -> None:
        """The peer at this address, or a peer that closes every connection, or that says nothing."""
        self._peer = peer
        for writer in self._open:
            writer.close()
        for task in self._serving:
            task.cancel()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        self._open.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._serving.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._peer == self.KEEPS_SILENT:
            await reader.read(-1)
        elif self._peer != self.CLOSES:
            host, port = self._peer.split(":")
            there, back = await asyncio.open_connection(host, int(port))
            self._open.add(back)
            try:
                await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
            finally:
                self._open.discard(back)
                back.close()


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Babbler(grpc.GenericRpcHandler):
    """A gRPC server that answers every call with the same bytes, whatever was asked."""

    def __init__(self, tls: Tls, said: bytes) -> None:
        self._said = said
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_secure_port('127.0.0.1:0', tls.server_credentials())}"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(0)

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        """One handler for all."""

        async def answer(_request: bytes, _context: Any) -> bytes:
            return self._said

        handler: Callable[..., Any] = grpc.unary_unary_rpc_method_handler
        return handler(answer)
