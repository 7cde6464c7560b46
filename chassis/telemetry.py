"""Traces that follow one piece of work through HTTP, gRPC and NATS (W3C Trace Context)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_tracer = trace.get_tracer("assent")


def configure(service: str) -> None:
    """Begin tracing; spans leave the process only where OTEL_EXPORTER_OTLP_ENDPOINT says where to."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
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
