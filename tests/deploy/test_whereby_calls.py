"""The stand-in's API and rooms: a call from its creation to the recording in the bucket, in one process."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from deploy.local import Moto
from deploy.local.sample import MEETING
from deploy.local.whereby.__main__ import application
from deploy.local.whereby.webhooks import Webhooks

KEY = {"Authorization": "Bearer api-key"}
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
NINE = "2026-05-04T09:00:00Z"


class Whereby:
    """The stand-in, with the webhooks that it sent."""

    def __init__(self, state: Path, variables: dict[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self.variables = variables
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._receive))
        app = application(state, "http://whereby", "api-key", Webhooks("http://gateway/v1/whereby", "secret", client))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://whereby")

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.events.append(json.loads(request.content))
        return httpx.Response(200)

    def told(self) -> list[str]:
        """The events' types, with the role of who came or went."""
        return [" ".join([event["type"], event["data"].get("roleName", "")]).strip() for event in self.events]

    async def create(self, trigger: str = "automatic", **more: object) -> dict[str, Any]:
        destination = {
            "provider": "s3",
            "bucket": self.variables["ASSENT_RECORDINGS_BUCKET"],
            "accessKeyId": self.variables["AWS_ACCESS_KEY_ID"],
            "accessKeySecret": self.variables["AWS_SECRET_ACCESS_KEY"],
            "fileFormat": more.pop("file_format", "mp4"),
        }
        recording = {"type": "cloud", "startTrigger": trigger, "destination": destination}
        body = {"endDate": TOMORROW, "recording": recording, "fields": ["hostRoomUrl"], **more}
        answer = await self.http.post("/v1/meetings", json=body, headers=KEY)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def act(self, meeting: dict[str, Any], action: str, **body: object) -> dict[str, Any]:
        answer = await self.http.post(f"/control/rooms{meeting['roomName']}/{action}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
async def whereby(tmp_path: Path, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whereby]:
    variables = moto.fresh_buckets(tmp_path.name.replace("_", "-").lower()[:40].rstrip("-"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stand_in = Whereby(tmp_path / "whereby.json", variables)
    async with stand_in.http:
        yield stand_in


async def test_without_the_key_nothing_is_answered(whereby: Whereby) -> None:
    assert (await whereby.http.post("/v1/meetings", json={"endDate": TOMORROW})).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert (await whereby.http.get("/v1/insights/room-sessions?roomName=/a", headers=wrong)).status_code == 401


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "endDate is required"),
        ({"endDate": "soon"}, "endDate must be an ISO 8601 date"),
        ({"endDate": "2020-01-01T00:00:00Z"}, "endDate must be in the future"),
        ({"endDate": TOMORROW, "roomMode": "huge"}, "roomMode must be one of"),
        ({"endDate": TOMORROW, "roomNamePrefix": "José"}, "roomNamePrefix"),
        ({"endDate": TOMORROW, "recording": {"type": "cloud"}}, "recording.destination needs"),
        ({"endDate": TOMORROW, "recording": {"type": "none", "startTrigger": "later"}}, "startTrigger must be one of"),
        ([], "the body must be an object"),
    ],
)
async def test_what_whereby_refuses_is_refused(whereby: Whereby, body: object, why: str) -> None:
    answer = await whereby.http.post("/v1/meetings", json=body, headers=KEY)
    assert (answer.status_code, why in answer.json()["error"]) == (400, True), answer.text


async def test_a_meeting_is_made_read_and_deleted(whereby: Whereby) -> None:
    meeting = await whereby.create(roomNamePrefix="/team-", roomNamePattern="human-short")
    assert meeting["roomName"].startswith("/team-")
    assert meeting["roomUrl"] == f"http://whereby{meeting['roomName']}"
    assert meeting["hostRoomUrl"].startswith(meeting["roomUrl"] + "?roomKey=")
    path = f"/v1/meetings/{meeting['meetingId']}"
    read = (await whereby.http.get(path, headers=KEY)).json()
    assert read == {name: value for name, value in meeting.items() if name != "hostRoomUrl"}
    assert (await whereby.http.get(meeting["roomName"])).status_code == 200
    assert (await whereby.http.delete(path, headers=KEY)).status_code == 204
    assert (await whereby.http.get(path, headers=KEY)).status_code == 404
    assert (await whereby.http.get(meeting["roomName"])).status_code == 404


