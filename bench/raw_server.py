"""The cheapest server that the load client takes for ours: what it costs beside this is the client's own cost.

`python -m bench.raw_server PORT`
"""

import asyncio
import sys
from typing import cast

import uvloop

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 00000000000000000000000000000000\r\n"
    b"x-content-type-options: nosniff\r\nreferrer-policy: strict-origin-when-cross-origin\r\ncontent-length: %d\r\n\r\n"
)
_BODY = (
    b'{"status":"success","consent_id":"00000000-0000-4000-8000-000000000000","consent_given":%b,"revision":%012d,'
    b'"answered_at":"2026-01-31T09:00:00.000000Z"}'
)


class _RawServer(asyncio.Protocol):
    revision = 10**11  # of twelve digits, so that no zeros lead it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        _RawServer.revision += 1
        body = _BODY % (b"true" if b'"consent_given":true' in data else b"false", _RawServer.revision)
        self._transport.write(_HEAD % len(body) + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_RawServer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
