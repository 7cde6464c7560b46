"""Rooms and their meetings at the front door."""

from typing import Any

import pytest

from tests.gateway.conftest import Stack, bearer


async def test_a_room_is_made_listed_changed_and_removed(stack: Stack) -> None:
    owner = stack.owner("room-owner")
    asked = {"name": "changing", "recording_trigger": "prompt", "is_locked": True, "retention_days": 30}
    made = await stack.http.post("/v1/rooms", json=asked, headers=owner)
    room = made.json()
    assert made.status_code == 201
    assert {name: room[name] for name in room.keys() - {"created_at", "updated_at"}} == {
        "name": "changing",
        "recording_type": "cloud",
        "recording_trigger": "prompt",
        "is_locked": True,
        "mode": "normal",
        "consent_policy": "DELETE_ON_DENIAL",
        "consent_deadline_seconds": 86_400,
        "retention_days": 30,
    }
    changes = {"consent_policy": "KEEP_IF_ALL_GRANTED", "consent_deadline_seconds": 3600, "retention_days": None}
    changed = (await stack.http.patch("/v1/rooms/changing", json=changes, headers=owner)).json()
    assert {name: changed[name] for name in changes} == changes
    assert (changed["is_locked"], changed["recording_trigger"]) == (True, "prompt")
    unlocked = await stack.http.patch("/v1/rooms/changing", json={"is_locked": False}, headers=owner)
    assert unlocked.json()["is_locked"] is False
    assert (await stack.http.get("/v1/rooms/changing", headers=owner)).json() == unlocked.json()
    again = await stack.http.post("/v1/rooms", json=asked, headers=owner)
    assert (again.status_code, again.json()["reason"]) == (409, "ROOM_EXISTS")
    assert [room["name"] for room in (await stack.http.get("/v1/rooms", headers=owner)).json()["rooms"]] == ["changing"]
    assert (await stack.http.delete("/v1/rooms/changing", headers=owner)).status_code == 204
    assert (await stack.http.get("/v1/rooms/changing", headers=owner)).status_code == 404


async def test_lists_go_on_where_the_page_before_ended(stack: Stack) -> None:
    owner = stack.owner("pager")
    for number in range(5):
        await stack.http.post("/v1/rooms", json={"name": f"page-{number}"}, headers=owner)
    names, token = [], ""
    while True:
        page = (await stack.http.get("/v1/rooms", params={"page_size": 2, "page_token": token}, headers=owner)).json()
        names += [room["name"] for room in page["rooms"]]
        if not (token := page["next_page_token"]):
            break
    assert names == [f"page-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Capitals"},
        {"name": "x" * 65},
        {"name": ""},
        {"name": "ok", "is_locked": "true"},
        {"name": "ok", "is_locked": 1},
        {"name": "ok", "retention_days": "5"},
        {"name": "ok", "retention_days": 0},
        {"name": "ok", "recording_trigger": "sometimes"},
        {"name": "ok", "owner_id": "somebody else"},
        {"name": "ok", "consent_policy": None},
        {},
        [],
    ],
)
async def test_a_room_that_cannot_be_is_refused(stack: Stack, body: Any) -> None:
    reply = await stack.http.post("/v1/rooms", json=body, headers=stack.owner("refused"))
    assert (reply.status_code, reply.json()["reason"]) == (422, "REQUEST_INVALID")
    assert "ok" not in stack.backend.rooms


async def test_a_meeting_has_its_shape(stack: Stack) -> None:
    opened = await stack.opened("shaped")
    assert opened.keys() == {"meeting", "participant", "consent"}
    assert opened["participant"].keys() == {"id", "token"}
    assert opened["consent"]["counts"]["present"] == 1
    meeting = opened["meeting"]
    assert (meeting["room"], meeting["is_active"], meeting["recording_type"]) == ("shaped", True, "cloud")
    assert meeting["room_name"].startswith("/")
    listed = await stack.http.get("/v1/rooms/shaped/meetings", headers=stack.owner())
    assert [one["id"] for one in listed.json()["meetings"]] == [meeting["id"]]
    token = bearer(opened["participant"]["token"])
    assert (await stack.http.get("/v1/rooms/shaped/meetings", headers=token)).json()["meetings"] == [meeting]
    assert (await stack.http.get("/v1/rooms/other/meetings", headers=token)).status_code == 404
