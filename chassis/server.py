"""A gRPC server: mutual TLS, health, errors in one vocabulary, bounded handlers, a graceful end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.instrumentation.grpc import aio_server_interceptor

from chassis.channel import Tls
from chassis.errors import DeadlineExceeded, ServiceError, internal, to_trailing_metadata

log = structlog.get_logger()
T = TypeVar("T")

LONGEST_CALL = 30.0
"""Seconds after which a unary handler is ended even where its caller set no deadline."""

_GRACE = 10.0
_OPTIONS = [
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
]


class Server:
    """Serves on `listen` (host:port) with mutual TLS; on `health_listen`, health alone in plain text.

    The second is for the kubelet, whose gRPC probes speak no TLS.
    """

    def __init__(self, listen: str, *, tls: Tls, health_listen: str | None = None) -> None:
        self.ending = asyncio.Event()
        """Set when the server is asked to end: who serves a long stream ends it then, and need not be cut off."""
        self._health = health.aio.HealthServicer()
        self._names = [reflection.SERVICE_NAME]
        tracing = aio_server_interceptor()  # type: ignore[no-untyped-call]  # it has no types
        self._server = grpc.aio.server(interceptors=[tracing, _Errors()], options=_OPTIONS)
        self.port = self._server.add_secure_port(listen, tls.server_credentials())
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._probe: grpc.aio.Server | None = None
        self.health_port: int | None = None
        if health_listen:
            self._probe = grpc.aio.server()
            self.health_port = self._probe.add_insecure_port(health_listen)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probe)

    def add(self, register: Callable[[T, grpc.aio.Server], None], servicer: T, descriptor: ServiceDescriptor) -> None:
        """Serve one more service; `register` is the generated `add_…Servicer_to_server`."""
        register(servicer, self._server)
        self._names.append(descriptor.full_name)

    async def start(self) -> None:
        """Listen, and report healthy."""
        reflection.enable_server_reflection(self._names, self._server)
        await self._server.start()
        if self._probe:
            await self._probe.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("server_started", port=self.port)

    async def stop(self) -> None:
        """Report unhealthy, let calls in flight finish (10 s at most), stop."""
        self.ending.set()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE)
        if self._probe:
            await self._probe.stop(0)
        log.info("server_stopped")

    async def run_until_signalled(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        await self.start()
        try:
            await signalled()
        finally:
            await self.stop()


async def signalled() -> None:
    """Return when this process is asked to end (SIGTERM or SIGINT)."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


class _Errors(grpc.aio.ServerInterceptor):
    """Turns what a handler raises into a status with a reason; what we did not foresee stays inside."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith("/grpc."):
            return handler
        wrapped: dict[tuple[bool, bool], tuple[Any, Any, Any]] = {
            (False, False): (grpc.unary_unary_rpc_method_handler, _single, handler.unary_unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, _stream, handler.unary_stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, _single, handler.stream_unary),
            (True, True): (grpc.stream_stream_rpc_method_handler, _stream, handler.stream_stream),
        }
        make, wrap, behaviour = wrapped[bool(handler.request_streaming), bool(handler.response_streaming)]
        return make(wrap(behaviour, method), handler.request_deserializer, handler.response_serializer)


def _single(behaviour: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            async with asyncio.timeout(_limit(context)):
                return await behaviour(request, context)
        except Exception as error:
            await _abort(error, method, context)

    return call


def _stream(behaviour: Callable[..., AsyncIterator[Any]], method: str) -> Callable[..., AsyncIterator[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:
            await _abort(error, method, context)

    return call


def _limit(context: grpc.aio.ServicerContext[Any, Any]) -> float:
    remaining = context.time_remaining()
    return LONGEST_CALL if remaining is None else min(remaining, LONGEST_CALL)


async def _abort(error: Exception, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    known = error if isinstance(error, ServiceError) else _unforeseen(error, method)
    await context.abort(known.code, known.message, to_trailing_metadata(known))


def _unforeseen(error: Exception, method: str) -> ServiceError:
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(f"{method} took longer than allowed: try again", reason="DEADLINE_EXCEEDED")
    log.error("call_failed", method=method, exc_info=error)
    return internal()
