"""A queue that costs next to nothing, so that what receives from it is measured and not the queue.

`python -m bench.queue_stub PORT`. It speaks as much of SQS as intake needs; `POST /fill` takes a list of bodies.
"""

import asyncio
import json
import sys
from collections import deque
from typing import Any, ClassVar, cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n"
_EMPTY_SECONDS = 0.05
"""How long it keeps whoever asks while there is nothing."""


class _Queue(asyncio.Protocol):
    waiting: ClassVar[deque[str]] = deque()
    in_flight: ClassVar[dict[str, str]] = {}
    handed_out = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", 0))
        if separator and len(body) >= length:
            self._read = b""
            target = headers.get(b"x-amz-target", b"").decode() or head.split(b" ", 2)[1].decode()
            self._answer(target.rpartition(".")[2], json.loads(body or b"{}"))

    def _answer(self, target: str, asked: Any) -> None:
        match target.lower():
            case "/fill":
                self.waiting.extend(asked)
                self._reply({})
            case "/left":
                self._reply({"left": len(self.waiting) + len(self.in_flight)})
            case "receivemessage" if not self.waiting:
                asyncio.get_running_loop().call_later(_EMPTY_SECONDS, self._reply, {})
            case "receivemessage":
                self._reply({"Messages": [self._hand_out() for _ in range(min(10, len(self.waiting)))]})
            case "deletemessagebatch":
                for one in asked["Entries"]:
                    self.in_flight.pop(one["ReceiptHandle"], None)
                self._reply({"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []})
            case _:
                self._reply({"Successful": [], "Failed": []})

    def _hand_out(self) -> dict[str, str]:
        _Queue.handed_out += 1
        receipt, body = str(self.handed_out), self.waiting.popleft()
        self.in_flight[receipt] = body
        return {"MessageId": receipt, "ReceiptHandle": receipt, "Body": body}

    def _reply(self, reply: dict[str, Any]) -> None:
        if self._transport.is_closing():
            return  # whoever asked was stopped
        body = json.dumps(reply).encode()
        self._transport.write(_HEAD % len(body) + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Queue, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
