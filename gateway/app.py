"""Puts routes, pages and errors together into one application."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
    sockets,
    transcripts,
    whereby,
)
from gateway.doorway import Doorway
from gateway.parts import Parts
from gateway.short_way import ShortWay

_ROUTERS = [
    module.router
    for module in (
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


class Assent(FastAPI):
    """FastAPI, with an OpenAPI description that knows our problems."""

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
    settings = parts.settings
    headers = {
        "Content-Security-Policy": pages.content_security_policy(settings.gateway_url, settings.whereby_room_origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
    app.add_middleware(Doorway, metrics=parts.metrics, headers=headers)
    app.add_middleware(ShortWay, parts=parts, headers=headers)
    return app


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
