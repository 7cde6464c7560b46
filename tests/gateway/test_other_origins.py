"""Pages of other origins: those that the operator named may use the API, and no other."""

from collections.abc import AsyncIterator

import httpx
import pytest
from assent.transcript.v1 import transcript_pb2
from pydantic import ValidationError

from gateway.__main__ import application
from gateway.server import HttpServer
from gateway.settings import Settings
from tests.gateway.conftest import Stack, bearer
from tests.gateway.watching import append, heard, watching

FRIEND, STRANGER = "https://front.example.org", "https://evil.example.org"


@pytest.fixture
async def open_to_friend(stack: Stack) -> AsyncIterator[Stack]:
    """A second gateway over the same services that one other origin may use."""
    settings = stack.settings.model_copy(update={"cors_origins": FRIEND})
    async with application(settings) as app, HttpServer(app, "127.0.0.1:0") as server:
        url = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            yield Stack(url, http, stack.backend, stack.bus, settings, stack.issuer, app, stack.services)


def preflight(origin: str, method: str = "POST", headers: str = "authorization, content-type") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_a_named_origin_may_ask_with_a_token_and_read_what_is_answered(open_to_friend: Stack) -> None:
    opened = await open_to_friend.opened("friends")
    path = f"/v1/meetings/{opened['meeting']['id']}/consent"
    asked = await open_to_friend.http.options(path, headers=preflight(FRIEND, headers="authorization, idempotency-key"))
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == FRIEND
    assert "credentials" not in "".join(asked.headers)
    token = bearer(opened["participant"]["token"])
    for _ in range(2):  # the second takes the short way
        reply = await open_to_friend.http.post(path, json={"consent_given": False}, headers={"Origin": FRIEND, **token})
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == FRIEND
        assert "Origin" in reply.headers["vary"]


async def test_a_refusal_can_be_read_as_well(open_to_friend: Stack) -> None:
    for asking in (
        open_to_friend.http.get("/v1/rooms", headers={"Origin": FRIEND}),
        open_to_friend.http.post("/v1/rooms", content=b"x" * 70_000, headers={"Origin": FRIEND}),
        open_to_friend.http.get("/no/such", headers={"Origin": FRIEND}),
    ):
        reply = await asking
        assert reply.status_code in (401, 404, 413)
        assert reply.headers["access-control-allow-origin"] == FRIEND


@pytest.mark.parametrize("origin", [STRANGER, "null", FRIEND + ".evil.example.org", FRIEND.replace("https", "http")])
async def test_any_other_origin_is_told_nothing(open_to_friend: Stack, origin: str) -> None:
    asked = await open_to_friend.http.options("/v1/rooms", headers=preflight(origin))
    assert asked.status_code == 400
    assert "access-control-allow-origin" not in asked.headers
    reply = await open_to_friend.http.get("/v1/rooms", headers={"Origin": origin})
    assert "access-control-allow-origin" not in reply.headers


async def test_without_a_named_origin_none_is_let_in(stack: Stack) -> None:
    asked = await stack.http.options("/v1/rooms", headers=preflight(FRIEND))
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in asked.headers


async def test_a_named_origin_may_open_sockets(open_to_friend: Stack, transcript: str) -> None:
    token = open_to_friend.issuer.token("owner-demo")
    append(open_to_friend, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_QUEUED)
    async with watching(open_to_friend, f"/v1/transcripts/{transcript}/events", token, origin=FRIEND) as live:
        assert (await heard(live))[0] == "STATUS"


@pytest.mark.parametrize(
    "origins", ["*", "front.example.org", "https://", "https://a.example.org https://b.example.org"]
)
def test_what_is_no_origin_stops_the_start(stack: Stack, origins: str) -> None:
    with pytest.raises(ValidationError, match="must look like https://"):
        Settings(**{**stack.settings.model_dump(), "cors_origins": origins})


def test_origins_are_kept_as_browsers_name_them(stack: Stack) -> None:
    given = Settings(
        **{**stack.settings.model_dump(), "cors_origins": " https://Front.Example.org/ ,http://localhost:3000,"}
    )
    assert given.other_origins == (FRIEND, "http://localhost:3000")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Assent.example.org:443/", "https://assent.example.org"),
        ("http://assent.example.org:80", "http://assent.example.org"),
        ("https://assent.example.org:80", "https://assent.example.org:80"),
    ],
)
def test_the_port_that_goes_without_saying_is_not_said(stack: Stack, given: str, kept: str) -> None:
    assert Settings(**{**stack.settings.model_dump(), "gateway_url": given}).gateway_url == kept


@pytest.mark.parametrize("url", ["https://company.example/assent", "https://x.example?a", "https://x.example#a"])
def test_an_address_below_a_host_stops_the_start(stack: Stack, url: str) -> None:
    with pytest.raises(ValidationError, match="nothing after the host"):
        Settings(**{**stack.settings.model_dump(), "gateway_url": url})
