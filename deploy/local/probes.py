"""Asks a process whether it is ready: over HTTP, or by the gRPC health protocol."""

import urllib.error
import urllib.request

import grpc

SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse with status SERVING


def http_ok(url: str, timeout: float = 2) -> bool:
    """Whether the address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def grpc_serving(address: str, timeout: float = 2) -> bool:
    """Whether the server as a whole says SERVING on its plaintext health port."""
    with grpc.insecure_channel(address) as channel:
        try:
            # An empty request asks for the server as a whole.
            check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
            return check(b"", timeout=timeout) == SERVING
        except grpc.RpcError:
            return False
