"""An S3 that fails where a test says so: an honest client with faults put in between."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError


class FaultyS3:
    """Passes every call on to the real client, except where `before` or `after` has something to say."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.before: dict[str, Callable[..., dict[str, Any] | None]] = {}
        self.after: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._s3, name)
        if not name.startswith(("delete_", "abort_", "list_")):
            return real

        async def call(**arguments: Any) -> Any:
            self.calls.append(name)
            if name in self.before and (reply := self.before[name](**arguments)) is not None:
                return reply
            reply = await real(**arguments)
            if name in self.after:
                await self.after[name](reply)
            return reply

        return call


def denied(operation: str, code: str = "AccessDenied") -> ClientError:
    """What S3 raises when a whole call is refused."""
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, operation)


def unreachable() -> EndpointConnectionError:
    """What the client raises when nothing answers."""
    return EndpointConnectionError(endpoint_url="http://nowhere")
