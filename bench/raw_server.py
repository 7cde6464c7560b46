"""The cheapest server that the load client takes for ours: what it costs beside this is the client's own cost.

`python -m bench.raw_server PORT`
"""

from bench.bare_server import Connection, serve

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 00000000000000000000000000000000\r\n"
    b"x-content-type-options: nosniff\r\nreferrer-policy: strict-origin-when-cross-origin\r\ncontent-length: %d\r\n\r\n"
)
_BODY = (
    b'{"status":"success","consent_id":"00000000-0000-4000-8000-000000000000","consent_given":%b,"revision":%012d,'
    b'"answered_at":"2026-01-31T09:00:00.000000Z"}'
)


class _RawServer(Connection):
    revision = 10**11  # of twelve digits, so that no zeros lead it

    def data_received(self, data: bytes) -> None:
        _RawServer.revision += 1
        body = _BODY % (b"true" if b'"consent_given":true' in data else b"false", _RawServer.revision)
        self.transport.write(_HEAD % len(body) + body)


if __name__ == "__main__":
    serve(_RawServer)
