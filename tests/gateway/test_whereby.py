"""Whereby's webhooks: what is believed, what is refused, and that nothing is acknowledged before it is stored."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from assent.meeting.v1 import meeting_events_pb2 as events
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus import Delivery
from chassis.errors import Unauthenticated, Unavailable
from gateway.whereby import verify
from tests.eventually import eventually
from tests.gateway.conftest import WEBHOOK_SECRETS, Stack

JOSE = {"participantId": "w1", "displayName": "José 👋", "externalId": "p1", "roleName": "visitor", "numClients": 2}


def envelope(kind: str = "room.client.joined", **data: Any) -> dict[str, Any]:
    """A webhook as Whereby documents it."""
    every = {"meetingId": "4711", "roomName": "/weekly-x", "roomSessionId": "s1", **JOSE, **data}
    return {
        "id": str(uuid.uuid4()),
        "apiVersion": "1.0",
        "createdAt": "2026-11-22T10:00:00.123Z",
        "type": kind,
        "data": every,
    }


def sign(body: bytes, *, at: float | None = None, secret: str = WEBHOOK_SECRETS[0]) -> str:
    """The header that Whereby would send."""
    seconds = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


async def post(stack: Stack, body: bytes, header: str | bytes | None) -> tuple[int, dict[str, Any]]:
    headers = {b"Content-Type": b"application/json"}
    if header is not None:
        headers[b"Whereby-Signature"] = header if isinstance(header, bytes) else header.encode()
    reply = await stack.http.post("/v1/whereby", content=body, headers=headers)
    return reply.status_code, reply.json()


@pytest.mark.parametrize(
    "write",
    [
        lambda sent: json.dumps(sent, ensure_ascii=False).encode(),
        lambda sent: json.dumps(sent, ensure_ascii=True).encode(),
        lambda sent: json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode(),
        lambda sent: b" \n\t" + json.dumps(sent, ensure_ascii=False, indent=3).encode() + b"\r\n",
    ],
)
async def test_a_name_like_jose_and_odd_spacing_pass(stack: Stack, write: Callable[[Any], bytes]) -> None:
    body = write(envelope())
    assert (await post(stack, body, sign(body)))[0] == 200


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda body: sign(body, secret="forged"), "SIGNATURE_INVALID"),
        (lambda body: sign(body + b" "), "SIGNATURE_INVALID"),
        (lambda body: sign(body, at=time.time() - 3600), "SIGNATURE_STALE"),
        (lambda body: sign(body, at=time.time() + 3600), "SIGNATURE_STALE"),
        (lambda body: sign(body, at=time.time() + 365 * 24 * 3600), "SIGNATURE_STALE"),
        (lambda body: sign(body, at=time.time() - 302), "SIGNATURE_STALE"),
        (lambda body: sign(body, at=time.time() + 303), "SIGNATURE_STALE"),
        (lambda body: None, "SIGNATURE_MISSING"),
        (lambda body: "", "SIGNATURE_MISSING"),
        (lambda body: "hello", "SIGNATURE_INVALID"),
        (lambda body: "t=,v1=", "SIGNATURE_INVALID"),
        (lambda body: "v1=" + "0" * 64, "SIGNATURE_INVALID"),
        (lambda body: sign(body).partition(",")[0], "SIGNATURE_INVALID"),
        (lambda body: sign(body) + "0", "SIGNATURE_INVALID"),
        (lambda body: sign(body).replace("t=", "t=-"), "SIGNATURE_INVALID"),
        (lambda body: sign(body).replace("t=", "t=1e9,t="), "SIGNATURE_INVALID"),
        (lambda body: "t=1," + sign(body), "SIGNATURE_INVALID"),
        (lambda body: "t=" + "9" * 400 + ",v1=" + "0" * 64, "SIGNATURE_INVALID"),
        (lambda body: f"t={int(time.time())},v1=".encode() + b"\xff" * 64, "SIGNATURE_INVALID"),
        (lambda body: "t=٣,v1=" + "0" * 64, "SIGNATURE_INVALID"),
        (lambda body: sign(body, at=time.time() - 290), "ok"),
        (lambda body: sign(body, at=time.time() + 290), "ok"),
        (lambda body: sign(body, secret=WEBHOOK_SECRETS[1]), "ok"),
    ],
)
async def test_only_what_whereby_signed_just_now_is_believed(
    stack: Stack, make: Callable[[bytes], str | bytes | None], reason: str
) -> None:
    body = json.dumps(envelope()).encode()
    status, said = await post(stack, body, make(body))
    assert status == (200 if reason == "ok" else 401)
    if reason != "ok":
        assert said["reason"] == reason


@given(header=st.one_of(st.text(), st.from_regex(r"\A(t=[0-9]{0,14},?)?(v1=[0-9a-f]{0,70})?\Z")), body=st.binary())
def test_no_header_makes_the_check_fail_in_another_way(header: str, body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        verify(header, body, (b"secret",), time.time())


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"{}", b"not json", b"\xff\xfe", b"[" * 50_000),
        json.dumps({**envelope(), "id": 5}).encode(),
        json.dumps({**envelope(), "data": {"meetingId": "1"}}).encode(),
        json.dumps({**envelope(), "createdAt": "yesterday"}).encode(),
        json.dumps({**envelope(), "createdAt": "0001-01-01T00:00:00+14:00"}).encode(),
        json.dumps({**envelope(), "createdAt": "9999-12-31T23:59:59-14:00"}).encode(),
        json.dumps(envelope(meetingId="\ud800")).encode(),
    ],
)
async def test_signed_but_no_envelope_is_a_problem(stack: Stack, body: bytes) -> None:
    status, said = await post(stack, body, sign(body))
    assert (status, said["reason"]) == (400, "ENVELOPE_INVALID")


@pytest.mark.parametrize("kind", ["transcription.started", "room.something.new", "assistant.requested"])
async def test_types_without_use_are_acknowledged_and_counted(stack: Stack, kind: str) -> None:
    body = json.dumps(envelope(kind)).encode()
    assert (await post(stack, body, sign(body)))[0] == 200
    counted = (await stack.http.get("/metrics")).text
    label = kind if kind.startswith("transcription.") else "unknown"
    assert f'assent_gateway_webhooks_total{{outcome="ignored",type="{label}"}}' in counted


async def test_every_type_reaches_the_bus_as_its_event(stack: Stack) -> None:
    expected = {
        "room.client.joined": events.ClientJoined,
        "room.client.left": events.ClientLeft,
        "room.client.knocked": events.ClientKnocked,
        "room.session.started": events.SessionStarted,
        "room.session.ended": events.SessionEnded,
        "recording.finished": events.RecordingFinished,
    }
    heard: dict[str, Any] = {}
    sent: dict[str, dict[str, Any]] = {}
    for kind, message in expected.items():

        async def keep(delivery: Delivery[Any], kind: str = kind) -> None:
            if delivery.message.webhook_id == sent[kind]["id"]:
                heard[kind] = delivery.message

        sent[kind] = envelope(kind, filename="weekly-2026-11-22T10:00:00Z.mp4")
        body = json.dumps(sent[kind]).encode()
        assert (await post(stack, body, sign(body)))[0] == 200
        stack.bus.consume(message, consumer=f"test{uuid.uuid4().hex[:6]}", handle=keep, at_once=1)

    async def all_heard() -> bool:
        return heard.keys() == expected.keys()

    await eventually(all_heard)
    joined = heard["room.client.joined"]
    assert (joined.meeting_id, joined.whereby_room_name, joined.room_session_id) == ("4711", "/weekly-x", "s1")
    assert (joined.client.external_id, joined.client.role_name, joined.num_clients) == ("p1", "visitor", 2)
    assert joined.occurred_at.ToJsonString() == "2026-11-22T10:00:00.123Z"
    assert "José" not in str(joined)
    assert heard["recording.finished"].filename == "weekly-2026-11-22T10:00:00Z.mp4"


async def sessions_heard_of(stack: Stack) -> list[str]:
    """The ids of all webhooks about a session's start that the bus has had by now, each as often as it had it."""
    last, heard, done = envelope("room.session.started"), list[str](), asyncio.Event()
    body = json.dumps(last).encode()
    assert (await post(stack, body, sign(body)))[0] == 200

    async def keep(delivery: Delivery[events.SessionStarted]) -> None:
        heard.append(delivery.message.webhook_id)
        if delivery.message.webhook_id == last["id"]:
            done.set()

    stack.bus.consume(events.SessionStarted, consumer=f"test{uuid.uuid4().hex[:6]}", handle=keep, at_once=1)
    async with asyncio.timeout(30):
        await done.wait()
    return heard


async def test_the_same_webhook_twice_is_one_event(stack: Stack) -> None:
    sent = envelope("room.session.started")
    body = json.dumps(sent).encode()
    for _ in range(5):
        assert (await post(stack, body, sign(body)))[0] == 200
    assert (await sessions_heard_of(stack)).count(sent["id"]) == 1


async def test_what_cannot_be_stored_is_503_so_that_whereby_sends_it_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the event bus cannot be reached", reason="BUS_UNAVAILABLE")

    monkeypatch.setattr(stack.app.state.parts.bus, "publish", away)
    body = json.dumps(envelope()).encode()
    status, said = await post(stack, body, sign(body))
    assert (status, said["reason"]) == (503, "BUS_UNAVAILABLE")
