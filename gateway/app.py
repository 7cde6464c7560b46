"""Puts routes, pages and errors together into one application."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import (
    audio,
    consent,
    health,
    history,
    meetings,
    pages,
    problems,
    receipts,
    recordings,
    rooms,
    sign_in,
    sockets,
    transcripts,
    whereby,
)
from gateway.doorway import Doorway
from gateway.parts import Parts
from gateway.settings import Settings
from gateway.short_way import ShortWay

_ROUTERS = [
    module.router
    for module in (
        sign_in,
        rooms,
        meetings,
        consent,
        receipts,
        history,
        whereby,
        recordings,
        transcripts,
        audio,
        sockets,
        health,
    )
]
_SENT_BY_PAGES = ("Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Range", "X-Request-Id")


class Assent(FastAPI):
    """FastAPI, with a short way past it and an OpenAPI description that knows our problems."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.front(scope, receive, send)

    async def long_way(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request through all the layers of FastAPI and our own, which cost more than an answer does."""
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if not self.openapi_schema:
            schema = get_openapi(title=self.title, version=self.version, summary=self.summary, routes=self.routes)
            models = schema["components"]["schemas"]
            models["Problem"] = problems.Problem.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                models.pop(unused, None)
            for operations in schema["paths"].values():
                for operation in operations.values():
                    # Added where a path has a parameter; ours are 404 then.
                    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                        del operation["responses"]["422"]
            self.openapi_schema = schema
        return self.openapi_schema


def create_app(parts: Parts) -> FastAPI:
    """The whole face to the outside."""
    app = Assent(
        title="Assent",
        version="1",
        summary="Keeps the audio of a recorded meeting only where everyone asked agreed, and can prove it.",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    pages.install(app, _taken())
    headers = _headers(parts.settings)
    app.add_middleware(Doorway, metrics=parts.metrics, headers=headers)
    app.front = _for_other_origins(ShortWay(app.long_way, parts, headers), parts.settings.other_origins)
    return app


def _for_other_origins(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Around everything, so that a page of another origin can read every answer, also a refusal."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type", *_SENT_BY_PAGES),
        expose_headers=("ETag", "Accept-Ranges", "Content-Range", "Retry-After", "X-Request-Id"),
    )


def _headers(settings: Settings) -> dict[str, str]:
    """What browsers are told with every response."""
    return {
        "Content-Security-Policy": pages.content_security_policy(settings.gateway_url, settings.whereby_room_origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


def _taken() -> set[str]:
    """First parts of our own paths, which no room's page may cover."""
    paths = [getattr(route, "path", "") for router in _ROUTERS for route in router.routes]
    return {path.split("/")[1] for path in paths} | {
        "openapi.json",
        "docs",
        "static",
        "meetings",
        "transcripts",
        "consent",
    }
