"""The whole stack, once for all system tests: real processes, real Postgres, NATS, S3 API and recogniser."""

from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.local import Stack
from gateway.server import HttpServer
from tests.system.world import World
from tests.web.conftest import browser as browser


class Elsewhere:
    """Somebody else's page, on an origin of its own that may use the API; `page` is what it shows."""

    def __init__(self) -> None:
        self.page = ""
        self.server = HttpServer(Starlette(routes=[Route("/", self._show)]), "127.0.0.1:0")
        self.origin = f"http://127.0.0.1:{self.server.port}"

    async def _show(self, _: Request) -> HTMLResponse:
        return HTMLResponse(self.page)


@pytest.fixture(scope="session")
async def elsewhere() -> AsyncIterator[Elsewhere]:
    elsewhere = Elsewhere()
    async with elsewhere.server:
        yield elsewhere


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> Iterator[Stack]:
    # Nobody waits a minute here for what webhooks did not tell.
    environ = {"ASSENT_CONSENT_INSIGHTS_SECONDS": "1", "ASSENT_CORS_ORIGINS": elsewhere.origin}
    with Stack(tmp_path_factory.mktemp("stack"), environ=environ) as stack:
        yield stack


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    stack.up()  # whatever an earlier test left dead
    async with World.of(stack) as world:
        yield world
