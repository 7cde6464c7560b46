"""What the cookie of somebody who signed in opens, and what it does not."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.__main__ import application
from gateway.sessions import Sessions
from gateway.settings import Settings
from tests.gateway.conftest import SESSION_SECRET, Stack, bearer
from tests.gateway.visitor import Visitor


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
async def test_what_another_origin_asks_with_the_cookie_is_refused(host: Visitor, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    for method, path in [("POST", "/v1/rooms"), ("DELETE", "/v1/session"), ("PATCH", "/v1/rooms/x")]:
        reply = await host.http.request(
            method, path, headers=headers, json={"name": "x"} if method != "DELETE" else None
        )
        assert (reply.status_code, reply.json()["reason"]) == (403, "ORIGIN_REFUSED"), path
    if origin:
        assert (await host.http.get("/v1/rooms", headers=headers)).status_code == 403
    assert (await host.session())["subject"] == "owner-demo"


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("same-site", "cors", 403),
    ],
)
async def test_what_another_page_embeds_is_not_sent_in_somebodys_name(
    host: Visitor, site: str, mode: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert (await host.http.get("/v1/rooms", headers=headers)).status_code == status


@pytest.mark.parametrize("before", [b"\xa0", b"\x85"])
async def test_a_cookie_that_only_looks_like_ours_is_another_hosts(
    host: Visitor, pages: Settings, before: bytes
) -> None:
    ours, other = host.http.cookies["assent-session"], cookie_that_lasts(60, pages, "mallory")
    async with httpx.AsyncClient(base_url=pages.gateway_url) as http:

        async def signed_in_as(sent: bytes) -> str | None:
            subject: str | None = (await http.get("/v1/session", headers=[(b"cookie", sent)])).json()["subject"]
            return subject

        own = f"assent-session={ours}".encode()
        assert await signed_in_as(own) == "owner-demo"
        assert await signed_in_as(before + other.encode()) is None
        assert await signed_in_as(own + b"; " + before + other.encode()) == "owner-demo"
        assert await signed_in_as(own + b"; " + other.encode()) is None, "who may say which of two is meant?"


async def test_what_a_cookie_opened_is_kept_by_nobody(host: Visitor, stack: Stack) -> None:
    opened = await stack.opened("kept-by-nobody")
    meeting = opened["meeting"]["id"]
    for path in ("/v1/rooms", "/v1/session", f"/v1/meetings/{meeting}"):
        assert (await host.http.get(path)).headers["cache-control"] == "no-store", path
    by_token = await host.http.get(f"/v1/meetings/{meeting}", headers=bearer(opened["participant"]["token"]))
    assert by_token.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_page_of_another_origin_opens_no_meeting(stack: Stack, origin: str) -> None:
    await stack.opened("not-from-elsewhere")
    refused = await stack.http.post("/v1/rooms/not-from-elsewhere/meeting", headers={"Origin": origin})
    assert (refused.status_code, refused.json()["reason"]) == (403, "ORIGIN_REFUSED")
    for own in ({}, {"Origin": stack.url}):
        assert (await stack.http.post("/v1/rooms/not-from-elsewhere/meeting", headers=own)).status_code == 200


async def test_a_token_that_is_shown_counts_and_not_the_cookie(host: Visitor, stack: Stack) -> None:
    opened = await stack.opened("shown-token", "somebody-else")
    token = opened["participant"]["token"]
    assert (await host.http.get("/v1/rooms", headers=bearer(token))).json()["reason"] == "OWNER_ONLY"
    assert (await host.http.get("/v1/rooms", headers=bearer("x"))).json()["reason"] == "TOKEN_INVALID"
    for other in ("Basic eDp5", "Bearer"):
        refused = await host.http.get("/v1/rooms", headers={"Authorization": other})
        assert (refused.status_code, refused.json()["reason"]) == (401, "TOKEN_MISSING"), other


async def test_a_cookie_of_another_kind_secret_or_issuer_signs_nobody_in(host: Visitor, pages: Settings) -> None:
    await host.begin()
    flow = next(value for name, value in host.http.cookies.items() if "sign-in" in name)
    for value in (flow, "x", "", "gAAAAAB" + "A" * 100):
        reply = await httpx.AsyncClient(base_url=host.url).get(
            "/v1/rooms", headers={"Cookie": f"assent-session={value}"}
        )
        assert reply.status_code == 401, value
    cookie = host.http.cookies["assent-session"]
    for changed in ({"session_secret": SecretStr("x" * 40)}, {"oidc_issuer": "https://issuer.example.com"}):
        async with application(pages.model_copy(update=changed)) as app:
            assert await rooms_with(app, pages.gateway_url, cookie) == 401
    rotated = {"session_secret": SecretStr("x" * 40 + "," + SESSION_SECRET)}
    async with application(pages.model_copy(update=rotated)) as app:
        assert await rooms_with(app, pages.gateway_url, cookie) == 200


async def rooms_with(app: Any, url: str, cookie: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as http:
        return (await http.get("/v1/rooms", headers={"Cookie": f"assent-session={cookie}"})).status_code


@pytest.mark.parametrize("origin", ["https://evil.example", "https://elsewhere.example.org", "null", None])
async def test_a_line_is_opened_by_cookie_for_our_own_pages_alone(
    host: Visitor, pages: Settings, stack: Stack, origin: str | None
) -> None:
    opened = await stack.opened("line-by-cookie", "owner-demo")
    path = f"{pages.gateway_url.replace('http', 'ws', 1)}/v1/meetings/{opened['meeting']['id']}/events"
    cookie = {"Cookie": f"assent-session={host.http.cookies['assent-session']}"}
    async with connect(path, additional_headers={**cookie, **host.own}, proxy=None) as line:
        assert "CONSENT" in str(await line.recv())
    sent = {**cookie, "Origin": origin} if origin else cookie
    with pytest.raises(InvalidStatus) as refused:
        await connect(path, additional_headers=sent, proxy=None)
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as nobody:
        await connect(path, additional_headers=host.own, proxy=None)
    assert nobody.value.response.status_code == 401


def cookie_that_lasts(seconds: float, pages: Settings, subject: str = "owner-demo") -> str:
    """A session of somebody's, as a browser sends it."""
    response = Response()
    sessions = Sessions(
        secrets=pages.session_secrets, issuer=pages.oidc_issuer, gateway_url=pages.gateway_url, hours=seconds / 3600
    )
    sessions.begin(response, subject)
    return response.headers["set-cookie"].partition(";")[0]


async def test_a_session_that_has_ended_opens_nothing_whatever_the_browser_keeps(pages: Settings) -> None:
    async with httpx.AsyncClient(base_url=pages.gateway_url) as http:
        for seconds, status in ((-1, 401), (60, 200)):
            reply = await http.get("/v1/rooms", headers={"Cookie": cookie_that_lasts(seconds, pages)})
            assert reply.status_code == status


async def test_a_line_ends_with_the_session(host: Visitor, pages: Settings, stack: Stack) -> None:
    opened = await stack.opened("line-that-ends", "owner-demo")
    path = f"{pages.gateway_url.replace('http', 'ws', 1)}/v1/meetings/{opened['meeting']['id']}/events"
    cookie = cookie_that_lasts(1.5, pages)
    async with connect(path, additional_headers={"Cookie": cookie, **host.own}, proxy=None) as line:
        await line.recv()
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(line.recv(), 30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
