"""Traces that follow one piece of work through HTTP, gRPC and NATS (W3C Trace Context), and figures for Prometheus."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, start_http_server

_tracer = trace.get_tracer("assent")


def configure(service: str) -> None:
    """Begin tracing; spans leave the process only where OTEL_EXPORTER_OTLP_ENDPOINT says where to."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # most have no use for it

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def headers() -> dict[str, str]:
    """The current trace, as headers to send along."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


@contextmanager
def span(name: str, received: Mapping[str, str] | None = None) -> Iterator[None]:
    """Work under a name, continuing the trace in the headers that came along."""
    before = propagate.extract(received) if received else None
    with _tracer.start_as_current_span(name, context=before):
        yield


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Work that belongs to another trace than what brought it here (W3C Trace Context); empty changes nothing."""
    if not traceparent:
        yield
        return
    token = context.attach(propagate.extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def serve_metrics(listen: str, registry: CollectorRegistry) -> Iterator[str]:
    """Let Prometheus ask for the figures in `registry` at `listen` (host:port, port 0 chooses one; "" is off).

    Yields the address, or "". Raises OSError where the port is taken.
    """
    if not listen:
        yield ""
        return
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), host, registry)
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
