"""The floor under a fan-out: writes each frame that it is given to everyone who came, and does nothing else.

`python -m bench.fan_out_server PORT`. Whoever sends a frame is a listener, and is sent it back; whoever sends a zero
byte is the source, and gives frames.
"""

import asyncio
from typing import ClassVar

from bench.bare_server import Connection, serve
from bench.listening import end_of_frame

SOURCE = b"\0"


class _FanOut(Connection):
    listeners: ClassVar[list[asyncio.Transport]] = []
    _is_source = False
    _given = b""

    def data_received(self, data: bytes) -> None:
        if not self._is_source and data[:1] != SOURCE:
            self.listeners.append(self.transport)
            self.transport.write(data)
            return
        is_sending = bool(end_of_frame(self._given, 0))
        self._given += data if self._is_source else data[1:]
        self._is_source = True
        if not is_sending:
            self._send_next()

    def _send_next(self) -> None:
        end = end_of_frame(self._given, 0)
        if not end:
            return
        frame, self._given = self._given[:end], self._given[end:]
        for transport in self.listeners:
            transport.write(frame)
        # The loop turns, as it does in the gateway: each frame leaves before the next one is looked at.
        asyncio.get_running_loop().call_soon(self._send_next)


if __name__ == "__main__":
    serve(_FanOut)
