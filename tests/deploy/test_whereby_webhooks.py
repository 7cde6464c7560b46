"""The stand-in's webhooks: signed like Whereby's, repeated like Whereby's."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from deploy.local.whereby.webhooks import Webhooks, encode, envelope, signature

NINE = datetime(2026, 5, 4, 9, 0, 0, 123456, tzinfo=UTC)


class Gateway:
    """Answers with the given statuses in turn, the last one again and again; None is silence."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            raise httpx.ReadTimeout("silence", request=request)
        return httpx.Response(status)

    def ids(self) -> list[str]:
        return [json.loads(request.content)["id"] for request in self.requests]


def webhooks_to(answer: Callable[[httpx.Request], httpx.Response]) -> Webhooks:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Webhooks("http://gateway/v1/whereby", "secret", client, between=0)


def test_the_signature_is_over_the_time_and_the_raw_bytes() -> None:
    # `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
    assert signature("secret", b'{"a":1}', 1700000000) == (
        "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
    )


def test_the_envelope_is_wherebys() -> None:
    event = envelope("room.client.joined", {"roomName": "/a"}, NINE)
    assert set(event) == {"id", "apiVersion", "createdAt", "type", "data"}
    assert event["createdAt"] == "2026-05-04T09:00:00.123Z"


def test_names_are_sent_as_javascript_writes_them() -> None:
    assert encode({"displayName": "José", "n": 1}) == '{"displayName":"José","n":1}'.encode()


async def test_what_arrives_can_be_verified() -> None:
    gateway = Gateway(200)
    await webhooks_to(gateway).send("room.client.joined", {"displayName": "José"}, NINE, wait=True)
    request = gateway.requests[0]
    seconds, _, given = request.headers["Whereby-Signature"].partition(",v1=")
    signed = seconds.removeprefix("t=").encode() + b"." + request.content
    assert given == hmac.new(b"secret", signed, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("answers", "attempts", "state"),
    [
        ((200,), 1, "delivered"),
        ((500, 200), 2, "delivered"),
        ((None, 503, 204), 3, "delivered"),
        ((500,), 3, "given up"),
        ((None,), 3, "given up"),
        ((401,), 1, "delivered"),
    ],
)
async def test_it_is_repeated_after_a_5xx_or_silence_at_most_twice(
    answers: tuple[int | None, ...], attempts: int, state: str
) -> None:
    gateway = Gateway(*answers)
    webhooks = webhooks_to(gateway)
    await webhooks.send("room.client.left", {}, NINE, wait=True)
    assert len(gateway.requests) == attempts
    assert len(set(gateway.ids())) == 1
    assert webhooks.log[0].state == state


async def test_copies_are_the_same_event() -> None:
    gateway = Gateway(200)
    webhooks = webhooks_to(gateway)
    webhooks.copies = 3
    await webhooks.send("room.client.left", {}, NINE, wait=True)
    assert len(gateway.ids()) == 3
    assert len(set(gateway.ids())) == 1


async def test_what_is_held_comes_later_and_in_the_order_asked_for() -> None:
    gateway = Gateway(200)
    webhooks = webhooks_to(gateway)
    webhooks.mode = "hold"
    for kind in ("first", "second"):
        await webhooks.send(kind, {}, NINE, wait=True)
    assert gateway.requests == []
    assert await webhooks.release(reverse=True) == 2
    assert [json.loads(request.content)["type"] for request in gateway.requests] == ["second", "first"]


async def test_what_is_lost_never_comes() -> None:
    gateway = Gateway(200)
    webhooks = webhooks_to(gateway)
    webhooks.mode = "lose"
    await webhooks.send("first", {}, NINE, wait=True)
    assert await webhooks.release() == 0
    assert gateway.requests == []
