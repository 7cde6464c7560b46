"""The stand-in's room page: whoever has its stream open is in the call, and no longer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from deploy.local.run_dir import RunDir
from deploy.local.whereby.__main__ import application
from deploy.local.whereby.meetings import now
from deploy.local.whereby.webhooks import Webhooks
from tests.eventually import eventually

MEETING = {"endDate": (now() + timedelta(days=1)).isoformat(), "fields": ["hostRoomUrl"]}


class Room:
    """A room that is served on a port, and what its webhooks said."""

    def __init__(self, http: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
        self.http = http
        self.events = events

    async def create(self, **more: object) -> dict[str, Any]:
        key = {"Authorization": "Bearer api-key"}
        return dict((await self.http.post("/v1/meetings", json=MEETING | more, headers=key)).json())

    async def told(self, kind: str, name: str) -> bool:
        return any(event["type"] == kind and event["data"].get("displayName") == name for event in self.events)

    @asynccontextmanager
    async def inside(self, meeting: dict[str, Any], **query: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What the page gets while it is open."""
        url = f"{meeting['roomName']}/call"
        async with self.http.stream("GET", url, params=query, timeout=10) as stream:
            yield _messages(stream)


async def _messages(stream: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    events: list[dict[str, Any]] = []

    def receive(request: httpx.Request) -> httpx.Response:
        events.append(json.loads(request.content))
        return httpx.Response(200)

    port = RunDir(tmp_path).port("whereby")
    url = f"http://127.0.0.1:{port}"
    webhooks = Webhooks(url, "secret", httpx.AsyncClient(transport=httpx.MockTransport(receive)))
    app = application(tmp_path / "whereby.json", url, "api-key", webhooks)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Room(http, events)
    server.should_exit = True
    await serving


async def test_an_open_page_is_in_the_call_and_a_closed_one_is_not(room: Room) -> None:
    meeting = await room.create()
    async with room.inside(meeting, externalId="ana", displayName="José") as page:
        seen = await anext(page)
        assert (seen["joined"], [person["displayName"] for person in seen["people"]]) == (True, ["José"])
        assert room.events[0]["data"]["externalId"] == "ana"
        assert not await room.told("room.client.left", "José")
    await eventually(lambda: room.told("room.client.left", "José"))


async def test_those_who_are_in_see_who_comes_and_goes(room: Room) -> None:
    meeting = await room.create()
    async with room.inside(meeting, displayName="Ana") as page:
        await anext(page)
        async with room.inside(meeting, displayName="Ben"):
            assert [person["displayName"] for person in (await anext(page))["people"]] == ["Ana", "Ben"]
        while len((seen := await anext(page))["people"]) == 2:
            pass
        assert [person["displayName"] for person in seen["people"]] == ["Ana"]


async def test_who_has_the_key_is_a_host(room: Room) -> None:
    meeting = await room.create(isLocked=True)
    key = meeting["hostRoomUrl"].partition("roomKey=")[2]
    async with room.inside(meeting, displayName="Ana") as visitor:
        assert (await anext(visitor))["joined"] is False
        async with room.inside(meeting, displayName="Host", roomKey=key) as host:
            seen = await anext(host)
            assert (seen["joined"], seen["host"]) == (True, True)
            await room.http.post(f"/control/rooms{meeting['roomName']}/admit")
            while not (seen := await anext(visitor))["joined"]:
                pass
            assert seen["host"] is False


async def test_the_end_of_the_meeting_closes_the_page(room: Room) -> None:
    meeting = await room.create()
    async with room.inside(meeting, displayName="Ana") as page:
        await anext(page)
        await room.http.post(f"/control/rooms{meeting['roomName']}/end")
        assert [message async for message in page][-1] == {}


async def test_a_room_that_is_not_there_is_not_come_back_to(room: Room) -> None:
    assert (await room.http.get("/nowhere/call")).status_code == 204  # EventSource stops at 204
    assert (await room.http.get("/nowhere")).status_code == 404
