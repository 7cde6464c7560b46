"""HTTP from clients that are slow on purpose, send without end or take nothing: each costs bounded memory and time."""

import asyncio
from collections import deque
from typing import Any

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 10.0
REST_SECONDS = 10.0
"""How long the rest of a request may take that is answered already."""
TAKE_SECONDS = 30.0
"""How long a client may take nothing of an answer."""
PAUSE_SECONDS = 300.0
"""The same while the answer is still being made: a player of audio reads megabytes ahead, and then nothing."""
LARGEST_HEAD = 64 * 1024
LARGEST_REQUEST = 4 * LARGEST_HEAD
"""Bytes of head, body and trailers as they are sent, together with the requests that wait behind."""
MOST_HEADERS = 256
"""Lines of head and trailers: a short one takes fifty times its length in memory."""
MOST_OPEN = 16
"""Requests on one connection that are not answered yet."""
_BODY = {b"content-length", b"transfer-encoding"}


class HeadsProtocol(HttpToolsProtocol):
    """uvicorn's, which by itself waits for ever for what does not come, and takes whatever is sent."""

    _waiting: asyncio.TimerHandle | None = None
    _ending: asyncio.TimerHandle | None = None
    _watching: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    _head_bytes = 0
    _bytes = 0
    _is_coming = False

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # After how many bytes of this connection each request began that is not yet here as a whole and answered.
        self._open: deque[int] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client is there, and shall say something."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timers()
        if self._running:
            self.cycle = self._running  # uvicorn would tell it to the last of those that wait instead
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several."""
        super().data_received(data)
        self._bytes += len(data)
        if self._open and self._bytes - self._open[0] > LARGEST_REQUEST:
            self.transport.abort()
        elif self._waiting:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.send_400_response(f"send at most {LARGEST_HEAD} bytes of headers")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_coming = True
        self._open.append(self._bytes)
        if len(self._open) > MOST_OPEN:
            self.transport.abort()
            raise ValueError("too many requests at once")  # which ends the parsing
        if not self._waiting:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of its head, or after its body."""
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS:
            raise ValueError("too many headers")  # a 400 to the client

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is there."""
        super().on_message_complete()
        self._is_coming = False
        if self.cycle and self.cycle.response_complete:
            self._finish()

    def on_response_complete(self) -> None:
        """The first request that is open is answered, though not always taken or even sent as a whole."""
        if self._is_coming and len(self._open) == 1:
            self._ending = self.loop.call_later(REST_SECONDS, self.transport.abort)
        else:
            self._finish()
        self._watch()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """It takes it after all."""
        super().resume_writing()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and end."""
        super().send_400_response(msg)
        self._watch()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to another protocol, where it can begin."""
        self._stop_timers()
        if self.scope["method"] != "GET" or _BODY & {name for name, _ in self.headers}:
            self.send_400_response("a WebSocket begins with GET, and without a body")
            return
        super().handle_websocket_upgrade()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._running = cycle
        self._watch()
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]

    def _finish(self) -> None:
        self._open.popleft()
        if self._ending:
            self._ending.cancel()
            self._ending = None
        if not self._open:  # an idle connection would keep up to 64 KiB of what was asked last
            self.scope = self.headers = self.cycle = self._running = None  # type: ignore[assignment]

    def _watch(self) -> None:
        """Look again whether something was taken of what is to be sent now."""
        if self._watching:
            self._watching.cancel()
            self._watching = None
        if unsent := self.transport.get_write_buffer_size():
            is_made = not self._running or self._running.response_complete or not self._running.response_started
            seconds = TAKE_SECONDS if is_made else PAUSE_SECONDS
            self._watching = self.loop.call_later(seconds, self._look, unsent)

    def _look(self, unsent: int) -> None:
        if self.transport.get_write_buffer_size() < unsent:
            self._watch()
        else:
            self.transport.abort()  # closing would wait for the client

    def _wait(self) -> None:
        self._head_bytes = 0
        # Whoever was too slow for a head is too slow for a response.
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._read_last)

    def _read_last(self) -> None:
        # A loop that was held up fires its timers before it reads what has arrived meanwhile: that counts.
        self._waiting = self.loop.call_later(0.01, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _stop_timers(self) -> None:
        self._stop_waiting()
        for timer in (self._ending, self._watching):
            if timer:
                timer.cancel()
