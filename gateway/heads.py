"""HTTP from clients that are slow on purpose: a request's head must be there in time, and is of bounded size."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
LARGEST_HEAD = 64 * 1024


class HeadsProtocol(HttpToolsProtocol):
    """uvicorn's, which by itself waits for a head for ever, and takes one of any size."""

    _waiting: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client is there, and shall say something."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several."""
        super().data_received(data)
        if self._waiting:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.send_400_response(f"send at most {LARGEST_HEAD} bytes of headers")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if not self._waiting:
            self._wait()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._head_bytes = 0
        # Whoever was too slow for a head is too slow for a response.
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._read_last)

    def _read_last(self) -> None:
        # A loop that was held up fires its timers before it reads what has arrived meanwhile: that counts.
        self._waiting = self.loop.call_later(0.01, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
