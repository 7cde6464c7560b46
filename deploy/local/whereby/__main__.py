"""Serves the stand-in: `python -m deploy.local.whereby --port 9000 --state FILE`, the rest by environment."""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.local.whereby.calls import Calls
from deploy.local.whereby.control import Control
from deploy.local.whereby.meetings import Meetings
from deploy.local.whereby.page import Page
from deploy.local.whereby.rest import Rest
from deploy.local.whereby.webhooks import Webhooks


def application(state: Path, url: str, api_key: str, webhooks: Webhooks) -> Starlette:
    """The whole stand-in, which tests use in their own process."""
    meetings = Meetings(state)
    calls = Calls(meetings, webhooks)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with webhooks.client:
            yield

    async def health(_: object) -> PlainTextResponse:
        return PlainTextResponse("ok")

    routes = [
        Route("/healthz", health),
        *Rest(meetings, api_key, url).routes(),
        *Control(meetings, calls, webhooks).routes(),
        *Page(meetings, calls).routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Read the settings and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.whereby")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    asked = parser.parse_args()
    webhooks = Webhooks(
        f"{os.environ['ASSENT_GATEWAY_URL']}/v1/whereby",
        os.environ["ASSENT_WHEREBY_WEBHOOK_SECRET"].split(",")[0].strip(),  # two of them while it is being changed
        httpx.AsyncClient(trust_env=False),
    )
    api_key = os.environ["ASSENT_WHEREBY_API_KEY"]
    app = application(asked.state, f"http://127.0.0.1:{asked.port}", api_key, webhooks)
    # A call's stream lasts as long as its page is open: stopping does not wait for that.
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
