"""Calls to another service: mutual TLS, a deadline on every call, retries, errors in our own vocabulary."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.instrumentation.grpc import aio_client_interceptors

from chassis.errors import Internal, from_rpc_error

DEFAULT_DEADLINE = 5.0
"""Seconds a call may take where the caller names no other time."""

UNREADABLE = "RESPONSE_UNREADABLE"
"""The reason of an error that stands for a response that is none."""

_RETRIES = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A service that was away is found again within what the retries above bridge.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Windows that gRPC lets grow take in megabytes of a stream that nobody reads: audio that may be erased meanwhile.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
]


@dataclass(frozen=True)
class Tls:
    """Files in PEM: the authority that both sides trust, and this process's own certificate and key."""

    ca: Path
    cert: Path
    key: Path

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client shows and trusts."""
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), self.key.read_bytes(), self.cert.read_bytes())

    def server_credentials(self) -> grpc.ServerCredentials:
        """What a server shows, and whom it lets in: holders of a certificate from the same authority."""
        return grpc.ssl_server_credentials(
            [(self.key.read_bytes(), self.cert.read_bytes())],
            root_certificates=self.ca.read_bytes(),
            require_client_auth=True,
        )


def connect(address: str, tls: Tls) -> grpc.aio.Channel:
    """A channel to `host:port`. It connects when first used and again whenever the other side returns.

    Calls raise a `chassis.errors.ServiceError`, never gRPC's own.
    """
    interceptors = [
        *aio_client_interceptors(),  # type: ignore[no-untyped-call]  # it has no types
        _UnaryCalls(),
        _StreamCalls(),
    ]
    return grpc.aio.secure_channel(
        f"dns:///{address}", tls.channel_credentials(), options=_OPTIONS, interceptors=interceptors
    )


def _with_deadline(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    timeout = DEFAULT_DEADLINE if details.timeout is None else details.timeout
    return grpc.aio.ClientCallDetails(
        details.method, timeout, details.metadata, details.credentials, details.wait_for_ready
    )


class _UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        call = await continuation(_with_deadline(client_call_details), request)
        try:
            return _readable(await call)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


class _StreamCalls(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        return _translated(await continuation(_with_deadline(client_call_details), request))


async def _translated(call: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for response in call:
            yield _readable(response)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


def _readable(response: Any) -> Any:
    # gRPC logs that it cannot read a response, and hands out None in its place.
    if response is None:
        raise Internal("what the service answered is no message of ours: are both of one release?", reason=UNREADABLE)
    return response
