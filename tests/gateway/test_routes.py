"""Rooms, recordings, transcripts, pages and everything else that is asked of the front door."""

import json
from typing import Any

import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2

from chassis import errors
from gateway.pages import WEB
from gateway.problems import STATUSES
from tests.gateway.conftest import Stack, bearer

PROBLEM = {"type", "title", "status", "detail", "reason"}


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


async def test_a_recording_shows_its_copies_and_its_proof(stack: Stack) -> None:
    copies = [
        recording_pb2.AudioCopy(
            kind=recording_pb2.COPY_KIND_MP3, bucket="b", key="k", state=recording_pb2.COPY_STATE_GONE
        )
    ]
    recording = recording_pb2.Recording(
        recording_id="r1",
        bucket="recordings",
        object_key="weekly-x.mp4",
        version_id="v1",
        owner_id="recorder",
        meeting_ids=["4711"],
        state=recording_pb2.RECORDING_STATE_ERASED,
        reason="SOMEBODY_REFUSED",
        copies=copies,
    )
    recording.erased_at.FromJsonString("2026-11-22T10:00:00.5Z")
    stack.backend.recordings["r1"] = recording
    owner = stack.owner("recorder")
    shown = (await stack.http.get("/v1/recordings/r1", headers=owner)).json()
    assert (shown["state"], shown["reason"], shown["meeting_id"]) == ("erased", "SOMEBODY_REFUSED", "4711")
    assert shown["copies"] == [{"kind": "mp3", "bucket": "b", "key": "k", "state": "gone"}]
    assert (shown["erased_at"], shown["recorded_at"]) == ("2026-11-22T10:00:00.500000Z", None)
    assert shown["blocked_until"] is None
    listed = await stack.http.get("/v1/recordings", params={"meeting_id": "4711"}, headers=owner)
    assert listed.json() == {"recordings": [shown], "next_page_token": ""}
    early = await stack.http.get("/v1/recordings/r1/certificate", headers=owner)
    assert (early.status_code, early.json()["reason"]) == (409, "NOT_ERASED")
    stack.backend.certificates["r1"] = "a.b.c"
    proof = await stack.http.get("/v1/recordings/r1/certificate", headers=owner)
    assert proof.json() == {"recording_id": "r1", "certificate": "a.b.c"}


async def test_d6_a_meetings_certificate_is_its_owners(stack: Stack) -> None:
    opened = await stack.opened("proven")
    path, owner = f"/v1/meetings/{opened['meeting']['id']}/certificate", stack.owner("owner-demo")
    early = await stack.http.get(path, headers=owner)
    assert (early.status_code, early.json()["reason"]) == (409, "NOT_ERASED")
    stack.backend.certificates[opened["meeting"]["id"]] = "a.b.c"
    proof = await stack.http.get(path, headers=owner)
    assert proof.json() == {"meeting_id": opened["meeting"]["id"], "certificate": "a.b.c"}
    theirs = {"Authorization": f"Bearer {opened['participant']['token']}"}
    assert (await stack.http.get(path, headers=theirs)).status_code in (401, 403)


async def test_a_transcript_is_read_changed_rendered_and_removed(stack: Stack) -> None:
    segment = transcript_pb2.Segment(
        start_ms=1, end_ms=2, text="hi", words=[transcript_pb2.Word(text="hi", start_ms=1)]
    )
    stack.backend.transcripts["t1"] = transcript_pb2.Transcript(
        transcript_id="t1",
        recording_id="r1",
        owner_id="writer",
        meeting_ids=["4711"],
        status=transcript_pb2.TRANSCRIPT_STATUS_COMPLETED,
        segments=[segment],
    )
    owner = stack.owner("writer")
    shown = (await stack.http.get("/v1/transcripts/t1", headers=owner)).json()
    assert (shown["status"], shown["segments"][0]["words"][0]["text"], shown["meeting_id"]) == (
        "completed",
        "hi",
        "4711",
    )
    listed = (await stack.http.get("/v1/transcripts", headers=owner)).json()["transcripts"]
    assert [(one["id"], "segments" in one) for one in listed] == [("t1", False)]
    path = "/v1/transcripts/t1"
    changed = await stack.http.patch(path, json={"title": "Früh ✓", "reviewed": True, "locked": True}, headers=owner)
    assert (changed.json()["title"], changed.json()["reviewed"]) == ("Früh ✓", True)
    locked = await stack.http.patch(path, json={"title": "late"}, headers=owner)
    assert (locked.status_code, locked.json()["reason"]) == (409, "TRANSCRIPT_LOCKED")
    for wrong in ({"locked": "no"}, {"title": "two\nlines"}, {"title": "\x00"}, {"title": None}, {"owner_id": "me"}):
        assert (await stack.http.patch(path, json=wrong, headers=owner)).status_code == 422, wrong
    assert (await stack.http.patch(path, json={}, headers=owner)).json()["reason"] == "NOTHING_TO_CHANGE"
    for name, media in [("txt", "text/plain"), ("vtt", "text/vtt"), ("srt", "application/x-subrip")]:
        text = await stack.http.get(f"{path}/text", params={"format": name}, headers=owner)
        assert (text.headers["content-type"].split(";")[0], text.content.decode()) == (media, "José said ✓")
    assert (await stack.http.get(f"{path}/text?format=pdf", headers=owner)).status_code == 422
    assert (await stack.http.delete(path, headers=owner)).status_code == 204
    assert "t1" not in stack.backend.transcripts


