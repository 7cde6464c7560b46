"""Signing in on the pages: to the issuer and back, and every answer that signs nobody in."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from gateway.__main__ import application
from gateway.settings import Settings
from tests.gateway.conftest import SESSION_SECRET, Stack
from tests.gateway.sign_in_issuer import CLIENT_ID, SignInIssuer
from tests.gateway.visitor import Visitor, cookies_of


async def test_somebody_signs_in_owns_a_room_and_signs_out(visitor: Visitor, honest: SignInIssuer) -> None:
    assert await visitor.session() == {"sign_in_url": "/v1/sign-in", "subject": None, "name": None, "expires_at": None}
    assert (await visitor.http.get("/v1/rooms")).status_code == 401
    assert await visitor.come_back(honest.approve(await visitor.begin("/transcripts/7"), "ana")) == "/transcripts/7"
    session = await visitor.session()
    assert session["subject"] == "ana"
    assert session["expires_at"]
    made = await visitor.http.post("/v1/rooms", json={"name": "of-ana"}, headers=visitor.own)
    assert made.status_code == 201, made.text
    listed = (await visitor.http.get("/v1/rooms")).json()["rooms"]
    assert "of-ana" in [room["name"] for room in listed]
    out = await visitor.http.delete("/v1/session", headers=visitor.own)
    assert out.status_code == 204
    assert (await visitor.session())["subject"] is None
    assert (await visitor.http.get("/v1/rooms")).status_code == 401


async def test_the_cookies_are_out_of_reach_of_scripts_and_say_nothing(visitor: Visitor, honest: SignInIssuer) -> None:
    sent = await visitor.http.get("/v1/sign-in")
    flow = one_cookie(sent)
    back = await visitor.http.get(honest.approve(sent.headers["location"], "ana"))
    session, *rest = cookies_of(back)
    for cookie in (flow, session):
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "lax", "/", "")
    assert [cookie["max-age"] for cookie in rest] == ["0"], "the flow is over"
    assert "ana" not in session.value
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    assert state not in flow.value
    assert back.headers["cache-control"] == "no-store"


async def test_with_tls_no_other_host_can_set_them(stack: Stack, sign_in_issuer: SignInIssuer) -> None:
    settings = stack.settings.model_copy(
        update={
            "gateway_url": "https://assent.example.org",
            "oidc_issuer": sign_in_issuer.origin,
            "oidc_client_id": CLIENT_ID,
            "session_secret": SecretStr(SESSION_SECRET),
        }
    )
    async with (
        application(settings) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.gateway_url) as http,
    ):
        cookie = one_cookie(await http.get("/v1/sign-in"))
    assert cookie.key.startswith("__Host-")
    assert cookie["secure"] is True


async def test_an_answer_counts_once_and_only_in_the_browser_that_asked(
    visitor: Visitor, honest: SignInIssuer, pages: Settings
) -> None:
    url = honest.approve(await visitor.begin())
    elsewhere = Visitor(pages.gateway_url)
    async with elsewhere.http:
        assert await elsewhere.come_back(url) == "/?sign-in=expired"
        await elsewhere.begin()
        assert await elsewhere.come_back(url) == "/?sign-in=expired", "a sign-in of its own does not help"
        assert (await elsewhere.session())["subject"] is None
    assert await visitor.come_back(url) == "/meetings/4711"
    assert await visitor.come_back(url) == "/?sign-in=expired"


async def test_a_state_that_only_begins_like_ours_is_not_ours(visitor: Visitor, honest: SignInIssuer) -> None:
    sign_in_url = await visitor.begin()
    state = parse_qs(urlsplit(sign_in_url).query)["state"][0]
    for other in (state + "x", state[:8] + "x" * 35, state[:8]):
        assert await visitor.come_back(honest.approve(sign_in_url, state=other)) == "/?sign-in=expired"
    assert await visitor.come_back(honest.approve(sign_in_url)) == "/meetings/4711"


async def test_two_tabs_sign_in_side_by_side(visitor: Visitor, honest: SignInIssuer) -> None:
    first, second = await visitor.begin("/one"), await visitor.begin("/two")
    assert await visitor.come_back(honest.approve(first)) == "/one"
    assert await visitor.come_back(honest.approve(second)) == "/two"


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "",
        "/v1/sign-in",
        "/v1/sign-in/callback",
        "/" + "a" * 3000,
        "/a\r\nSet-Cookie: x=y",
    ],
)
async def test_it_comes_back_to_a_page_of_ours_alone(visitor: Visitor, honest: SignInIssuer, return_to: str) -> None:
    assert await visitor.come_back(honest.approve(await visitor.begin(return_to))) == "/"


def signed_otherwise(issuer: SignInIssuer) -> None:
    claims = {"iss": issuer.origin, "aud": CLIENT_ID, "sub": "ana", "exp": 4_000_000_000, "nonce": "x"}
    issuer.id_token = jwt.encode(claims, "a secret that is long enough for it", "HS256")


def unsigned(issuer: SignInIssuer) -> None:
    claims = {"iss": issuer.origin, "aud": CLIENT_ID, "sub": "ana", "exp": 4_000_000_000, "nonce": "x"}
    issuer.id_token = jwt.encode(claims, "", "none")


def claiming(**claims: Any) -> Callable[[SignInIssuer], None]:
    return lambda issuer: issuer.claims.update(claims)


def failing(response: Response) -> Callable[[SignInIssuer], None]:
    def fail(issuer: SignInIssuer) -> None:
        issuer.token_failure = response

    return fail


@pytest.mark.parametrize(
    "fault",
    [
        signed_otherwise,
        unsigned,
        claiming(nonce="of another sign-in"),
        claiming(nonce=None),
        claiming(aud="another-client"),
        claiming(aud=[CLIENT_ID, "another-client"], azp="another-client"),
        claiming(aud=[CLIENT_ID, "another-client"]),
        claiming(iss="https://issuer.example.com"),
        claiming(exp=1_000_000_000),
        claiming(exp=None),
        claiming(sub=""),
        claiming(sub=None),
        claiming(sub="a" * 256),
        failing(JSONResponse({"error": "invalid_client"}, 401)),
        failing(JSONResponse({"access_token": "x", "token_type": "Bearer"})),
        failing(JSONResponse({"id_token": 7, "access_token": "x", "token_type": "Bearer"})),
    ],
)
async def test_an_answer_that_is_not_to_our_question_signs_nobody_in(
    visitor: Visitor, honest: SignInIssuer, fault: Callable[[SignInIssuer], None]
) -> None:
    url = honest.approve(await visitor.begin())
    fault(honest)
    assert await visitor.come_back(url) == "/?sign-in=failed"
    assert (await visitor.session())["subject"] is None


@pytest.mark.parametrize("failure", [Response("away", 502), Response("<html>", 200), JSONResponse([], 200)])
async def test_an_issuer_that_answers_nonsense_is_away(
    visitor: Visitor, honest: SignInIssuer, failure: Response
) -> None:
    url = honest.approve(await visitor.begin())
    honest.token_failure = failure
    assert await visitor.come_back(url) == "/?sign-in=unavailable"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iss": "https://issuer.example.com"}, "failed"),
        ({"iss": None}, "failed"),  # it said that it would name itself
        ({"code": "made-up"}, "failed"),
        ({"code": None, "error": "access_denied"}, "refused"),
        ({"code": None, "error": "server_error"}, "failed"),
        ({"state": "made-up"}, "expired"),
        ({"state": None}, "expired"),
    ],
)
async def test_a_changed_answer_signs_nobody_in(
    visitor: Visitor, honest: SignInIssuer, changes: dict[str, Any], said: str
) -> None:
    assert await visitor.come_back(honest.approve(await visitor.begin(), **changes)) == f"/?sign-in={said}"
    assert (await visitor.session())["subject"] is None


async def test_another_page_cannot_fill_a_browser_with_sign_ins(visitor: Visitor, honest: SignInIssuer) -> None:
    for _ in range(30):
        await visitor.begin("/" + "a" * 511)
        under_way = [name for name in visitor.http.cookies if name.startswith("assent-sign-in-")]
        assert len(under_way) <= 4
    assert sum(len(value) for value in visitor.http.cookies.values()) < 8_192
    assert await visitor.come_back(honest.approve(await visitor.begin())) == "/meetings/4711"


async def test_a_name_is_shown_where_the_issuer_says_one(visitor: Visitor, honest: SignInIssuer) -> None:
    honest.claims = {"name": "Ana María <b>"}
    await visitor.come_back(honest.approve(await visitor.begin(), "ana"))
    assert (await visitor.session())["name"] == "Ana María <b>"
    for unusable in (7, "", None, ["Ana"]):
        honest.claims = {"name": unusable, "preferred_username": "ana.m"}
        await visitor.come_back(honest.approve(await visitor.begin(), "ana"))
        assert (await visitor.session())["name"] == "ana.m"
    honest.claims = {"name": "a" * 1000}
    await visitor.come_back(honest.approve(await visitor.begin(), "ana"))
    assert (await visitor.session())["name"] == "a" * 100


async def test_without_a_client_at_the_issuer_nobody_can_sign_in(stack: Stack) -> None:
    session = (await stack.http.get("/v1/session")).json()
    assert session == {"sign_in_url": None, "subject": None, "name": None, "expires_at": None}
    for path in ("/v1/sign-in", "/v1/sign-in/callback?state=x&code=y"):
        reply = await stack.http.get(path)
        assert (reply.status_code, reply.json()["reason"]) == (404, "SIGN_IN_NOT_CONFIGURED")


def one_cookie(response: httpx.Response) -> Any:
    (cookie,) = cookies_of(response)
    return cookie
