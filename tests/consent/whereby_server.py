"""A server that answers as Whereby does, or does not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_svc.whereby import Destination

DESTINATION = Destination("recordings", "AKIAWHEREBY", "whereby's secret key")
REPLY = {
    "meetingId": "m-1",
    "roomName": "/standup-7c9e",
    "roomUrl": "https://assent.whereby.com/standup-7c9e",
    "hostRoomUrl": "https://assent.whereby.com/standup-7c9e?roomKey=k",
    "startDate": "2026-03-02T09:00:00.000Z",
    "endDate": "2026-03-02T17:00:00.000Z",
}


@dataclass
class Server:
    """A Whereby whose answer each test chooses."""

    url: str
    status: int = 201
    body: bytes = json.dumps(REPLY).encode()
    silent: bool = False
    asked: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)
    speaks: asyncio.Event = field(default_factory=asyncio.Event)
    deleted: list[tuple[str, str | None]] = field(default_factory=list)
    pages: list[object] = field(default_factory=list)
    looked_at: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        self.asked.append((request.url.path, request.headers.get("Authorization"), await request.json()))
        if self.silent:
            await self.speaks.wait()
        return Response(self.body, self.status, self.headers, media_type="application/json")

    async def sessions(self, request: Request) -> Response:
        assert request.headers["Authorization"] == "Bearer api-key"
        self.looked_at.append(dict(request.query_params))
        if self.silent:
            await self.speaks.wait()
        page = self.pages[min(len(self.looked_at), len(self.pages)) - 1]
        return Response(page if isinstance(page, bytes) else json.dumps(page), self.status, self.headers)

    async def forget(self, request: Request) -> Response:
        self.deleted.append((request.scope["raw_path"].decode(), request.headers.get("Authorization")))
        return Response(status_code=self.status)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """The server, for as long as this is entered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        stub = Server(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        routes = [
            Route("/v1/meetings", stub.answer, methods=["POST"]),
            Route("/v1/meetings/{meeting_id:path}", stub.forget, methods=["DELETE"]),
            Route("/v1/insights/room-sessions", stub.sessions, methods=["GET"]),
        ]
        app = Starlette(routes=routes)
        running = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=0))
        task = asyncio.create_task(running.serve([listener]))
        yield stub
        running.should_exit = True
        await task