async def test_meetings_outlive_the_process(whereby: Whereby, tmp_path: Path) -> None:
    meeting = await whereby.create()
    await whereby.act(meeting, "join", displayName="José", externalId="ana")
    again = Whereby(tmp_path / "whereby.json", whereby.variables)
    rooms = (await again.http.get("/control/rooms")).json()["meetings"]
    assert [client["external_id"] for client in rooms[0]["clients"]] == ["ana", None]


@pytest.mark.parametrize(
    ("trigger", "when"),
    [("automatic", ["Ana"]), ("automatic-2nd-participant", ["Ana", "Ben"]), ("prompt", []), ("none", [])],
)
async def test_the_recorder_follows_its_trigger(whereby: Whereby, trigger: str, when: list[str]) -> None:
    meeting = await whereby.create(trigger)
    there: list[str] = []
    for name in ("Ana", "Ben"):
        await whereby.act(meeting, "join", displayName=name)
        there.append(name)
        recording = "room.client.joined recorder" in whereby.told()
        assert recording == (bool(when) and len(there) >= len(when))


async def test_without_cloud_recording_the_recorder_never_comes(whereby: Whereby) -> None:
    meeting = await whereby.create(recording={"type": "local", "startTrigger": "automatic"})
    await whereby.act(meeting, "join", displayName="Ana")
    assert await whereby.act(meeting, "end") == {"recording": None}
    assert "room.client.joined recorder" not in whereby.told()


async def test_a_call_is_told_in_order_and_its_file_matches_the_recorder(whereby: Whereby, moto: Moto) -> None:
    meeting = await whereby.create("automatic-2nd-participant")
    await whereby.act(meeting, "join", displayName="Ana", externalId="ana", at="2026-05-04T08:59:58Z")
    await whereby.act(meeting, "join", displayName="José", externalId="ben", at=NINE)
    placed = (await whereby.act(meeting, "end", at="2026-05-04T09:00:35Z"))["recording"]
    assert whereby.told() == [
        "room.client.joined visitor",
        "room.client.joined visitor",
        "room.session.started",
        "room.client.joined recorder",
        "room.client.left visitor",
        "room.client.left visitor",
        "room.client.left recorder",
        "room.session.ended",
        "recording.finished",
    ]
    recorder = whereby.events[3]
    assert recorder["createdAt"] == "2026-05-04T09:00:00.000Z"
    assert placed["key"] == f"{meeting['roomName'][1:]}-2026-05-04T09:00:00Z.mp4"
    assert whereby.events[-1]["data"]["filename"] == placed["key"]
    stored = moto.cloud.client("s3").get_object(
        Bucket=placed["bucket"], Key=placed["key"], VersionId=placed["version_id"]
    )
    assert stored["Body"].read() == MEETING.read_bytes()


async def test_events_of_people_carry_what_the_design_names(whereby: Whereby) -> None:
    meeting = await whereby.create("prompt")
    for name in ("Ana", "José"):
        await whereby.act(meeting, "join", displayName=name, externalId=name[0], metadata="m")
    data = whereby.events[1]["data"]
    session = whereby.events[2]["data"]["roomSessionId"]
    assert data | {"participantId": "", "subdomain": ""} == {
        "meetingId": meeting["meetingId"],
        "roomName": meeting["roomName"],
        "roomSessionId": session,
        "subdomain": "",
        "participantId": "",
        "displayName": "José",
        "externalId": "J",
        "metadata": "m",
        "roleName": "visitor",
        "numClients": 2,
        "numClientsByRoleName": {"visitor": 2},
        "isDialIn": False,
    }
    assert whereby.events[0]["data"]["roomSessionId"] is None


async def test_sessions_can_be_asked_for(whereby: Whereby) -> None:
    meeting = await whereby.create("none")
    for name in ("Ana", "Ben"):
        await whereby.act(meeting, "join", displayName=name, externalId=name, at=NINE)
    for name in ("Ana", "Ben"):
        await whereby.act(meeting, "leave", externalId=name, at="2026-05-04T09:30:00Z")
    asked = {"roomName": meeting["roomName"]}
    answer = await whereby.http.get("/v1/insights/room-sessions", params=asked, headers=KEY)
    (session,) = answer.json()["results"]
    assert (session["startedAt"], session["endedAt"]) == ("2026-05-04T09:00:00.000Z", "2026-05-04T09:30:00.000Z")


