"""A queue that costs next to nothing, so that what receives from it is measured and not the queue.

`python -m bench.queue_stub PORT`. It speaks as much of SQS as intake needs; `POST /fill` takes a list of bodies.
"""

import asyncio
import json
from collections import deque
from typing import Any, ClassVar

from bench.bare_server import HttpConnection, serve

_EMPTY_SECONDS = 0.05
"""How long it keeps whoever asks while there is nothing."""


class _Queue(HttpConnection):
    waiting: ClassVar[deque[str]] = deque()
    in_flight: ClassVar[dict[str, str]] = {}
    handed_out = 0

    def answer(self, target: str, headers: dict[bytes, bytes], body: bytes) -> None:
        action = headers.get(b"x-amz-target", b"").decode() or target
        asked = json.loads(body or b"{}")
        match action.rpartition(".")[2].lower():
            case "/fill":
                self.waiting.extend(asked)
                self._say({})
            case "/left":
                self._say({"left": len(self.waiting) + len(self.in_flight)})
            case "receivemessage" if not self.waiting:
                asyncio.get_running_loop().call_later(_EMPTY_SECONDS, self._say, {})
            case "receivemessage":
                self._say({"Messages": [self._hand_out() for _ in range(min(10, len(self.waiting)))]})
            case "deletemessagebatch":
                for one in asked["Entries"]:
                    self.in_flight.pop(one["ReceiptHandle"], None)
                self._say({"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []})
            case _:
                self._say({"Successful": [], "Failed": []})

    def _hand_out(self) -> dict[str, str]:
        _Queue.handed_out += 1
        receipt, body = str(self.handed_out), self.waiting.popleft()
        self.in_flight[receipt] = body
        return {"MessageId": receipt, "ReceiptHandle": receipt, "Body": body}

    def _say(self, reply: dict[str, Any]) -> None:
        self.reply(json.dumps(reply).encode(), b"application/x-amz-json-1.0")


if __name__ == "__main__":
    serve(_Queue)
