"""Whether the gateway lives, whether it can do its work, and what it has counted."""

import asyncio

import grpc
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from chassis.errors import ServiceError
from gateway.parts import Gateway

router = APIRouter(tags=["operation"])

_PROBE_SECONDS = 1.0


class Readiness(BaseModel):
    """What is missing; nothing when all is well."""

    status: str
    missing: list[str]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(gateway: Gateway) -> Response:
    """All three services and NATS can be reached, and the notices are registered; 503 names what is not so."""
    serving = await asyncio.gather(*(_is_serving(channel) for channel in gateway.channels.values()))
    missing = [name for name, is_serving in zip(gateway.channels, serving, strict=True) if not is_serving]
    if not gateway.bus.is_connected:
        missing.append("nats")
    if not gateway.notices.are_registered:
        missing.append("notices")
    readiness = Readiness(status="not ready" if missing else "ready", missing=missing)
    headers = {"Cache-Control": "no-store", **({"Retry-After": "2"} if missing else {})}
    return JSONResponse(readiness.model_dump(), 503 if missing else 200, headers)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(gateway: Gateway) -> Response:
    """Figures for Prometheus."""
    return Response(gateway.metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    try:
        asked = health_pb2.HealthCheckRequest()
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(asked, timeout=_PROBE_SECONDS)  # type: ignore[attr-defined]  # its stub lacks it
    except ServiceError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
