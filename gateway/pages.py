"""The pages: files in `web/`, the addresses that show them, and what a browser may do on them."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from gateway.problems import problem

WEB = Path(__file__).parent / "web"

# The one <style> that web/vendor/v3-embed.js puts into the page; another version of that file may have another.
_EMBED_STYLE = "'sha256-wWkhDcvkWlEEFofM+oCKyKaIPQKTy4KP7Elu/UcEYFs='"
_ROOM_NAME = re.compile(r"[a-z0-9-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Asked again each time, answered 304: a page never runs beside last week's script.
_REVALIDATE = {"Cache-Control": "no-cache"}
# Who has the address of a receipt may change its answer: no request may tell it, and no search engine keep it.
_SECRET = {**_REVALIDATE, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def content_security_policy(gateway_url: str, whereby_room_origin: str) -> str:
    """What pages may load: our own files, and calls in a frame from Whereby."""
    host = gateway_url.partition("://")[2]
    frames = " ".join(filter(None, ["https://*.whereby.com", whereby_room_origin]))
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {_EMBED_STYLE}",
            f"connect-src 'self' ws://{host} wss://{host}",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            f"frame-src {frames}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ]
    )


class _Static(StaticFiles):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file."""
        if scope["type"] != "http":
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            allowed = {"Allow": "GET, HEAD"}
            await problem(405, "METHOD_NOT_ALLOWED", "Method Not Allowed", allowed)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they come
        response.headers.update(_REVALIDATE)
        return response


def install(app: FastAPI, taken: set[str]) -> None:
    """Add the pages, after every other route. `taken` are first parts of paths that can be no room's name."""

    async def docs(_: Request) -> Response:
        return HTMLResponse(_describe(app))

    async def room(request: Request) -> Response:
        name = request.path_params["room_name"]
        if name not in taken and _ROOM_NAME.fullmatch(name):
            return _page("room.html")
        if name in taken or not _is_browser(request):
            raise HTTPException(404)
        # Somebody typed it: the room's page says in words that there is no such room.
        return _page("room.html", 404)

    _explain_nowhere(app)
    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/", lambda _: _page("home.html"), include_in_schema=False)
    app.add_route("/meetings/{id}", lambda request: _page_of("meeting.html", request), include_in_schema=False)
    app.add_route("/consent/{receipt_token}", lambda _: _page("consent.html", headers=_SECRET), include_in_schema=False)
    app.add_route("/transcripts/{id}", lambda request: _page_of("transcript.html", request), include_in_schema=False)
    # A third of the bytes on a telephone. Answers of the API go as they are: compressed ones tell of secrets by size.
    app.mount("/static", GZipMiddleware(_Static(directory=WEB), minimum_size=1000), name="static")
    app.add_route("/{room_name}", room, include_in_schema=False)


def _explain_nowhere(app: FastAPI) -> None:
    """Show people a page where there is none; programs, and whoever asks for the API, are told as before."""
    told = cast(Callable[[Request, Exception], Awaitable[Response]], app.exception_handlers[HTTPException])

    async def explain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        is_of_api = request.url.path.split("/")[1] == "v1"
        if error.status_code != 404 or is_of_api or request.scope["type"] != "http" or not _is_browser(request):
            return await told(request, error)
        # Perhaps a receipt's link that was cut.
        return _page("nowhere.html", 404, _SECRET)

    app.add_exception_handler(HTTPException, explain)


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page_of(name: str, request: Request) -> Response:
    if not _ID.fullmatch(request.path_params["id"]):
        raise HTTPException(404)
    return _page(name)


def _page(name: str, status: int = 200, headers: Mapping[str, str] = _REVALIDATE) -> Response:
    return FileResponse(WEB / name, status, headers=headers)


def _describe(app: FastAPI) -> str:
    """The routes on one page that loads nothing from elsewhere."""
    rows = [
        f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('description', ''))}</td></tr>"
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Assent API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/static/style.css"></head><body><main><h1>Assent API</h1>'
        '<p>The whole description, for tools: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>'
        f"<table><thead><tr><th>Method</th><th>Path</th><th>What</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "</main></body></html>"
    )
