"""Whereby's REST client, against a server that answers as Whereby does, or does not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import structlog

from chassis.errors import Unavailable
from consent_svc import whereby as client
from consent_svc.domain.rooms import RecordingTrigger, RecordingType, RoomMode, RoomSettings
from consent_svc.whereby import Whereby
from tests.consent.cases import HOUR, NINE, OWNER, meeting, room
from tests.consent.whereby_server import DESTINATION, REPLY, Server, serving
from tests.eventually import eventually


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def whereby(server: Server) -> AsyncIterator[Whereby]:
    async with Whereby(server.url, "api-key", DESTINATION) as whereby:
        yield whereby


async def test_a_meeting_is_made_as_the_room_wants_it(server: Server, whereby: Whereby) -> None:
    made = await whereby.create_meeting(room(), NINE + 8 * HOUR)
    [(path, key, asked)] = server.asked
    assert (path, key) == ("/v1/meetings", "Bearer api-key")
    assert asked == {
        "endDate": "2026-03-02T17:00:00.000Z",
        "isLocked": False,
        "roomMode": "normal",
        "roomNamePrefix": "standup-",
        "roomNamePattern": "uuid",
        "recording": {
            "type": "cloud",
            "startTrigger": "automatic-2nd-participant",
            "destination": {
                "provider": "s3",
                "bucket": "recordings",
                "accessKeyId": "AKIAWHEREBY",
                "accessKeySecret": "whereby's secret key",
                "fileFormat": "mp4",
            },
        },
        "fields": ["hostRoomUrl"],
    }
    assert (made.meeting_id, made.room, made.owner_id, made.whereby_room_name) == (
        "m-1", "standup", OWNER, "/standup-7c9e",
    )  # fmt: skip
    assert (made.started_at, made.closes_at) == (NINE, NINE + 8 * HOUR)
    assert made.host_room_url.endswith("roomKey=k")


@pytest.mark.parametrize("trigger", list(RecordingTrigger))
@pytest.mark.parametrize("kind", list(RecordingType))
async def test_every_type_and_trigger_is_passed_on(
    server: Server, whereby: Whereby, kind: RecordingType, trigger: RecordingTrigger
) -> None:
    settings = RoomSettings(recording_type=kind, recording_trigger=trigger, is_locked=True, mode=RoomMode.GROUP)
    made = await whereby.create_meeting(room(settings=settings), NINE)
    [(_, _, asked)] = server.asked
    assert (asked["recording"]["type"], asked["recording"]["startTrigger"]) == (kind.value, trigger.value)
    assert ("destination" in asked["recording"]) is (kind is RecordingType.CLOUD)
    assert (asked["isLocked"], asked["roomMode"], made.settings) == (True, "group", settings)


async def test_a_long_name_fits_wherebys_prefix(server: Server, whereby: Whereby) -> None:
    await whereby.create_meeting(room("a" * 64), NINE)
    [(_, _, asked)] = server.asked
    assert asked["roomNamePrefix"] == "a" * 38 + "-"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error": "endDate"}'), (401, b""), (429, b""), (500, b"<html>"), (503, b""),
        (201, b""), (201, b"not json"), (201, b"[]"), (201, b'{"meetingId": "m-1"}'),
        (201, json.dumps({**REPLY, "endDate": "soon"}).encode()),
        (201, json.dumps({**REPLY, "endDate": "2026-03-02T17:00:00"}).encode()),
        (201, json.dumps({**REPLY, "meetingId": ""}).encode()),
    ],
)  # fmt: skip
async def test_what_whereby_refuses_or_garbles_is_unavailable(
    server: Server, whereby: Whereby, status: int, body: bytes
) -> None:
    server.status, server.body = status, body
    with pytest.raises(Unavailable) as refused:
        await whereby.create_meeting(room(), NINE)
    assert refused.value.reason == "WHEREBY_UNAVAILABLE"
    assert len(server.asked) == 1


async def test_silence_is_unavailable_by_a_deadline(
    server: Server, whereby: Whereby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DEADLINE", 0.2)
    server.silent = True
    async with asyncio.timeout(3):
        with pytest.raises(Unavailable):
            await whereby.create_meeting(room(), NINE)


async def test_a_slow_whereby_gets_so_many_calls_at_once_and_the_others_after_them(
    server: Server, whereby: Whereby
) -> None:
    server.silent = True
    crowd = [asyncio.create_task(whereby.create_meeting(room(), NINE)) for _ in range(3 * client.CALLS_AT_ONCE)]

    async def asked(calls: int) -> bool:
        return len(server.asked) >= calls

    await eventually(lambda: asked(client.CALLS_AT_ONCE), within=2)
    with pytest.raises(TimeoutError):
        await eventually(lambda: asked(client.CALLS_AT_ONCE + 1), within=0.3)
    server.silent = False
    server.speaks.set()
    assert len(await asyncio.gather(*crowd)) == len(server.asked) == 3 * client.CALLS_AT_ONCE


async def test_who_waits_for_a_turn_waits_no_longer_than_for_whereby(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DEADLINE", 0.5)
    monkeypatch.setattr(client, "CALLS_AT_ONCE", 1)
    server.silent = True
    async with Whereby(server.url, "api-key", DESTINATION) as whereby, asyncio.timeout(3):
        crowd = (whereby.create_meeting(room(), NINE) for _ in range(10))
        ended = await asyncio.gather(*crowd, return_exceptions=True)
        assert {type(one) for one in ended} == {Unavailable}
        server.silent = False
        assert (await whereby.create_meeting(room(), NINE)).meeting_id == "m-1"


async def test_a_meeting_is_deleted(server: Server, whereby: Whereby) -> None:
    server.status = 204
    await whereby.delete_meeting(meeting("m/1"))
    assert server.deleted == [("/v1/meetings/m%2F1", "Bearer api-key")]
    server.status = 500
    with pytest.raises(Unavailable) as refused:
        await whereby.delete_meeting(meeting())
    assert refused.value.reason == "WHEREBY_UNAVAILABLE"


async def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with Whereby(url, "api-key", DESTINATION) as whereby:
            with pytest.raises(Unavailable):
                await whereby.create_meeting(room(), NINE)


async def test_the_log_of_a_refusal_says_why_and_keeps_the_secret(server: Server, whereby: Whereby) -> None:
    server.status, server.body = 400, b"bad destination: whereby's secret key"
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        await whereby.create_meeting(room(), NINE)
    assert logs == [
        {
            "event": "whereby_refused", "log_level": "error", "room": "standup", "status": 400,
            "said": "bad destination: [secret]",
        }
    ]  # fmt: skip
    assert "secret key" not in repr(DESTINATION)
