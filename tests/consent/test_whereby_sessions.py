"""Whereby's sessions, from a server that answers as Whereby does, or does not."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import structlog

from chassis.errors import Unavailable
from consent_svc import whereby as client
from consent_svc.domain.presence import Session
from consent_svc.insights import AT_ONCE, Insights
from consent_svc.whereby import Whereby
from tests.consent.cases import HOUR, NINE, TEN, WHEREBY_ROOM, Clock, meeting, room
from tests.consent.conftest import Store
from tests.consent.open_meetings import opened
from tests.consent.whereby_server import DESTINATION, Server, serving
from tests.eventually import eventually


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def whereby(server: Server) -> AsyncIterator[Whereby]:
    async with Whereby(server.url, "api-key", DESTINATION) as whereby:
        yield whereby


def page(*sessions: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    """An answer of /insights/room-sessions."""
    return {"cursor": cursor, "results": list(sessions)}


def row(name: str = "s-1", ended_at: str | None = None, room_name: str = WHEREBY_ROOM) -> dict[str, Any]:
    times = {"startedAt": "2026-03-02T09:00:00.000Z", "endedAt": ended_at}
    return {"roomSessionId": name, "roomName": room_name, "totalUniqueParticipants": 2, **times}


async def test_sessions_are_asked_for_by_the_rooms_name_page_by_page(server: Server, whereby: Whereby) -> None:
    server.status = 200
    server.pages = [page(row(), cursor="next"), page(row("s-2", "2026-03-02T10:00:00.000Z"))]
    assert await whereby.room_sessions(meeting()) == [Session("s-1", NINE, None), Session("s-2", NINE, TEN)]
    asked = {"roomName": WHEREBY_ROOM, "limit": "100"}
    assert server.looked_at == [asked, {**asked, "cursor": "next"}]


async def test_sessions_of_another_room_are_not_taken_for_this_meetings(server: Server, whereby: Whereby) -> None:
    server.status = 200
    server.pages = [page(row("s-1", room_name="/elsewhere"), row("s-2", room_name=WHEREBY_ROOM[1:]))]
    assert await whereby.room_sessions(meeting()) == [Session("s-2", NINE, None)]
    server.pages = [page()]
    assert await whereby.room_sessions(meeting()) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b""), (500, b"<html>"), (404, b"{}"), (200, b""), (200, b"not json"), (200, b"[]"), (200, b"{}"),
        (200, b'{"results": [{"roomSessionId": "s-1"}]}'),
        (200, json.dumps(page(row(ended_at="soon"))).encode()),
        (200, json.dumps(page(row(ended_at="2026-03-02T10:00:00"))).encode()),
        (200, json.dumps(page(row(name=""))).encode()),
        (200, json.dumps(page(row(), cursor="always more")).encode()),
    ],
)  # fmt: skip
async def test_sessions_that_cannot_be_had_are_unavailable(
    server: Server, whereby: Whereby, status: int, body: bytes
) -> None:
    server.status, server.pages = status, [body]
    with pytest.raises(Unavailable) as refused:
        await whereby.room_sessions(meeting())
    assert refused.value.reason == "WHEREBY_UNAVAILABLE"
    assert len(server.looked_at) <= 10


async def test_a_refusal_that_passes_is_a_warning(server: Server, whereby: Whereby) -> None:
    for status, level in ((429, "warning"), (503, "warning"), (400, "error")):
        server.status, server.pages = status, [b"no"]
        with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
            await whereby.room_sessions(meeting())
        assert [line["log_level"] for line in logs] == [level]


@pytest.mark.parametrize(
    ("status", "left", "spare"),
    [(200, "51", True), (200, "50", True), (200, "49", False), (200, "0", False), (429, "", False), (200, "", True),
     (200, "many", True), (503, "", True)],
)  # fmt: skip
async def test_half_of_the_points_of_a_minute_is_left_to_opening_rooms(
    server: Server, whereby: Whereby, monkeypatch: pytest.MonkeyPatch, status: int, left: str, spare: bool
) -> None:
    server.status, server.pages = status, [page()]
    server.headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": left} if left else {}
    with suppress(Unavailable):
        await whereby.room_sessions(meeting())
    assert whereby.has_points_to_spare is spare
    later = time.monotonic() + 61
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: later)
        assert whereby.has_points_to_spare


async def test_a_room_is_opened_while_those_who_ask_about_sessions_hang(
    server: Server, whereby: Whereby, memory_store: Store, clock: Clock
) -> None:
    await opened(memory_store, *(f"m-{n}" for n in range(3 * client.CALLS_AT_ONCE)))
    server.silent, server.pages = True, [page()]
    async with Insights(whereby, memory_store.meetings, memory_store.presence, clock, HOUR):

        async def all_hang() -> bool:
            return len(server.looked_at) == AT_ONCE

        await eventually(all_hang, within=2)
        server.silent = False
        assert (await whereby.create_meeting(room(), NINE)).meeting_id == "m-1"
    server.speaks.set()