async def test_sessions_come_page_by_page(whereby: Whereby) -> None:
    meeting = await whereby.create("none")
    for hour in range(9, 12):
        for name in ("Ana", "Ben"):
            await whereby.act(meeting, "join", displayName=name, externalId=name, at=f"2026-05-04T{hour:02}:00:00Z")
        await whereby.act(meeting, "end", at=f"2026-05-04T{hour:02}:30:00Z")
    asked, began = {"roomName": meeting["roomName"], "limit": "2"}, []
    for _ in range(2):
        answer = (await whereby.http.get("/v1/insights/room-sessions", params=asked, headers=KEY)).json()
        began.append([session["startedAt"][11:13] for session in answer["results"]])
        asked["cursor"] = answer["cursor"]
    assert (began, answer["cursor"]) == ([["09", "10"], ["11"]], None)
    for wrong in ({"limit": "101"}, {"limit": "0"}, {"cursor": "x"}):
        refused = await whereby.http.get("/v1/insights/room-sessions", params={**asked, **wrong}, headers=KEY)
        assert refused.status_code == 400


async def test_somebody_may_come_by_telephone(whereby: Whereby) -> None:
    meeting = await whereby.create("none")
    await whereby.act(meeting, "join", displayName="+41 44 000 00 00", isDialIn=True)
    [told] = whereby.events
    assert (told["data"]["isDialIn"], told["data"]["externalId"]) == (True, None)


async def test_at_a_locked_door_visitors_knock_and_hosts_enter(whereby: Whereby) -> None:
    meeting = await whereby.create("none", isLocked=True)
    assert (await whereby.act(meeting, "join", displayName="Ana"))["joined"] is False
    assert (await whereby.act(meeting, "join", displayName="Host", roleName="host"))["joined"] is True
    assert len((await whereby.act(meeting, "admit"))["admitted"]) == 1
    assert whereby.told()[:3] == [
        "room.client.knocked visitor",
        "room.client.joined host",
        "room.client.joined visitor",
    ]


async def test_a_recording_can_be_begun_back_then_but_not_twice(whereby: Whereby) -> None:
    meeting = await whereby.create("prompt")
    await whereby.act(meeting, "join", displayName="Ana")
    placed = (await whereby.act(meeting, "end", start_time=NINE))["recording"]
    assert placed["start_time"] == "2026-05-04T09:00:00Z"
    recorder = next(event for event in whereby.events if event["data"].get("roleName") == "recorder")
    assert recorder["createdAt"] == "2026-05-04T09:00:00.000Z"
    await whereby.act(meeting, "join", displayName="Ana")
    await whereby.act(meeting, "record")
    answer = await whereby.http.post(f"/control/rooms{meeting['roomName']}/end", json={"start_time": NINE})
    assert (answer.status_code, "date the joins back" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("key_format", "key"),
    [
        ("calls/{room}-{start_ms}.{extension}", "calls/{room}-2026-05-04T09:00:00.000Z.mp4"),
        ("{room}-{start_offset}.mp4", "{room}-2026-05-04T11:00:00+02:00.mp4"),
    ],
)
async def test_other_namings_of_wherebys_can_be_asked_for(whereby: Whereby, key_format: str, key: str) -> None:
    meeting = await whereby.create()
    placed = (await whereby.act(meeting, "file", start_time=NINE, key_format=key_format))["recording"]
    assert placed["key"] == key.format(room=meeting["roomName"][1:])
    assert whereby.events[-1]["data"]["filename"] == placed["key"].removeprefix("calls/")


async def test_a_matroska_recording_is_one(whereby: Whereby, moto: Moto) -> None:
    meeting = await whereby.create(file_format="mkv")
    placed = (await whereby.act(meeting, "file", announce=False))["recording"]
    assert placed["key"].endswith(".mkv")
    assert whereby.events == []
    stored = moto.cloud.client("s3").get_object(Bucket=placed["bucket"], Key=placed["key"])
    with av.open(stored["Body"]) as container:
        assert "matroska" in container.format.name
        assert {stream.type for stream in container.streams} == {"audio", "video"}


async def test_what_is_wrong_is_said(whereby: Whereby) -> None:
    meeting = await whereby.create()
    room = f"/control/rooms{meeting['roomName']}"
    for path, body, status, why in [
        ("/control/rooms/nowhere/join", {}, 404, "no such room"),
        (f"{room}/join", {}, 400, "displayName"),
        (f"{room}/leave", {"externalId": "x"}, 400, "nobody in"),
        (f"{room}/file", {"path": "/nowhere.mp4"}, 400, "no file"),
        (f"{room}/file", {"start_time": "2026-05-04T09:00:00"}, 400, "needs a zone"),
    ]:
        answer = await whereby.http.post(path, json=body)
        assert (answer.status_code, why in answer.json()["error"]) == (status, True), answer.text
