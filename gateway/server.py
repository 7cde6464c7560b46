"""Serves the application over HTTP and WebSockets, and ends gracefully."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import structlog
import uvicorn
from starlette.types import ASGIApp

from chassis.server import signalled
from gateway.doorway import CutOff
from gateway.frames import FramesProtocol
from gateway.heads import HeadsProtocol

log = structlog.get_logger()

_GRACE = 10
_UNSENT_BYTES = 128 * 1024
_PING_SECONDS = 20.0
# Longer than proxies keep a line to us (most: 60 s): what a proxy sends over one that we are just ending is lost.
_IDLE_SECONDS = 75


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are for `signalled` alone: what stands behind us ends after the last request, never before it.
        yield


class HttpServer:
    """Listens on `host:port` while it is entered; port 0 picks a free one.

    `trusted_proxies` are addresses or networks, separated by commas, that may say for whom they ask.
    """

    def __init__(self, app: ASGIApp, listen: str, trusted_proxies: str = "") -> None:
        host, _, port = listen.rpartition(":")
        self._socket = socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=2048)
        # Connections inherit it. The kernel would take four megabytes for a slow reader: audio that may be erased
        # before it is heard.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
        # asyncio's own loop sets it on no socket of others' making: a body would wait 40 ms for its head's receipt.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                loop="none",
                http=HeadsProtocol,
                # Compresses nothing: that alone would take a third of a fan-out's time.
                ws=FramesProtocol,
                ws_per_message_deflate=False,
                ws_max_size=4096,
                ws_ping_interval=_PING_SECONDS,
                ws_ping_timeout=_PING_SECONDS,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever else says X-Forwarded-For could be anybody they like.
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=trusted_proxies,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        logging.getLogger("uvicorn.error").addFilter(_is_news)

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        log.info("http_started", port=self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._serving is not None
        self._server.should_exit = True
        await self._serving
        log.info("http_stopped")

    async def run_until_signalled(self) -> None:
        """Serve until SIGTERM or SIGINT, then let requests in flight finish (10 s at most)."""
        async with self:
            await signalled()


def _is_news(record: logging.LogRecord) -> bool:
    # uvicorn must see the error to break the connection, and would write down all that it came through.
    return not (record.exc_info and isinstance(record.exc_info[1], CutOff))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