async def test_a_participant_lists_the_transcripts_of_their_meeting_alone(stack: Stack) -> None:
    opened, other = await stack.opened("listing"), await stack.opened("listing-2")
    for name, meeting in [("ta", opened), ("tb", other)]:
        stack.backend.transcripts[name] = transcript_pb2.Transcript(
            transcript_id=name, owner_id="owner-demo", meeting_ids=[meeting["meeting"]["id"]]
        )
    token = bearer(opened["participant"]["token"])
    listed = await stack.http.get("/v1/transcripts", headers=token)
    assert [one["id"] for one in listed.json()["transcripts"]] == ["ta"]
    theirs = await stack.http.get("/v1/transcripts", params={"meeting_id": other["meeting"]["id"]}, headers=token)
    assert (theirs.status_code, theirs.json()["reason"]) == (403, "OTHER_MEETING")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/v1/rooms/", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/v1", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/No_Room", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/static/nothing.js", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/static/../app.py", 404, "ROUTE_NOT_FOUND"),
        ("PUT", "/v1/rooms", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/whereby", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/rooms", 401, "TOKEN_MISSING"),
        ("POST", "/v1/rooms/Not%00A%20Name/meeting", 404, "NOT_FOUND"),
        ("POST", "/v1/rooms/no-such-room/meeting", 404, "ROOM_NOT_FOUND"),
    ],
)
async def test_every_error_is_a_problem(stack: Stack, method: str, path: str, status: int, reason: str) -> None:
    reply = await stack.http.request(method, path)
    assert (reply.status_code, reply.json()["reason"]) == (status, reason)
    assert reply.json().keys() == PROBLEM
    assert reply.json()["status"] == status
    assert reply.headers["content-type"] == "application/problem+json"


def test_every_error_of_the_services_has_its_status() -> None:
    kinds = set(errors.ServiceError.__subclasses__())
    assert kinds == STATUSES.keys()


async def test_what_we_did_not_foresee_is_a_problem_without_our_insides(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(stack.app.state.parts.meetings, "ListRooms", broken)
    reply = await stack.http.get("/v1/rooms", headers=stack.owner())
    assert (reply.status_code, reply.json()["reason"]) == (500, "INTERNAL")
    assert "hunter2" not in reply.text
    assert reply.headers["x-request-id"]


async def test_a_large_body_is_refused_before_it_is_read(stack: Stack) -> None:
    for content in (b"x" * (64 * 1024 + 1), _without_length()):
        reply = await stack.http.post("/v1/whereby", content=content)
        assert (reply.status_code, reply.json()["reason"]) == (413, "BODY_TOO_LARGE")
    fits = await stack.http.post("/v1/whereby", content=b"x" * (64 * 1024))
    assert fits.status_code == 401


async def _without_length() -> Any:
    for _ in range(70):
        yield b"x" * 1024


async def test_request_ids_come_back(stack: Stack) -> None:
    assert (await stack.http.get("/healthz", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    odd = (await stack.http.get("/healthz", headers={"X-Request-Id": "a b\t<script>"})).headers["x-request-id"]
    assert len(odd) == 32


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", "home.html"),
        ("/weekly", "room.html"),
        ("/meetings/4711", "meeting.html"),
        ("/transcripts/t1", "transcript.html"),
        ("/consent/a.b.c", "consent.html"),
        ("/static/api.js", "api.js"),
        ("/static/texts/en.json", "texts/en.json"),
    ],
)
async def test_pages_are_served_with_a_strict_policy(stack: Stack, path: str, file: str) -> None:
    reply = await stack.http.get(path)
    assert reply.status_code == 200
    assert reply.content == (WEB / file).read_bytes()
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    host = stack.url.removeprefix("http://")
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'sha256-wWkhDcvkWlEEFofM+oCKyKaIPQKTy4KP7Elu/UcEYFs='",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "frame-src": "https://*.whereby.com http://127.0.0.1:9999",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-cache"


async def test_a_name_that_can_be_no_room_is_explained_to_people_and_told_to_programs(stack: Stack) -> None:
    page = await stack.http.get("/My%20Room", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.content) == (404, (WEB / "room.html").read_bytes())
    told = await stack.http.get("/My%20Room", headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["reason"]) == (404, "ROUTE_NOT_FOUND")
    ours = await stack.http.get("/v1", headers={"Accept": "text/html"})
    assert (ours.status_code, ours.json()["reason"]) == (404, "ROUTE_NOT_FOUND")


async def test_docs_load_nothing_from_elsewhere(stack: Stack) -> None:
    page = (await stack.http.get("/docs")).text
    assert "/v1/meetings/{meeting_id}/consent" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


async def test_openapi_names_every_route_and_its_problems(stack: Stack) -> None:
    described = (await stack.http.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert {
        "/v1/rooms",
        "/v1/rooms/{room_name}/meeting",
        "/v1/meetings/{meeting_id}/consent",
        "/v1/whereby",
        "/v1/recordings/{recording_id}/certificate",
        "/v1/transcripts/{transcript_id}/audio/mp3",
    } <= described["paths"].keys()
    assert "HTTPValidationError" not in json.dumps(described)
    answer = described["paths"]["/v1/meetings/{meeting_id}/consent"]["post"]["responses"]
    assert answer["503"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    assert set(described["components"]["schemas"]["Problem"]["required"]) == PROBLEM
    changes = described["components"]["schemas"]["RoomChanges"]["properties"]
    assert not any("default" in one for one in changes.values())


async def test_metrics_count_by_route_and_status(stack: Stack) -> None:
    await stack.http.get("/v1/meetings/secret-id")
    counted = (await stack.http.get("/metrics")).text
    assert 'assent_gateway_requests_total{method="GET",route="/v1/meetings/{meeting_id}",status="401"}' in counted
    assert "secret-id" not in counted


async def test_the_door_names_what_is_missing(stack: Stack) -> None:
    ready = await stack.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "missing": []})
