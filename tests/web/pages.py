"""The pages and their files as the gateway serves them: the same addresses, the same Content-Security-Policy."""

import base64
import hashlib
from collections.abc import MutableMapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

WEB = Path(__file__).resolve().parents[2] / "gateway" / "web"

# The one <style> that the vendored v3-embed.js puts into the page. A new version of that file changes it.
EMBED_STYLE = """
    whereby-embed {
      display: block;
    }
    whereby-embed iframe {
      border: none;
      height: 100%;
      width: 100%;
    }
    """
EMBED_STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(EMBED_STYLE.encode()).digest()).decode()


def content_security_policy(whereby_origin: str) -> str:
    """What the pages may load and do: their own files, and the call in its frame."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' '{EMBED_STYLE_HASH}'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            f"frame-src https://*.whereby.com {whereby_origin}",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def page_routes(whereby_origin: str) -> list[BaseRoute]:
    """Routes for every page; the room's comes last because it takes any name."""
    headers = {
        "Content-Security-Policy": content_security_policy(whereby_origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    def page(file: str) -> Route:
        async def serve(_: Request) -> Response:
            return FileResponse(WEB / file, headers=headers)

        path = {"home.html": "/", "room.html": "/{room_name}"}.get(file, f"/{file.removesuffix('.html')}s/{{id}}")
        return Route(path, serve)

    files = Mount("/static", _WithHeaders(StaticFiles(directory=WEB), headers))
    return [files, *map(page, ("home.html", "transcript.html", "meeting.html", "room.html"))]


class _WithHeaders:
    """Adds the headers to every response of the static files."""

    def __init__(self, files: StaticFiles, headers: dict[str, str]) -> None:
        self._files = files
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: MutableMapping[str, object]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]  # type: ignore[misc]  # ASGI: a list of pairs
            await send(message)

        await self._files(scope, receive, with_headers)
