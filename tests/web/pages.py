"""The gateway's own pages and their policy, for an application that has no services behind it."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import pages

WEB = pages.WEB


def with_pages(routes: Sequence[BaseRoute], whereby_origin: str) -> FastAPI:
    """These routes, then the gateway's pages with the headers that its own application gives them."""
    # 'self' is all that a page at the gateway's own address needs to connect to.
    policy = pages.content_security_policy("http://gateway.invalid", whereby_origin)
    app = FastAPI(routes=list(routes), middleware=[Middleware(_Policy, policy=policy)], docs_url=None, redoc_url=None)
    pages.install(app, {"v1", "docs", "static", "meetings", "transcripts", "consent"})
    return app


class _Policy:
    """Adds the policy to every response."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._header = (b"content-security-policy", policy.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self._header]
            await send(message)

        await self._app(scope, receive, with_policy)
