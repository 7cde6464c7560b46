"""A WebSocket message that many are sent: made into a frame once, and written to each connection without waiting.

For one listener of a thousand uvicorn's own way, a coroutine that makes the frame anew, costs more than the write.
"""

from collections.abc import Callable
from typing import Any

from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

WriteFrame = Callable[[bytes], bool]
"""Writes a frame at once; False where it must wait, or there is nobody any more: then `send` is the way."""

_EXTENSION = "assent.frames"


def text_frame(text: str) -> bytes:
    """A text message as it goes to a client: whole, and not compressed."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def writer_of(scope: Scope) -> WriteFrame | None:
    """How frames are written to this connection; None where another server than ours serves it."""
    extension: dict[str, Any] = scope.get("extensions", {}).get(_EXTENSION, {})
    return extension.get("write")


class FramesProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, which also lets the application write frames of its own between those that it sends."""

    _is_full = False

    def data_received(self, data: bytes) -> None:
        """The handshake, or what a client sends after it."""
        super().data_received(data)
        if self.conn.handshake_exc and not self.handshake_initiated:
            # A line of 8 KiB, or too many: uvicorn would neither send the refusal nor ever close the connection.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """What the application sends."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # a refusal is an answer too, of which uvicorn would log that there was none

    def handle_connect(self, event: Request) -> None:
        """Begin to serve a client."""
        super().handle_connect(event)
        if not self.close_sent:  # what is no handshake of a WebSocket is answered already
            self.scope["extensions"][_EXTENSION] = {"write": self._write}

    def handle_ping(self) -> None:
        """Answer a client that asks whether we are there, unless it takes no answers: they would pile up."""
        if self._is_full:
            self.transport.abort()
        else:
            super().handle_ping()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._is_full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_full = False
        super().resume_writing()

    def _write(self, frame: bytes) -> bool:
        # Done a thousand times for an event, so it looks at as little as it may: whoever was let in and has not been
        # sent a close is there until the connection ends.
        if self._is_full or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True
